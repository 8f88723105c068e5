/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM in saved state: the pages of each block that are not zero. [control],
 * the machine paused.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/machine/machine-private.h"
#include "core/machine/ram.h"
#include "core/machine/state-stream.h"

#define MAX_RUN (1u << 20)
/* GByteArray counts with 32 bits. */
#define MAX_STREAM (UINT32_MAX - 2 * MAX_RUN)

static gboolean page_is_zero(const uint8_t *page)
{
    return !page[0] && !memcmp(page, page + 1, RAM_PAGE - 1);
}

/* From *AT to the end of the block or of what the host has pages for. */
static gboolean next_part(const struct ram_block *block, uint64_t *at,
                          uint64_t *end)
{
    off_t data = lseek(block->fd, (off_t)*at, SEEK_DATA), hole;

    if (data < 0 && errno == ENXIO)
        return FALSE;
    if (data >= 0)
        *at = (uint64_t)data & ~(RAM_PAGE - 1);
    hole = lseek(block->fd, (off_t)*at, SEEK_HOLE);
    *end = hole < 0 || data < 0 ? block->bytes
                                : MIN((uint64_t)hole, block->bytes);
    *end = (*end + RAM_PAGE - 1) & ~(RAM_PAGE - 1);
    return *at < *end;
}

static void put_run(GByteArray *stream, const struct ram_block *block,
                    uint64_t start, uint64_t end)
{
    char name[20];

    g_snprintf(name, sizeof name, "%" G_GINT64_MODIFIER "x", start);
    state_put_bytes(stream, name, block->memory + start,
                    (uint32_t)(end - start));
}

static int32_t put_part(GByteArray *stream, const struct ram_block *block,
                        uint64_t at, uint64_t end)
{
    while (at < end) {
        uint64_t start;

        while (at < end && page_is_zero(block->memory + at))
            at += RAM_PAGE;
        for (start = at; at < end && at - start < MAX_RUN &&
                         !page_is_zero(block->memory + at);)
            at += RAM_PAGE;
        if (at == start)
            break;
        if (stream->len > MAX_STREAM)
            return -EFBIG;
        put_run(stream, block, start, at);
    }
    return 0;
}

int32_t state_put_ram(GByteArray *stream, struct tn_machine *machine,
                      struct tn_error *error)
{
    const struct ram_block *block = atomic_load(&machine->memory.ram.blocks);

    for (; block; block = block->next) {
        g_autofree char *name = g_strconcat(STATE_RAM_PREFIX, block->name, NULL);
        uint64_t at = 0, end;
        int32_t rc = 0;

        state_put_name(stream, name);
        state_put_u32(stream, 1);
        for (; !rc && at < block->bytes && next_part(block, &at, &end); at = end)
            rc = put_part(stream, block, at, end);
        if (rc)
            return tn_error_set(error, rc,
                                "more than 4 GiB of RAM are in use: too much "
                                "to be saved in memory");
        state_put_name(stream, "");
    }
    return 0;
}

static struct ram_block *find_block(struct tn_machine *machine,
                                    const char *name)
{
    struct ram_block *block = atomic_load(&machine->memory.ram.blocks);

    while (block && strcmp(block->name, name) != 0)
        block = block->next;
    return block;
}

static gboolean take_run(struct ram_block *block, const char *name,
                         const uint8_t *data, uint32_t bytes)
{
    guint64 at;

    if (!g_ascii_string_to_unsigned(name, 16, 0, block->bytes, &at, NULL) ||
        bytes > block->bytes - at)
        return FALSE;
    memcpy(block->memory + at, data, bytes);
    return TRUE;
}

int32_t state_take_ram(struct state_reader *reader, struct tn_machine *machine,
                       const char *section, struct tn_error *error)
{
    struct ram_block *block =
        find_block(machine, section + strlen(STATE_RAM_PREFIX));
    const uint8_t *data = NULL;
    uint32_t width = 0, bytes = 0;
    gboolean sound = TRUE;

    if (!block)
        return tn_error_set(error, -EINVAL, "no memory '%s'",
                            section + strlen(STATE_RAM_PREFIX));
    state_take_u32(reader);
    ram_discard(block);
    while (sound) {
        g_autofree char *name = NULL;

        if (!state_take_field(reader, &name, &width, &bytes, &data))
            break;
        sound = take_run(block, name, data, bytes);
    }
    ram_written(machine, block, 0, block->bytes);
    if (!sound)
        return tn_error_set(error, -EINVAL, "%s: it is larger than the memory",
                            section);
    return 0;
}
