/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing: each BAT entry against the file and the others.
 * Space in the middle of the file that nothing uses is no leak, it is used
 * next; space at the end is.
 */
#include "vhdx.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PIECE_ENTRIES 8192u

struct checking {
    struct vhdx *v;
    struct tn_check *c;
    uint8_t *seen; /* a bit for each megabyte of the file */
    uint64_t megabytes;
    uint64_t last;       /* block that is in use, as an index */
    uint64_t last_place; /* of the block before */
};

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

/* Marks the megabytes of a block; 0 if one of them was marked before. */
static int mark(struct checking *k, uint64_t place, uint64_t bytes)
{
    uint64_t first = place / MIB, end = first + bytes / MIB, i;

    for (i = first; i < end && i < k->megabytes; i++)
        if (k->seen[i / 8] >> (i % 8) & 1)
            return 0;
    for (i = first; i < end && i < k->megabytes; i++)
        k->seen[i / 8] |= (uint8_t)(1u << (i % 8));
    if (place + bytes > k->c->image_end)
        k->c->image_end = place + bytes;
    return 1;
}

/* What is wrong with an entry that refers to a place; NULL: nothing. */
static const char *wrong_place(struct checking *k, uint64_t entry,
                               uint64_t bytes)
{
    uint64_t place = entry & OFFSET_MASK;

    if (place / MIB >= k->megabytes)
        return "is beyond the end of the file";
    if (!vhdx_place_is_good(k->v, place, bytes))
        return "lies over the image's tables";
    if (!mark(k, place, bytes))
        return "lies over another block";
    return NULL;
}

static const char *wrong_entry(struct checking *k, uint64_t index,
                               uint64_t entry)
{
    struct vhdx *v = k->v;
    uint64_t state = entry & STATE_MASK, place = entry & OFFSET_MASK;
    const char *wrong;

    if (index % (v->chunk_ratio + 1) == v->chunk_ratio)
        return state == BITMAP_NOT_PRESENT ? NULL
               : state == BITMAP_PRESENT   ? wrong_place(k, entry, BITMAP_BLOCK)
                                           : "has a state that does not exist";
    if (state == 4)
        return "has a state that does not exist";
    if (state == BLOCK_PARTIAL && !v->has_parent)
        return "needs a parent, which the image does not have";
    if (state != BLOCK_PRESENT && state != BLOCK_PARTIAL)
        return NULL;
    wrong = wrong_place(k, entry, v->block);
    if (!wrong) {
        k->c->allocated_clusters++;
        k->c->fragmented_clusters +=
            k->last_place && k->last_place + v->block != place;
        k->last_place = place;
    }
    return wrong;
}

static int32_t repair_entry(struct checking *k, uint64_t index)
{
    struct vhdx *v = k->v;
    uint8_t bytes[8];
    int bitmap = index % (v->chunk_ratio + 1) == v->chunk_ratio;
    int32_t rc = v->n_pages < v->max_pages ? 0 : v->image->flush(v->host);

    put64(bytes, bitmap || v->has_parent ? BLOCK_NOT_PRESENT : BLOCK_ZERO);
    if (rc == 0)
        rc = vhdx_write(v, v->bat.offset + index * 8, 8, bytes);
    if (rc == 0)
        k->c->corruptions_fixed++;
    return rc;
}

static int32_t check_entries(struct checking *k)
{
    struct vhdx *v = k->v;
    uint8_t *piece = v->image->allocate(v->host, PIECE_ENTRIES * 8);
    uint64_t index = 0, n;
    int32_t rc = piece ? 0 : -ENOMEM;

    while (rc == 0 && index < v->n_entries) {
        n = v->n_entries - index;
        if (n > PIECE_ENTRIES)
            n = PIECE_ENTRIES;
        rc = vhdx_pread(v, v->bat.offset + index * 8, piece, n * 8);
        for (uint64_t i = 0; rc == 0 && i < n; i++, index++) {
            uint64_t entry = get64(piece + i * 8);
            const char *wrong = wrong_entry(k, index, entry);

            if (!wrong)
                continue;
            k->c->corruptions++;
            say(k->c, "BAT entry %llu (%#llx) %s", (unsigned long long)index,
                (unsigned long long)entry, wrong);
            if (k->c->repair == 2 && v->writable)
                rc = repair_entry(k, index);
        }
    }
    v->image->free(v->host, piece);
    return rc;
}

/* The file ends where the last block does. */
static int32_t check_end(struct checking *k, struct tn_error *error)
{
    struct vhdx *v = k->v;
    struct tn_check *c = k->c;
    uint64_t length = v->image->length(v->host, 0), leaks;
    int32_t rc;

    if (v->n_regions > 2 || length <= c->image_end)
        return 0;
    /* Others make the file longer than an image without any block needs: the
     * space is for the first ones. */
    if (!c->allocated_clusters)
        return 0;
    leaks = ceil_div(length - c->image_end, MIB);
    c->leaks += leaks;
    say(c, "%llu MiB at the end of the file are not used",
        (unsigned long long)leaks);
    if (!c->repair || !v->writable)
        return 0;
    rc = v->image->flush(v->host);
    if (rc == 0)
        rc = v->image->set_length(v->host, 0, c->image_end, error);
    if (rc == 0) {
        v->end = c->image_end;
        v->stable_length =
            v->end < v->stable_length ? v->end : v->stable_length;
        c->leaks_fixed += leaks;
    }
    return rc;
}

int32_t vhdx_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct vhdx *v = self;
    struct checking k = {.v = v, .c = c};
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc = 0;

    /* What is in the log is not in its place yet. */
    if (v->writable)
        rc = v->image->flush(v->host);
    if (length < v->replayed_end)
        length = v->replayed_end;
    k.megabytes = ceil_div(length, MIB);
    k.seen = v->image->allocate(v->host, k.megabytes / 8 + 1);
    if (!k.seen)
        return tn_fail(v->host, error, -ENOMEM,
                       "no memory to check a file of %llu MiB",
                       (unsigned long long)k.megabytes);
    c->total_clusters = v->n_blocks;
    c->image_end = MIB;
    mark(&k, 0, MIB);
    mark(&k, v->log.offset, v->log.bytes);
    mark(&k, v->bat.offset, v->bat.bytes);
    mark(&k, v->metadata.offset, v->metadata.bytes);
    if (rc == 0)
        rc = check_entries(&k);
    if (rc == 0 && v->writable)
        rc = v->image->flush(v->host);
    if (rc == 0 && c->corruptions_fixed) { /* what they said is used is not */
        v->image->free(v->host, v->used);
        rc = vhdx_space_init(v, error);
    }
    if (rc == 0)
        rc = check_end(&k, error);
    v->image->free(v->host, k.seen);
    return rc;
}
