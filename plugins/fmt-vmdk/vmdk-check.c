/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking and repairing: places of tables and grains, grains that two entries
 * refer to, and redundant tables that say something else.
 */
#include "vmdk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct checking {
    struct vmdk *v;
    struct extent *x;
    struct tn_check *c;
    uint8_t *units; /* a bit for each sector of tables, directories and the
                       descriptor; NULL: not looked at */
    uint64_t n_units;
    uint8_t *seen; /* a bit for each grain of the file; NULL: not looked at */
    uint64_t n_seen;
    uint64_t length; /* of the file before copies are appended to it */
    uint64_t next; /* where the next grain would not be a fragment */
};

static void say(struct tn_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct tn_check *c, const char *format, ...)
{
    char text[200];
    va_list ap;

    if (!c->message)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    c->message(c->opaque, text);
}

static uint64_t guest_offset(const struct checking *k, uint64_t grain)
{
    return k->x->start + grain * k->x->grain;
}

static int32_t set_entry(struct checking *k, uint64_t place, uint32_t entry)
{
    uint8_t raw[4];

    put_le32(raw, entry);
    return k->v->image->pwrite(k->v->host, k->x->file, place, raw, 4);
}

static int32_t set_both(struct checking *k, uint64_t grain, uint32_t entry)
{
    uint64_t second = vmdk_redundant_place(k->x, grain);
    int32_t rc = set_entry(k, vmdk_entry_place(k->x, grain), entry);

    if (rc == 0 && second)
        rc = set_entry(k, second, entry);
    return rc < 0 ? rc : k->v->image->flush(k->v->host);
}

/* The second entry's grain gets a place of its own. */
static int32_t give_copy(struct checking *k, uint64_t grain, uint64_t at)
{
    struct extent *x = k->x;
    const struct tn_image *image = k->v->image;
    uint8_t *data = image->allocate(k->v->host, x->grain);
    uint64_t to = x->end;
    int32_t rc = data ? 0 : -ENOMEM;

    if (to / VMDK_SECTOR >= UINT32_MAX)
        rc = -EFBIG;
    if (rc == 0)
        rc = image->pread(k->v->host, x->file, at, data, x->grain);
    if (rc == 0)
        rc = image->pwrite(k->v->host, x->file, to, data, x->grain);
    image->free(k->v->host, data);
    if (rc == 0)
        rc = image->flush(k->v->host);
    x->end += x->grain;
    return rc < 0 ? rc : set_both(k, grain, (uint32_t)(to / VMDK_SECTOR));
}

static int32_t fixed(struct checking *k, int32_t rc)
{
    if (rc == 0)
        k->c->corruptions_fixed++;
    return rc;
}

static int was_seen(struct checking *k, uint64_t at)
{
    uint64_t i = at / k->x->grain;
    uint8_t bit = (uint8_t)(1u << i % 8);
    int seen;

    if (!k->seen || i >= k->n_seen)
        return 0;
    seen = k->seen[i / 8] & bit;
    k->seen[i / 8] |= bit;
    return seen;
}

/* A directory that grew stands behind grains. */
static int is_metadata(const struct checking *k, uint64_t at)
{
    uint64_t i = at / VMDK_SECTOR, n = k->x->grain / VMDK_SECTOR;

    if (k->x->flags & FLAG_COMPRESSED)
        n = 1;
    for (; k->units && n > 0 && i < k->n_units; i++, n--)
        if (k->units[i / 8] >> i % 8 & 1)
            return 1;
    return 0;
}

static int32_t check_grain(struct checking *k, uint64_t grain, uint32_t entry)
{
    struct extent *x = k->x;
    uint64_t at = (uint64_t)entry * VMDK_SECTOR;

    if (entry == 0 || (entry == 1 && x->flags & FLAG_ZEROED))
        return 0;
    if (at < x->first || at >= k->length || is_metadata(k, at)) {
        say(k->c,
            "the grain of guest offset %#llx is at %#llx, where none can be",
            (unsigned long long)guest_offset(k, grain),
            (unsigned long long)at);
        k->c->corruptions++;
        return k->c->repair == 2 ? fixed(k, set_both(k, grain, 0)) : 0;
    }
    k->c->allocated_clusters++;
    k->c->compressed_clusters += (x->flags & FLAG_COMPRESSED) != 0;
    k->c->fragmented_clusters += k->next && at != k->next;
    k->next = at + x->grain;
    if (k->c->image_end < at + x->grain)
        k->c->image_end = at + x->grain;
    if (x->flags & FLAG_COMPRESSED || !was_seen(k, at))
        return 0;
    say(k->c,
        "the grain of guest offset %#llx is at %#llx, where another one is",
        (unsigned long long)guest_offset(k, grain), (unsigned long long)at);
    k->c->corruptions++;
    return k->c->repair == 2 ? fixed(k, give_copy(k, grain, at)) : 0;
}

/* The redundant entry may be older by what a crash took: nothing reads it, and
 * what it refers to was not used again. */
static int32_t check_redundant(struct checking *k, uint64_t grain,
                               uint32_t entry, uint32_t other)
{
    int32_t rc;

    if (entry == other)
        return 0;
    say(k->c, "the redundant entry of guest offset %#llx differs",
        (unsigned long long)guest_offset(k, grain));
    k->c->leaks++;
    if (!k->c->repair)
        return 0;
    rc = set_entry(k, vmdk_redundant_place(k->x, grain), entry);
    if (rc == 0)
        k->c->leaks_fixed++;
    return rc;
}

/* Do the table's bytes meet those of a directory or the descriptor? */
static int meets(uint64_t table, uint64_t bytes, uint64_t at, uint64_t other)
{
    return at && table < at + other && at < table + bytes;
}

static int is_misplaced(const struct checking *k, uint64_t table,
                        uint64_t bytes)
{
    const struct extent *x = k->x;

    return meets(table, bytes, x->gd_at, x->n_tables * 4) ||
           meets(table, bytes, x->rgd_at, x->n_tables * 4) ||
           (x->file == 0 && meets(table, bytes, k->v->text_at,
                                  k->v->text_at ? k->v->text_room : 0));
}

static int32_t read_table(struct checking *k, const uint64_t *gd,
                          uint64_t table, uint8_t *entries)
{
    const struct vmdk *v = k->v;
    uint64_t length = v->image->length(v->host, k->x->file);
    uint64_t bytes = (uint64_t)k->x->gtes * 4;

    if (gd[table] < VMDK_SECTOR || gd[table] > length ||
        length - gd[table] < bytes || is_misplaced(k, gd[table], bytes))
        return -ERANGE;
    return v->image->pread(v->host, k->x->file, gd[table], entries, bytes);
}

static int32_t drop_table(struct checking *k, uint64_t at, uint64_t *gd,
                          uint64_t table, const char *which)
{
    say(k->c, "the %sgrain table of guest offset %#llx is at %#llx, where "
        "none can be", which,
        (unsigned long long)guest_offset(k, table * k->x->gtes),
        (unsigned long long)gd[table]);
    k->c->corruptions++;
    if (k->c->repair < 2)
        return 0;
    gd[table] = 0;
    return fixed(k, set_entry(k, at + table * 4, 0));
}

static int32_t check_table(struct checking *k, uint64_t table,
                           uint8_t *entries, uint8_t *others)
{
    struct extent *x = k->x;
    uint64_t grains = (x->bytes + x->grain - 1) / x->grain;
    int has_other = x->rgd && x->rgd[table];
    int32_t rc = 0;

    if (has_other) {
        rc = read_table(k, x->rgd, table, others);
        if (rc == -ERANGE) {
            has_other = 0;
            rc = drop_table(k, x->rgd_at, x->rgd, table, "redundant ");
        }
    }
    if (rc < 0 || !x->gd[table])
        return rc;
    rc = read_table(k, x->gd, table, entries);
    if (rc == -ERANGE)
        return drop_table(k, x->gd_at, x->gd, table, "");
    for (uint32_t i = 0; rc == 0 && i < x->gtes; i++) {
        uint64_t grain = table * x->gtes + i;
        uint32_t entry = get_le32(entries + i * 4);
        uint64_t found = k->c->corruptions;

        if (grain >= grains)
            break;
        rc = check_grain(k, grain, entry);
        if (rc == 0 && has_other && found == k->c->corruptions)
            rc = check_redundant(k, grain, entry, get_le32(others + i * 4));
    }
    return rc;
}

/* Tables that meet others: the later one is given up. */
static int32_t check_directory(struct checking *k, uint64_t at, uint64_t *gd)
{
    uint8_t *units = k->units;
    uint64_t n = ((uint64_t)k->x->gtes * 4 + VMDK_SECTOR - 1) / VMDK_SECTOR;
    int32_t rc = 0;

    for (uint64_t t = 0; rc == 0 && gd && t < k->x->n_tables; t++) {
        uint64_t first = gd[t] / VMDK_SECTOR;
        int taken = 0;

        if (!gd[t] || first >= k->n_units || k->n_units - first < n)
            continue;
        for (uint64_t i = first; i < first + n; i++)
            taken |= units[i / 8] >> i % 8 & 1;
        if (taken) {
            rc = drop_table(k, at, gd, t, "");
            continue;
        }
        for (uint64_t i = first; i < first + n; i++)
            units[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return rc;
}

static void mark(struct checking *k, uint64_t at, uint64_t bytes)
{
    uint64_t end = (at + bytes + VMDK_SECTOR - 1) / VMDK_SECTOR;

    for (uint64_t i = at / VMDK_SECTOR; at && i < end && i < k->n_units; i++)
        k->units[i / 8] |= (uint8_t)(1u << i % 8);
}

static void mark_directories(struct checking *k)
{
    const struct extent *x = k->x;

    mark(k, x->gd_at, x->n_tables * 4);
    mark(k, x->rgd_at, x->n_tables * 4);
    if (x->file == 0 && !k->v->text_file)
        mark(k, k->v->text_at, k->v->text_room);
}

static int32_t check_extent(struct checking *k)
{
    const struct tn_image *image = k->v->image;
    struct extent *x = k->x;
    uint64_t length = image->length(k->v->host, x->file);
    uint8_t *tables = image->allocate(k->v->host, (uint64_t)x->gtes * 8);
    int32_t rc = tables ? 0 : -ENOMEM;

    /* Very large files are not searched for doubles. */
    k->length = length;
    k->n_units = length / VMDK_SECTOR + 1;
    k->n_seen = length / x->grain + 1;
    k->seen = image->allocate(k->v->host, k->n_seen / 8 + 1);
    if (length < 64ull << 30)
        k->units = image->allocate(k->v->host, k->n_units / 8 + 1);
    if (rc == 0 && k->units)
        rc = check_directory(k, x->gd_at, x->gd);
    if (rc == 0 && k->units)
        rc = check_directory(k, x->rgd_at, x->rgd);
    if (k->units)
        mark_directories(k);
    for (uint64_t t = 0; rc == 0 && t < x->n_tables; t++)
        rc = check_table(k, t, tables, tables + (uint64_t)x->gtes * 4);
    image->free(k->v->host, tables);
    image->free(k->v->host, k->seen);
    image->free(k->v->host, k->units);
    k->c->total_clusters += (x->bytes + x->grain - 1) / x->grain;
    return rc;
}

int32_t vmdk_check(void *self, struct tn_check *c, struct tn_error *error)
{
    struct vmdk *v = self;
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < v->n_extents; i++) {
        struct checking k = {.v = v, .x = &v->extents[i], .c = c};

        if (k.x->kind == EXTENT_SPARSE || k.x->kind == EXTENT_COWD)
            rc = check_extent(&k);
    }
    if (rc < 0)
        return tn_fail(v->host, error, rc, "the image cannot be repaired");
    return 0;
}
