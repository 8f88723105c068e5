/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items: fixed ones, and files with their directory.
 */
#include "fw-cfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FEATURE_TRADITIONAL 0x1u
#define FEATURE_DMA 0x2u
#define MAX_FILE_BYTES ((uint64_t)1 << 31)

static int32_t add(struct fw_cfg *f, uint32_t key, const void *data,
                   uint64_t bytes)
{
    struct item *item = &f->items[key];

    item->data = malloc(bytes ? bytes : 1);
    if (!item->data)
        return -ENOMEM;
    memcpy(item->data, data, bytes);
    item->bytes = bytes;
    return 0;
}

/* Numbers are little-endian in the fixed items. */
static int32_t add_number(struct fw_cfg *f, uint32_t key, uint64_t value,
                          uint32_t bytes)
{
    uint8_t little[8];

    for (uint32_t i = 0; i < bytes; i++)
        little[i] = (uint8_t)(value >> (8 * i));
    return add(f, key, little, bytes);
}

static int32_t add_file(struct fw_cfg *f, uint32_t key, const char *path,
                        struct tn_error *error)
{
    struct item *item = &f->items[key];
    struct stat info;
    FILE *file = fopen(path, "rbe");
    int32_t rc = file && fstat(fileno(file), &info) == 0 ? 0 : -errno;

    if (!rc &&
        (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > MAX_FILE_BYTES))
        rc = -EFBIG;
    if (!rc) {
        item->bytes = (uint64_t)info.st_size;
        item->data = malloc(item->bytes ? item->bytes : 1);
        if (!item->data)
            rc = -ENOMEM;
        else if (fread(item->data, 1, item->bytes, file) != item->bytes)
            rc = -EIO;
    }
    if (file)
        fclose(file);
    return rc ? tn_fail(f->host, error, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static int32_t add_kernel_part(struct fw_cfg *f, const char *property,
                               uint32_t size_key, uint32_t data_key,
                               struct tn_error *error)
{
    const char *path = f->props->get_string(f->host, property);
    int32_t rc = 0;

    if (path && *path)
        rc = add_file(f, data_key, path, error);
    return rc ? rc : add_number(f, size_key, f->items[data_key].bytes, 4);
}

/* "opt/org.example/name=path" */
static int32_t add_named_file(struct fw_cfg *f, const char *text,
                              struct tn_error *error)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    uint32_t key = KEY_FILE_FIRST + f->n_files;

    if (!length || length >= FILE_NAME_BYTES)
        return tn_fail(f->host, error, -EINVAL,
                       "'%s' is not NAME=PATH with a name below %u bytes", text,
                       FILE_NAME_BYTES);
    if (f->n_files == MAX_FILES)
        return tn_fail(f->host, error, -E2BIG, "more than %u files", MAX_FILES);
    memcpy(f->items[key].name, text, length);
    f->n_files++;
    return add_file(f, key, equals + 1, error);
}

static void put_big(uint8_t *at, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

/* Count, then size, key, two reserved bytes and name of each; big-endian. */
static int32_t add_directory(struct fw_cfg *f)
{
    uint8_t directory[4 + MAX_FILES * 64] = {0};

    put_big(directory, f->n_files, 4);
    for (uint32_t i = 0; i < f->n_files; i++) {
        const struct item *item = &f->items[KEY_FILE_FIRST + i];
        uint8_t *entry = directory + 4 + (size_t)i * 64;

        put_big(entry, (uint32_t)item->bytes, 4);
        put_big(entry + 4, KEY_FILE_FIRST + i, 2);
        memcpy(entry + 8, item->name, FILE_NAME_BYTES);
    }
    return add(f, KEY_FILE_DIRECTORY, directory, 4 + (uint64_t)f->n_files * 64);
}

int32_t items_make(struct fw_cfg *f, struct tn_error *error)
{
    const char *cmdline = f->props->get_string(f->host, "cmdline");
    uint64_t cmdline_bytes = cmdline && *cmdline ? strlen(cmdline) + 1 : 0;
    uint32_t cpus = f->tree->cpu_count(f->host);
    static const uint8_t no_uuid[16];
    int32_t rc = 0;

    if (add(f, KEY_SIGNATURE, "QEMU", 4) ||
        add_number(f, KEY_ID, FEATURE_TRADITIONAL | FEATURE_DMA, 4) ||
        add(f, KEY_UUID, no_uuid, sizeof no_uuid) ||
        add_number(f, KEY_RAM_SIZE, f->tree->ram_size(f->host), 8) ||
        add_number(f, KEY_CPUS, cpus, 2) ||
        add_number(f, KEY_MAX_CPUS, cpus, 2) ||
        add_number(f, KEY_CMDLINE_SIZE, cmdline_bytes, 4) ||
        add(f, KEY_CMDLINE_DATA, cmdline_bytes ? cmdline : "", cmdline_bytes))
        return -ENOMEM;
    rc = add_kernel_part(f, "kernel", KEY_KERNEL_SIZE, KEY_KERNEL_DATA, error);
    if (!rc)
        rc = add_kernel_part(f, "initrd", KEY_INITRD_SIZE, KEY_INITRD_DATA,
                             error);
    for (uint32_t i = 0; !rc && i < f->props->count(f->host, "files"); i++)
        rc = add_named_file(f, f->props->get_item(f->host, "files", i), error);
    return rc ? rc : add_directory(f);
}

void items_free(struct fw_cfg *f)
{
    for (uint32_t i = 0; i < MAX_KEYS; i++)
        free(f->items[i].data);
    memset(f->items, 0, sizeof f->items);
    f->n_files = 0;
}
