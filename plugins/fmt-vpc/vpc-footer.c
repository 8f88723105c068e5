/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The footer: checksum, size and geometry (specification, "Hard Disk Footer
 * Format" and "Appendix: CHS Calculation").
 */
#include "vpc.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SECONDS_TO_2000 946684800

uint32_t vpc_checksum(const uint8_t *data, uint32_t bytes, uint32_t field)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < bytes; i++)
        if (i < field || i >= field + 4)
            sum += data[i];
    return ~sum;
}

int vpc_footer_is_sound(const uint8_t *footer)
{
    return memcmp(footer, "conectix", 8) == 0 &&
           get_be32(footer + F_CHECKSUM) ==
               vpc_checksum(footer, VPC_FOOTER_BYTES, F_CHECKSUM);
}

/* Those who made these images take the size as it stands; the others made
 * disks as large as their geometry says. */
static int size_counts(const uint8_t *footer)
{
    static const char exact[][5] = {"win ", "qem2", "d2v ",
                                    "tap\0", "CTXS", "wa\0\0"};

    for (uint32_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (!memcmp(footer + F_CREATOR, exact[i], 4))
            return 1;
    return 0;
}

uint64_t vpc_size(const struct vpc *v)
{
    const struct tn_props *props = tn_service(v->host, TN_HOST_PROPS);
    uint64_t how = props->get_uint(v->host, "force-size-calc");
    uint64_t sectors = (uint64_t)get_be16(v->footer + F_CYLINDERS) *
                       v->footer[F_HEADS] * v->footer[F_SECTORS];
    int exact = how ? how == 2 : size_counts(v->footer);

    if (exact || (how == 0 && sectors == VPC_MAX_GEOMETRY))
        return get_be64(v->footer + F_BYTES);
    return sectors * VPC_SECTOR;
}

void vpc_geometry(uint64_t sectors, uint32_t chs[3])
{
    uint32_t heads, track;
    uint64_t cylinders_heads;

    if (sectors > VPC_MAX_GEOMETRY)
        sectors = VPC_MAX_GEOMETRY;
    if (sectors >= 65535ull * 16 * 63) {
        track = 255;
        heads = 16;
        cylinders_heads = sectors / track;
    } else {
        track = 17;
        cylinders_heads = sectors / track;
        heads = (uint32_t)((cylinders_heads + 1023) / 1024);
        if (heads < 4)
            heads = 4;
        if (cylinders_heads >= heads * 1024ull || heads > 16) {
            track = 31;
            heads = 16;
            cylinders_heads = sectors / track;
        }
        if (cylinders_heads >= heads * 1024ull) {
            track = 63;
            heads = 16;
            cylinders_heads = sectors / track;
        }
    }
    chs[0] = (uint32_t)(cylinders_heads / heads);
    chs[1] = heads;
    chs[2] = track;
}

void vpc_set_size(uint8_t *footer, uint64_t *bytes, int exact)
{
    uint64_t sectors = (*bytes + VPC_SECTOR - 1) / VPC_SECTOR, more = 0;
    uint32_t chs[3] = {65535, 16, 255};

    if (!exact && sectors <= VPC_MAX_GEOMETRY)
        do
            vpc_geometry(sectors + more++, chs);
        while ((uint64_t)chs[0] * chs[1] * chs[2] < sectors);
    if ((uint64_t)chs[0] * chs[1] * chs[2] != VPC_MAX_GEOMETRY)
        sectors = (uint64_t)chs[0] * chs[1] * chs[2];
    *bytes = sectors * VPC_SECTOR;
    memcpy(footer + F_CREATOR, exact ? "win " : "tnon", 4);
    put_be64(footer + F_BYTES, *bytes);
    put_be16(footer + F_CYLINDERS, (uint16_t)chs[0]);
    footer[F_HEADS] = (uint8_t)chs[1];
    footer[F_SECTORS] = (uint8_t)chs[2];
    put_be32(footer + F_CHECKSUM,
             vpc_checksum(footer, VPC_FOOTER_BYTES, F_CHECKSUM));
}

void vpc_new_footer(uint8_t *footer, uint32_t type, uint64_t *bytes, int exact)
{
    memset(footer, 0, VPC_FOOTER_BYTES);
    memcpy(footer, "conectix", 8);
    put_be32(footer + F_FEATURES, 2); /* always set */
    put_be32(footer + F_VERSION, 0x00010000);
    put_be64(footer + F_DATA_OFFSET,
             type == VPC_FIXED ? ~0ull : VPC_FOOTER_BYTES);
    put_be32(footer + F_TIME, (uint32_t)(time(NULL) - SECONDS_TO_2000));
    put_be32(footer + F_CREATOR_VERSION, 0x00010000);
    memcpy(footer + F_CREATOR_OS, "Wi2k", 4);
    put_be32(footer + F_TYPE, type);
    if (getrandom(footer + F_UUID, 16, 0) != 16)
        memset(footer + F_UUID, 0x5a, 16);
    footer[F_UUID + 6] = (uint8_t)((footer[F_UUID + 6] & 0x0f) | 0x40);
    footer[F_UUID + 8] = (uint8_t)((footer[F_UUID + 8] & 0x3f) | 0x80);
    vpc_set_size(footer, bytes, exact);
    put_be64(footer + F_ORIGINAL_BYTES, *bytes);
    put_be32(footer + F_CHECKSUM,
             vpc_checksum(footer, VPC_FOOTER_BYTES, F_CHECKSUM));
}

int32_t vpc_write_footers(struct vpc *v)
{
    int32_t rc = 0;

    if (v->type != VPC_FIXED) {
        rc = v->image->pwrite(v->host, 0, 0, v->footer, VPC_FOOTER_BYTES);
        if (rc == 0)
            rc = v->image->flush(v->host);
    }
    if (rc == 0)
        rc = v->image->pwrite(v->host, 0, v->end, v->footer,
                              VPC_FOOTER_BYTES);
    return rc < 0 ? rc : v->image->flush(v->host);
}

/* What changes is in its first sector, with the checksum. */
int32_t vpc_write_header(struct vpc *v)
{
    int32_t rc;

    put_be32(v->header + H_CHECKSUM,
             vpc_checksum(v->header, VPC_HEADER_BYTES, H_CHECKSUM));
    rc = v->image->pwrite(v->host, 0, get_be64(v->footer + F_DATA_OFFSET),
                          v->header, VPC_HEADER_BYTES);
    return rc < 0 ? rc : v->image->flush(v->host);
}
