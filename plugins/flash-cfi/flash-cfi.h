/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the flash device: a bank of two 16-bit chips side by side, one
 * on each half of a 32-bit bus.
 */
#ifndef FLASH_CFI_H
#define FLASH_CFI_H

#include <stdint.h>

#include <tenon/fdt.h>
#include <tenon/loop.h>
#include <tenon/memory.h>
#include <tenon/state.h>

#define CHIPS 2u
#define BUS_BYTES 4u
#define PAGE 4096u
/* Words of the bus that the write buffer takes: 64 bytes a chip. */
#define BUFFER_WORDS 32u

struct flash {
    struct tn_host *host;
    const struct tn_memory *memory;
    const struct tn_loop *loop;
    struct tn_region *region;
    uint8_t *bytes;
    uint64_t size;
    uint32_t sector; /* of the bank */
    uint32_t read_only;
    /* Every bit is set and BYTES are not: blank flash takes no memory. */
    uint32_t blank;

    /* What a read gives, and what the next write is. */
    uint32_t mode;
    uint32_t expect;
    uint32_t status;
    /* Buffered programming. */
    uint32_t buffer_count; /* words announced */
    uint32_t buffer_done;
    uint64_t buffer_start; /* offset of the first word */
    uint32_t buffer[BUFFER_WORDS];
    uint32_t buffer_set[BUFFER_WORDS]; /* word was written */

    /* The file behind it. */
    int fd;           /* -1: none */
    uint64_t image_bytes; /* of the file, as far as it is known to be sound */
    uint8_t *dirty;   /* one a page, atomic */
    uint32_t writing; /* a worker is at it, atomic */
    struct tn_task *write_back;
};

/* commands.c */
extern const struct tn_region_ops flash_region;
void flash_reset_commands(struct flash *f);
/* Reads go to the bytes or to the commands, as the mode says. */
void flash_apply_mode(struct flash *f);
/* Before BYTES are used: they are what they should be from now on. */
void flash_fill(struct flash *f);
int flash_commands_sound(const struct flash *f);

/* image-file.c */
int32_t image_open(struct flash *f, const char *path, struct tn_error *error);
void image_changed(struct flash *f, uint64_t offset, uint64_t bytes);
/* Write what has changed; on any thread, without the instance's lock. */
void image_write(struct flash *f);
void image_close(struct flash *f);

#endif
