/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata region ([MS-VHDX] 2.6): what the disk is like, and its parent.
 */
#include "vhdx.h"

#include <errno.h>
#include <strings.h>

#define METADATA_ID "metadata"
#define MAX_ITEMS 1023u
#define M_COUNT 10
#define M_ENTRIES 32
#define M_ENTRY 32u
#define FLAG_REQUIRED 4u
#define FLAG_USER 1u

#define MAX_LOCATOR (256u * 1024u)

struct items {
    struct vhdx *v;
    struct tn_image_info *info;
    struct tn_error *error;
    uint32_t seen;
};

/* 2.6.2.1 .. 2.6.2.5: what each item must have. */
static int32_t take_parameters(struct items *m, const uint8_t *data)
{
    struct vhdx *v = m->v;

    v->block = get32(data);
    v->leave_allocated = get32(data + 4) & 1;
    v->has_parent = get32(data + 4) >> 1 & 1;
    if (v->block < MIB || v->block > 256 * MIB || v->block & (v->block - 1))
        return vhdx_bad(v, m->error, "the block size is wrong");
    return 0;
}

static int32_t take_size(struct items *m, const uint8_t *data)
{
    m->v->bytes = get64(data);
    if (m->v->bytes > MAX_BYTES)
        return vhdx_bad(m->v, m->error, "the disk is larger than 64 TiB");
    return 0;
}

static int32_t take_page83(struct items *m, const uint8_t *data)
{
    memcpy(m->v->page83, data, GUID_BYTES);
    return 0;
}

static int32_t take_logical(struct items *m, const uint8_t *data)
{
    m->v->logical = get32(data);
    if (m->v->logical != 512 && m->v->logical != 4096)
        return vhdx_bad(m->v, m->error, "the logical sector size is wrong");
    return 0;
}

static int32_t take_physical(struct items *m, const uint8_t *data)
{
    m->v->physical = get32(data);
    if (m->v->physical != 512 && m->v->physical != 4096)
        return vhdx_bad(m->v, m->error, "the physical sector size is wrong");
    return 0;
}

static const struct {
    const uint8_t *guid;
    uint32_t bytes;
    int32_t (*take)(struct items *m, const uint8_t *data);
} known[] = {
    {vhdx_guid_parameters, 8, take_parameters},
    {vhdx_guid_size, 8, take_size},
    {vhdx_guid_page83, 16, take_page83},
    {vhdx_guid_logical, 4, take_logical},
    {vhdx_guid_physical, 4, take_physical},
};

#define N_KNOWN (sizeof known / sizeof known[0])
#define SEEN_SIZE 0x02u
#define SEEN_NEEDED 0x1bu /* the page 83 id need not be there */
#define SEEN_LOCATOR 0x80u

/* ---- the parent ---- */

/* The value of KEY in the locator, as UTF-8. */
static int find_value(const uint8_t *locator, uint32_t bytes, const char *key,
                      char *value, uint32_t room)
{
    uint32_t n = get16(locator + 18);

    for (uint32_t i = 0; i < n && 20 + (i + 1) * 12 <= bytes; i++) {
        const uint8_t *e = locator + 20 + (uint64_t)i * 12;
        uint32_t k = get32(e), k_bytes = get16(e + 8);
        uint32_t d = get32(e + 4), d_bytes = get16(e + 10);
        char name[64];

        if (k > bytes || k_bytes > bytes - k || d > bytes ||
            d_bytes > bytes - d ||
            vhdx_from_utf16(locator + k, k_bytes, name, sizeof name) < 0 ||
            strcmp(name, key) != 0)
            continue;
        return vhdx_from_utf16(locator + d, d_bytes, value, room) >= 0;
    }
    return 0;
}

/* "{8-4-4-4-12}" to our form. */
static void tidy_guid(char *text)
{
    size_t n = strlen(text);

    if (n == 38 && text[0] == '{' && text[37] == '}') {
        memmove(text, text + 1, 36);
        text[36] = 0;
    }
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
}

static int32_t take_locator(struct items *m, const uint8_t *locator,
                            uint32_t bytes)
{
    struct tn_image_info *info = m->info;
    char *name = info->backing;

    if (bytes < 20 || memcmp(locator, vhdx_guid_locator_vhdx, GUID_BYTES))
        return tn_fail(m->v->host, m->error, -ENOTSUP,
                       "its parent is not described as that of a VHDX");
    if (!find_value(locator, bytes, "relative_path", name,
                    sizeof info->backing) &&
        !find_value(locator, bytes, "absolute_win32_path", name,
                    sizeof info->backing))
        return vhdx_bad(m->v, m->error, "it does not name its parent");
    for (char *p = name; *p; p++)
        if (*p == '\\')
            *p = '/';
    if (!strncmp(name, "./", 2))
        memmove(name, name + 2, strlen(name + 2) + 1);
    strcpy(info->backing_format, "vhdx");
    if (!find_value(locator, bytes, "parent_linkage", info->backing_id,
                    sizeof info->backing_id))
        return vhdx_bad(m->v, m->error, "it does not say its parent's id");
    tidy_guid(info->backing_id);
    return 0;
}

static int32_t read_locator(struct items *m, uint64_t place, uint32_t bytes)
{
    struct vhdx *v = m->v;
    uint8_t *data;
    int32_t rc;

    if (!v->has_parent)
        return 0;
    if (bytes > MAX_LOCATOR)
        return vhdx_bad(v, m->error, "the parent locator is too long");
    data = v->image->allocate(v->host, bytes + 1ull);
    if (!data)
        return -ENOMEM;
    rc = vhdx_pread(v, place, data, bytes);
    if (rc == 0)
        rc = take_locator(m, data, bytes);
    v->image->free(v->host, data);
    return rc;
}

/* ---- the table ---- */

static int32_t read_item(struct items *m, const uint8_t *e, int locators)
{
    struct vhdx *v = m->v;
    uint32_t offset = get32(e + 16), bytes = get32(e + 20), i = 0;
    uint64_t place = v->metadata.offset + offset;
    uint8_t data[16];
    int32_t rc;

    while (i < N_KNOWN && memcmp(e, known[i].guid, GUID_BYTES))
        i++;
    if (i == N_KNOWN && memcmp(e, vhdx_guid_locator, GUID_BYTES))
        return get32(e + 24) & FLAG_REQUIRED && !(get32(e + 24) & FLAG_USER)
                   ? tn_fail(v->host, m->error, -ENOTSUP,
                             "the image needs metadata of an unknown kind")
                   : 0;
    if (offset < METADATA_TABLE_BYTES || offset > v->metadata.bytes ||
        bytes > v->metadata.bytes - offset ||
        (i < N_KNOWN && bytes != known[i].bytes))
        return vhdx_bad(v, m->error, "a metadata item is out of place");
    if ((i == N_KNOWN) != locators)
        return 0;
    if (i == N_KNOWN) {
        m->seen |= SEEN_LOCATOR;
        return read_locator(m, place, bytes);
    }
    if (m->seen >> i & 1)
        return vhdx_bad(v, m->error, "a metadata item is there twice");
    m->seen |= 1u << i;
    if (1u << i == SEEN_SIZE)
        v->size_place = place;
    rc = vhdx_pread(v, place, data, bytes);
    return rc < 0 ? rc : known[i].take(m, data);
}

static int32_t read_items(struct items *m, const uint8_t *table)
{
    struct vhdx *v = m->v;
    uint32_t n = get16(table + M_COUNT);
    int32_t rc = 0;

    if (memcmp(table, METADATA_ID, 8) || n > MAX_ITEMS)
        return vhdx_bad(v, m->error, "the metadata table is damaged");
    /* Whether a locator counts is known when the rest is. */
    for (int locators = 0; locators < 2; locators++)
        for (uint32_t i = 0; rc == 0 && i < n; i++)
            rc = read_item(m, table + M_ENTRIES + i * M_ENTRY, locators);
    if (rc < 0)
        return rc;
    if ((m->seen & SEEN_NEEDED) != SEEN_NEEDED)
        return vhdx_bad(v, m->error, "a metadata item is missing");
    if (v->has_parent && !(m->seen & SEEN_LOCATOR))
        return vhdx_bad(v, m->error, "it does not say what its parent is");
    if (v->bytes % v->logical || v->size_place % 8)
        return vhdx_bad(v, m->error, "the disk does not end with a sector");
    return 0;
}

int32_t vhdx_read_metadata(struct vhdx *v, struct tn_image_info *info,
                           struct tn_error *error)
{
    struct items m = {.v = v, .info = info, .error = error};
    uint8_t *table = v->image->allocate(v->host, METADATA_TABLE_BYTES);
    int32_t rc = table ? 0 : -ENOMEM;

    if (rc == 0)
        rc = vhdx_pread(v, v->metadata.offset, table, METADATA_TABLE_BYTES);
    if (rc == 0)
        rc = read_items(&m, table);
    v->image->free(v->host, table);
    return rc;
}
