/* SPDX-License-Identifier: Apache-2.0 */
/* Apple's disk images: what the files of this plugin share. */
#ifndef TENON_FMT_DMG_H
#define TENON_FMT_DMG_H

#include <tenon/block-plugin.h>

#define DMG_SECTOR 512u

/* Types of chunks. */
#define DMG_ZERO 0x00000000u
#define DMG_RAW 0x00000001u
#define DMG_IGNORE 0x00000002u
#define DMG_ADC 0x80000004u
#define DMG_ZLIB 0x80000005u
#define DMG_BZIP2 0x80000006u
#define DMG_LZFSE 0x80000007u
#define DMG_LZMA 0x80000008u
#define DMG_COMMENT 0x7ffffffeu
#define DMG_END 0xffffffffu

#define DMG_MAX_CHUNK (2u << 20)  /* what the engine expands at once */
#define DMG_MAX_STORED (4u << 20)

struct dmg_chunk {
    uint64_t offset; /* guest bytes */
    uint64_t bytes;
    uint64_t at; /* in the file */
    uint64_t stored;
    uint32_t type;
    uint32_t reserved;
};

struct dmg {
    struct tn_host *host;
    const struct tn_image *image;
    uint64_t length;    /* of the file */
    uint64_t data_fork; /* where it begins */
    uint64_t sectors;   /* of the disk, as the trailer says */
    struct dmg_chunk *chunks; /* in order, without overlaps */
    uint32_t n;
    uint32_t room;
};

/* dmg-table.c */
int32_t dmg_read_tables(struct dmg *dmg, struct tn_error *error);
/* dmg-codec.c */
int dmg_codec_is_known(uint32_t type);
const char *dmg_codec_name(uint32_t type);
int32_t dmg_decode(void *self, const struct tn_extent *extent,
                   const void *stored, uint64_t stored_bytes, void *data);

#endif
