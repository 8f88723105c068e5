/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing. The map was read at open, where everything sound in
 * it was marked as used.
 */
#include "vdi.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void say(struct tn_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct tn_check *c, const char *format, ...)
{
    char text[160];
    va_list ap;

    if (!c->message)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    c->message(c->opaque, text);
}

int32_t vdi_write_header(struct vdi *v)
{
    int32_t rc;

    put_le32(v->header + VDI_AT_ALLOCATED, v->count);
    rc = v->image->pwrite(v->host, 0, 0, v->header, VDI_SECTOR);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        v->count_found = v->count;
    return rc;
}

int32_t vdi_set_entry(struct vdi *v, uint32_t block, uint32_t entry)
{
    uint8_t raw[4];
    int32_t rc;

    put_le32(raw, entry);
    rc = v->image->pwrite(v->host, 0, v->map_at + (uint64_t)block * 4, raw, 4);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        v->map[block] = entry;
    return rc;
}

static int32_t copy_block(struct vdi *v, uint32_t from, uint32_t to)
{
    uint8_t *data = v->image->allocate(v->host, v->block);
    int32_t rc = data ? 0 : -ENOMEM;

    if (rc == 0)
        rc = v->image->pread(v->host, 0, vdi_place(v, from), data, v->block);
    if (rc == 0)
        rc = v->image->pwrite(v->host, 0, vdi_place(v, to), data, v->block);
    v->image->free(v->host, data);
    return rc < 0 ? rc : v->image->flush(v->host);
}

static void lower_count(struct vdi *v)
{
    while (v->count > 0 && !vdi_is_used(v, v->count - 1))
        v->count--;
}

int32_t vdi_compact(struct vdi *v)
{
    uint32_t *owner = v->image->allocate(v->host, (uint64_t)v->count * 4 + 4);
    uint32_t hole = 0;
    int32_t rc = owner ? 0 : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < v->blocks; i++)
        if (v->map[i] < v->count)
            owner[v->map[i]] = i;
    lower_count(v);
    for (; rc == 0 && hole < v->count; hole++) {
        uint32_t last = v->count - 1;

        if (vdi_is_used(v, hole))
            continue;
        rc = copy_block(v, last, hole);
        if (rc == 0)
            rc = vdi_set_entry(v, owner[last], hole);
        if (rc == 0) {
            owner[hole] = owner[last];
            vdi_use(v, hole, 1);
            vdi_use(v, last, 0);
            lower_count(v);
        }
    }
    v->image->free(v->host, owner);
    v->free_hint = 0;
    return rc < 0 ? rc : vdi_write_header(v);
}

/* The second owner of a block gets a copy of its own. */
static int32_t give_copy(struct vdi *v, uint32_t block, uint32_t entry,
                         uint8_t *seen)
{
    uint32_t to = 0;
    int32_t rc;

    while (to < v->blocks && vdi_is_used(v, to))
        to++;
    if (to == v->blocks)
        return -ENOSPC;
    rc = copy_block(v, entry, to);
    if (rc == 0 && to >= v->count) {
        v->count = to + 1;
        rc = vdi_write_header(v);
    }
    if (rc == 0)
        rc = vdi_set_entry(v, block, to);
    if (rc == 0) {
        vdi_use(v, to, 1);
        seen[to / 8] |= (uint8_t)(1u << to % 8);
    }
    return rc;
}

/* SEEN has a bit for each block that an earlier entry refers to. */
static int32_t check_entry(struct vdi *v, struct tn_check *c, uint32_t block,
                           uint8_t *seen, uint32_t *expected)
{
    uint32_t entry = v->map[block];
    int32_t rc = 0;

    if (!vdi_is_block(entry))
        return 0;
    if (!vdi_is_used(v, entry)) {
        say(c, "block %u is at place %u, which is beyond the file's end",
            block, entry);
        c->corruptions++;
        if (c->repair == 2)
            rc = vdi_set_entry(v, block, VDI_FREE);
    } else if (seen[entry / 8] >> entry % 8 & 1) {
        say(c, "block %u is at place %u, where another block is", block,
            entry);
        c->corruptions++;
        c->allocated_clusters++;
        if (c->repair == 2)
            rc = give_copy(v, block, entry, seen);
    } else {
        seen[entry / 8] |= (uint8_t)(1u << entry % 8);
        c->allocated_clusters++;
        c->fragmented_clusters += entry != *expected;
        *expected = entry + 1;
        return 0;
    }
    if (rc == 0 && c->repair == 2)
        c->corruptions_fixed++;
    return rc;
}

static int32_t check_count(struct vdi *v, struct tn_check *c)
{
    uint32_t used = 0, holes;
    int32_t rc = 0;

    for (uint32_t i = 0; i < v->count; i++)
        used += (uint32_t)vdi_is_used(v, i);
    if (v->count_found < v->count) {
        say(c, "the header counts %u blocks, but there are %u",
            v->count_found, v->count);
        c->corruptions++;
        if (c->repair == 2)
            rc = vdi_write_header(v);
        if (rc == 0 && c->repair == 2)
            c->corruptions_fixed++;
    }
    holes = (v->count > v->count_found ? v->count : v->count_found) - used;
    if (holes == 0 || rc < 0)
        return rc;
    say(c, "%u blocks in the file are not in use", holes);
    c->leaks += holes;
    if (!c->repair)
        return 0;
    rc = vdi_compact(v);
    if (rc == 0)
        c->leaks_fixed += holes;
    return rc;
}

int32_t vdi_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct vdi *v = self;
    uint8_t *seen = v->image->allocate(v->host, v->used_blocks / 8 + 1);
    uint32_t expected = 0;
    int32_t rc = 0;

    if (!seen)
        return -ENOMEM;
    c->total_clusters = v->blocks;
    for (uint32_t i = 0; rc == 0 && i < v->blocks; i++)
        rc = check_entry(v, c, i, seen, &expected);
    v->image->free(v->host, seen);
    if (rc == 0)
        rc = check_count(v, c);
    c->image_end = v->count ? vdi_place(v, v->count - 1) + v->block
                            : v->data_at;
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the image cannot be repaired");
    return 0;
}
