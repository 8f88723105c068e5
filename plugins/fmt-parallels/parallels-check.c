/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and repairing the BAT; a larger disk. */
#include "parallels.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define PIECE_ENTRIES 16384u

struct checking {
    struct parallels *p;
    struct tn_check *c;
    uint8_t *seen;
    uint64_t length; /* of the file */
    uint64_t last;   /* place of the cluster before */
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

static int32_t set_entry(struct checking *k, uint64_t index, uint64_t place)
{
    struct parallels *p = k->p;
    uint8_t bytes[4];
    int32_t rc;

    put32(bytes, (uint32_t)(place / p->multiplier));
    rc = p->image->pwrite(p->host, 0, HEADER_BYTES + index * 4, bytes, 4);
    if (rc == 0)
        rc = p->image->flush(p->host);
    if (rc == 0)
        k->c->corruptions_fixed++;
    return rc;
}

/* The second owner of a cluster gets a copy. */
static int32_t give_copy(struct checking *k, uint64_t index, uint64_t place)
{
    struct parallels *p = k->p;
    uint64_t to = parallels_take(p);
    uint8_t *data = p->image->allocate(p->host, p->cluster);
    int32_t rc = !data ? -ENOMEM : to ? 0 : -ENOSPC;

    if (rc == 0)
        rc = p->image->pread(p->host, 0, place, data, p->cluster);
    if (rc == 0)
        rc = p->image->pwrite(p->host, 0, to, data, p->cluster);
    p->image->free(p->host, data);
    if (rc == 0)
        rc = p->image->flush(p->host);
    if (rc == 0)
        rc = set_entry(k, index, to);
    if (rc == 0) {
        parallels_mark(p, k->seen, to, 1);
        k->c->allocated_clusters++;
        k->length = p->image->length(p->host, 0);
        if (to + p->cluster > k->c->image_end)
            k->c->image_end = to + p->cluster;
    }
    return rc;
}

static int32_t check_entry(struct checking *k, uint64_t index, uint64_t place)
{
    struct parallels *p = k->p;
    struct tn_check *c = k->c;
    int repair = c->repair == 2 && p->writable;

    if (!place)
        return 0;
    if (!parallels_place_is_good(p, place, k->length)) {
        say(c, "cluster %llu is at offset %#llx, where no cluster can be",
            (unsigned long long)index, (unsigned long long)place);
        c->corruptions++;
        return repair ? set_entry(k, index, 0) : 0;
    }
    if (parallels_mark(p, k->seen, place, 1)) {
        say(c, "cluster %llu is at offset %#llx, where another one is",
            (unsigned long long)index, (unsigned long long)place);
        c->corruptions++;
        return repair ? give_copy(k, index, place) : 0;
    }
    c->allocated_clusters++;
    c->fragmented_clusters += k->last && k->last + p->cluster != place;
    k->last = place;
    if (place + p->cluster > c->image_end)
        c->image_end = place + p->cluster;
    return 0;
}

static int32_t check_bat(struct checking *k)
{
    struct parallels *p = k->p;
    uint8_t *piece = p->image->allocate(p->host, PIECE_ENTRIES * 4);
    uint64_t i = 0, n;
    int32_t rc = piece ? 0 : -ENOMEM;

    while (rc == 0 && i < p->entries) {
        n = p->entries - i;
        if (n > PIECE_ENTRIES)
            n = PIECE_ENTRIES;
        rc = p->image->pread(p->host, 0, HEADER_BYTES + i * 4, piece, n * 4);
        for (uint64_t e = 0; rc == 0 && e < n; e++, i++)
            rc = check_entry(k, i, get32(piece + e * 4) * p->multiplier);
    }
    p->image->free(p->host, piece);
    return rc;
}

/* Space behind the last cluster. */
static int32_t check_end(struct checking *k, struct tn_error *error)
{
    struct parallels *p = k->p;
    struct tn_check *c = k->c;
    uint64_t leaks;
    int32_t rc;

    if (k->length <= c->image_end || get64(p->header + H_EXTENSION))
        return 0;
    leaks = ceil_div(k->length - c->image_end, p->cluster);
    c->leaks += leaks;
    say(c, "%llu clusters at the end of the file are not used",
        (unsigned long long)leaks);
    if (!c->repair || !p->writable)
        return 0;
    rc = p->image->set_length(p->host, 0, c->image_end, error);
    if (rc == 0)
        c->leaks_fixed += leaks;
    return rc;
}

static int32_t check_mark(struct checking *k)
{
    struct parallels *p = k->p;
    struct tn_check *c = k->c;
    int32_t rc;

    if (get32(p->header + H_IN_USE) != IN_USE)
        return 0;
    say(c, "the image was not closed cleanly");
    c->corruptions++;
    if (c->repair != 2 || !p->writable)
        return 0;
    put32(p->header + H_IN_USE, CLOSED);
    rc = parallels_write_header(p);
    if (rc == 0)
        c->corruptions_fixed++;
    return rc;
}

int32_t parallels_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct parallels *p = self;
    struct checking k = {.p = p, .c = c};
    int32_t rc = p->writable ? p->image->flush(p->host) : 0;

    k.length = p->image->length(p->host, 0);
    if (!p->slots) { /* read-only: not counted yet */
        p->slots = p->entries + 1;
        if (k.length > p->data)
            p->slots += ceil_div(k.length - p->data, p->cluster);
    }
    k.seen = p->image->allocate(p->host, p->slots / 8 + 1);
    if (!k.seen)
        return tn_fail(p->host, error, -ENOMEM,
                       "no memory to check so many clusters");
    c->total_clusters = p->entries;
    c->image_end = p->data;
    if (rc == 0)
        rc = check_bat(&k);
    if (rc == 0)
        rc = check_end(&k, error);
    if (rc == 0)
        rc = check_mark(&k);
    p->image->free(p->host, k.seen);
    return rc;
}

/* The table can become as long as there is room before the data. */
int32_t parallels_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct parallels *p = self;
    uint64_t entries = ceil_div(bytes, p->cluster);
    uint64_t slots = p->slots + entries;
    uint8_t *used;
    int32_t rc;

    if (bytes < p->bytes)
        return tn_fail(p->host, error, -ENOTSUP,
                       "a Parallels image cannot become smaller");
    if (HEADER_BYTES + entries * 4 > p->data ||
        (p->multiplier == SECTOR && bytes / SECTOR > UINT32_MAX))
        return tn_fail(p->host, error, -ENOTSUP,
                       "its table has no room for a disk of %llu bytes: "
                       "convert it to a new image",
                       (unsigned long long)bytes);
    used = p->image->allocate(p->host, slots / 8 + 1);
    if (!used)
        return -ENOMEM;
    memcpy(used, p->used, p->slots / 8 + 1);
    p->image->free(p->host, p->used);
    p->used = used;
    p->slots = slots;
    if (entries > p->entries)
        put32(p->header + H_ENTRIES, (uint32_t)entries);
    put64(p->header + H_SECTORS, bytes / SECTOR);
    rc = parallels_write_header(p);
    if (rc < 0)
        return rc;
    p->bytes = bytes;
    if (entries > p->entries)
        p->entries = entries;
    return 0;
}
