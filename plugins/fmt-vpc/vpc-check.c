/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing the BAT and the footers. */
#include "vpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

int vpc_is_inside(const struct vpc *v, uint32_t block)
{
    uint64_t place = vpc_place(v, block);

    return place + v->bitmap_bytes <= v->image->length(v->host, 0) &&
           place >= VPC_FOOTER_BYTES + VPC_HEADER_BYTES &&
           (place >= vpc_table_end(v) ||
            place + vpc_block_bytes(v) <= v->table_at);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

uint64_t *vpc_sorted_places(struct vpc *v, uint32_t *n)
{
    uint64_t *places =
        v->image->allocate(v->host, (uint64_t)v->entries * sizeof *places);

    *n = 0;
    if (!places)
        return NULL;
    for (uint32_t i = 0; i < v->entries; i++)
        if (v->bat[i] != VPC_UNUSED && vpc_is_inside(v, i))
            places[(*n)++] = vpc_place(v, i);
    qsort(places, *n, sizeof *places, by_number);
    return places;
}

/* How many of PLACES does the block at PLACE touch, itself included? */
static uint32_t count_touching(const struct vpc *v, const uint64_t *places,
                               uint32_t n, uint64_t place)
{
    uint32_t low = 0, high = n, count = 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (places[middle] + vpc_block_bytes(v) <= place)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n && places[low] < place + vpc_block_bytes(v) && count < 2;
         low++)
        count++;
    return count;
}

static int32_t set_entry(struct vpc *v, uint32_t block, uint32_t entry)
{
    uint8_t raw[4];
    int32_t rc;

    put_be32(raw, entry);
    rc = v->image->pwrite(v->host, 0, v->table_at + (uint64_t)block * 4, raw,
                          4);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        v->bat[block] = entry;
    return rc;
}

/* A copy of the block, bitmap and all, at the end. */
static int32_t give_copy(struct vpc *v, uint32_t block)
{
    uint64_t to = v->end, n = vpc_block_bytes(v);
    uint8_t *data = v->image->allocate(v->host, n);
    int32_t rc = data ? 0 : -ENOMEM;

    if (to / VPC_SECTOR >= VPC_UNUSED)
        rc = -EFBIG;
    if (rc == 0)
        rc = v->image->pread(v->host, 0, vpc_place(v, block), data, n);
    if (rc == 0)
        rc = v->image->pwrite(v->host, 0, to, data, n);
    v->image->free(v->host, data);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        rc = set_entry(v, block, (uint32_t)(to / VPC_SECTOR));
    v->end += n;
    return rc;
}

static int32_t check_block(struct vpc *v, struct tn_check *c, uint32_t block,
                           const uint64_t *places, uint32_t n, uint64_t *next)
{
    uint64_t place = vpc_place(v, block);
    int32_t rc = 0;

    if (!vpc_is_inside(v, block)) {
        say(c, "block %u at %#llx is beyond the file's end or among metadata",
            block, (unsigned long long)place);
        c->corruptions++;
        if (c->repair == 2)
            rc = set_entry(v, block, VPC_UNUSED);
    } else {
        c->allocated_clusters++;
        c->fragmented_clusters += *next && *next != place;
        *next = place + vpc_block_bytes(v);
        if (*next > c->image_end)
            c->image_end = *next;
        if (count_touching(v, places, n, place) < 2)
            return 0;
        say(c, "block %u at %#llx overlaps another one", block,
            (unsigned long long)place);
        c->corruptions++;
        if (c->repair == 2)
            rc = give_copy(v, block);
    }
    if (rc == 0 && c->repair == 2)
        c->corruptions_fixed++;
    return rc;
}

static int32_t check_sparse(struct vpc *v, struct tn_check *c,
                            struct tn_error *error)
{
    uint32_t n;
    uint64_t *places = vpc_sorted_places(v, &n), next = 0;
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc = places ? 0 : -ENOMEM;

    if (c->repair == 2 && v->end < (length + 511) / 512 * 512)
        v->end = (length + 511) / 512 * 512;
    c->total_clusters = v->entries;
    for (uint32_t i = 0; rc == 0 && i < v->entries; i++)
        if (v->bat[i] != VPC_UNUSED)
            rc = check_block(v, c, i, places, n, &next);
    v->image->free(v->host, places);
    if (v->copy_damaged) {
        say(c, "the footer's copy at 0 is damaged");
        c->corruptions++;
        if (c->repair == 2)
            c->corruptions_fixed++;
    }
    if (rc == 0 && c->repair == 2) {
        v->end = 0;
        rc = vpc_place_footer(v, error);
    }
    return rc;
}

int32_t vpc_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct vpc *v = self;
    int32_t rc = 0;

    c->image_end = v->type == VPC_FIXED ? v->bytes : vpc_table_end(v);
    if (v->type != VPC_FIXED)
        rc = check_sparse(v, c, error);
    c->image_end += VPC_FOOTER_BYTES;
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the image cannot be repaired");
    return 0;
}
