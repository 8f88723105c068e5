/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into memory: ELF, Linux images (Documentation/arch/riscv/
 * boot-image-header.rst), and plain binaries.
 */
#include "boot-riscv.h"

#include <errno.h>
#include <string.h>

#define MAX_FILE (4096 * MIB - 1)

#define EM_RISCV 243u

/* The header of a Linux image, all fields little-endian. */
#define IMAGE_TEXT_OFFSET 8u /* from the start of RAM */
#define IMAGE_SIZE 16u       /* with what is beyond the file */
#define IMAGE_MAGIC2 56u
#define IMAGE_HEADER_BYTES 64u
#define MAGIC2 0x05435352u /* "RSC\x05" */

static uint64_t get(const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static int32_t place(struct boot *b, const char *path, const void *data,
                     uint64_t bytes, uint64_t address, struct tn_error *error)
{
    if (b->services->write(b->host, address, data, bytes) == 0)
        return 0;
    return tn_fail(b->host, error, -ENOSPC,
                   "%s: %llu bytes at %#llx do not fit in memory", path,
                   (unsigned long long)bytes, (unsigned long long)address);
}

static int is_elf(const uint8_t *data, uint64_t bytes)
{
    return bytes > 4 && memcmp(data,
                               "\x7f"
                               "ELF",
                               4) == 0;
}

static int32_t place_elf(struct boot *b, const char *path, const void *data,
                         uint64_t bytes, struct loaded *loaded,
                         struct tn_error *error)
{
    struct tn_elf_image image = {.size = sizeof image};
    int32_t rc = b->services->load_elf(b->host, data, bytes, 0, &image, error);

    if (rc)
        return rc;
    if (image.machine != EM_RISCV || image.bits != b->xlen || image.big_endian)
        return tn_fail(b->host, error, -ENOEXEC, "%s: not for a %u-bit RISC-V",
                       path, b->xlen);
    loaded->start = image.low;
    loaded->end = image.high;
    loaded->entry = image.entry;
    return 0;
}

/* At ADDRESS unless the file says where; SIZE is what it takes at run time. */
static int32_t place_any(struct boot *b, const char *path, const void *data,
                         uint64_t bytes, uint64_t address, uint64_t size,
                         struct loaded *loaded, struct tn_error *error)
{
    if (is_elf(data, bytes))
        return place_elf(b, path, data, bytes, loaded, error);
    loaded->start = loaded->entry = address;
    loaded->end = address + (size > bytes ? size : bytes);
    return place(b, path, data, bytes, address, error);
}

int32_t load_firmware(struct boot *b, const char *path, uint64_t start,
                      struct loaded *firmware, struct tn_error *error)
{
    uint64_t bytes = 0;
    void *data = NULL;
    int32_t rc = b->services->read_file(b->host, path, b->ram_bytes, &data,
                                        &bytes, error);

    if (rc)
        return rc;
    rc = place_any(b, path, data, bytes, start, 0, firmware, error);
    b->services->free_data(b->host, data);
    return rc;
}

int32_t load_kernel(struct boot *b, const char *path, uint64_t lowest,
                    struct loaded *kernel, struct tn_error *error)
{
    uint64_t bytes = 0, size = 0;
    void *data = NULL;
    int32_t rc =
        b->services->read_file(b->host, path, MAX_FILE, &data, &bytes, error);

    if (rc)
        return rc;
    if (bytes >= IMAGE_HEADER_BYTES &&
        get((uint8_t *)data + IMAGE_MAGIC2, 4) == MAGIC2) {
        uint64_t offset = get((uint8_t *)data + IMAGE_TEXT_OFFSET, 8);

        size = get((uint8_t *)data + IMAGE_SIZE, 8);
        if (offset % HUGE_PAGE == 0 && offset < b->ram_bytes &&
            b->ram + offset > lowest)
            lowest = b->ram + offset;
        if (size > b->ram_bytes)
            size = 0;
    }
    rc = place_any(b, path, data, bytes, lowest, size, kernel, error);
    b->services->free_data(b->host, data);
    return rc;
}

int32_t load_initrd(struct boot *b, const char *path, uint64_t lowest,
                    uint64_t highest, struct loaded *initrd,
                    struct tn_error *error)
{
    uint64_t bytes = 0;
    void *data = NULL;
    int32_t rc = b->services->read_raw_file(b->host, path, MAX_FILE, &data,
                                            &bytes, error);

    if (rc)
        return rc;
    if (lowest > highest || bytes > highest - lowest)
        rc = tn_fail(b->host, error, -ENOSPC,
                     "%s: %llu bytes do not fit in memory", path,
                     (unsigned long long)bytes);
    initrd->start = initrd->entry = lowest;
    initrd->end = lowest + bytes;
    if (!rc)
        rc = place(b, path, data, bytes, lowest, error);
    b->services->free_data(b->host, data);
    return rc;
}
