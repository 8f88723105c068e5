/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the firmware configuration device.
 */
#ifndef FW_CFG_H
#define FW_CFG_H

#include <stdint.h>

#include <tenon/fdt.h>
#include <tenon/memory.h>
#include <tenon/state.h>
#include <tenon/tree.h>

/* Keys, docs/specs/fw_cfg. */
#define KEY_SIGNATURE 0x00u
#define KEY_ID 0x01u
#define KEY_UUID 0x02u
#define KEY_RAM_SIZE 0x03u
#define KEY_CPUS 0x05u
#define KEY_KERNEL_SIZE 0x08u
#define KEY_INITRD_SIZE 0x0bu
#define KEY_MAX_CPUS 0x0fu
#define KEY_KERNEL_DATA 0x11u
#define KEY_INITRD_DATA 0x12u
#define KEY_CMDLINE_SIZE 0x14u
#define KEY_CMDLINE_DATA 0x15u
#define KEY_FILE_DIRECTORY 0x19u
#define KEY_FILE_FIRST 0x20u
#define MAX_FILES 32u
#define MAX_KEYS (KEY_FILE_FIRST + MAX_FILES)

#define FILE_NAME_BYTES 56u

struct item {
    uint8_t *data;
    uint64_t bytes;
    char name[FILE_NAME_BYTES]; /* files only */
};

struct fw_cfg {
    struct tn_host *host;
    const struct tn_memory *memory;
    const struct tn_props *props;
    const struct tn_tree *tree;
    struct tn_region *region;
    struct item items[MAX_KEYS];
    uint32_t n_files;
    /* What the guest is at. */
    uint32_t key;
    uint64_t offset;   /* of the next byte of the item */
    uint64_t dma_high; /* first half of a DMA address */
};

/* items.c: what can be read, from the properties. */
int32_t items_make(struct fw_cfg *f, struct tn_error *error);
void items_free(struct fw_cfg *f);

#endif
