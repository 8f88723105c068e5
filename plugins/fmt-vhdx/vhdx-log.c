/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaying the log ([MS-VHDX] 2.3). An image that is writable is brought up
 * to date at once; for one that is not, the sectors that the log has are kept
 * in memory and shown instead of the file's.
 */
#include "vhdx.h"

#include <errno.h>
#include <stdlib.h>

/* 2.3.1.1 Entry header; 2.3.1.2, 2.3.1.3 descriptors */
#define E_LENGTH 8
#define E_TAIL 12
#define E_SEQUENCE 16
#define E_DESCRIPTORS 24
#define E_GUID 32
#define E_FLUSHED 48
#define E_LAST 56
#define E_HEADER 64u
#define D_TRAILING 4
#define D_LEADING 8 /* of a zero descriptor: how many bytes */
#define D_OFFSET 16
#define D_SEQUENCE 24
#define DESCRIPTOR 32u

#define MAX_LOG (64u << 20)
#define MAX_REPLAYED 8192u /* sectors kept in memory */

struct replay {
    struct vhdx *v;
    uint8_t *log; /* twice, one after the other: no entry wraps */
    uint32_t length;
    uint64_t budget; /* bytes of checksums: bad entries may overlap */
    /* the active sequence: 2.3.2 */
    uint32_t start, head, tail, n;
    uint64_t sequence;
    uint64_t last; /* LastFileOffset */
};

static const uint8_t *entry_at(const struct replay *r, uint32_t at)
{
    return r->log + at;
}

/* The sector of the N-th data descriptor. */
static const uint8_t *data_sector(const uint8_t *entry, uint32_t n)
{
    uint32_t descriptors = get32(entry + E_DESCRIPTORS);

    return entry +
           round_up(E_HEADER + (uint64_t)descriptors * DESCRIPTOR, PAGE) +
           (uint64_t)n * PAGE;
}

static int descriptors_are_valid(const uint8_t *entry)
{
    uint32_t n = get32(entry + E_DESCRIPTORS), data = 0;
    uint64_t room = get32(entry + E_LENGTH), sequence;
    uint64_t before = round_up(E_HEADER + (uint64_t)n * DESCRIPTOR, PAGE);

    sequence = get64(entry + E_SEQUENCE);
    if (before > room)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *d = entry + E_HEADER + (uint64_t)i * DESCRIPTOR;
        const uint8_t *sector;

        if (get64(d + D_SEQUENCE) != sequence || get64(d + D_OFFSET) % PAGE ||
            get64(d + D_OFFSET) >> 60)
            return 0;
        if (get32(d) == SIGNATURE_ZERO) {
            if (get64(d + D_LEADING) % PAGE || get64(d + D_LEADING) >> 60)
                return 0;
            continue;
        }
        if (get32(d) != SIGNATURE_DATA || before + (data + 1ull) * PAGE > room)
            return 0;
        sector = data_sector(entry, data++);
        if (get32(sector) != SIGNATURE_SECTOR ||
            get32(sector + 4) != (uint32_t)(sequence >> 32) ||
            get32(sector + PAGE - 4) != (uint32_t)sequence)
            return 0;
    }
    return 1;
}

static int entry_is_valid(struct replay *r, uint32_t at)
{
    const uint8_t *entry = entry_at(r, at);
    uint32_t length = get32(entry + E_LENGTH);

    if (get32(entry) != SIGNATURE_ENTRY || length < PAGE || length % PAGE ||
        length > r->length || get32(entry + E_TAIL) % PAGE ||
        get32(entry + E_TAIL) >= r->length || get64(entry + E_SEQUENCE) == 0 ||
        get32(entry + 28) ||
        memcmp(entry + E_GUID, r->v->header + H_LOG_GUID, GUID_BYTES) ||
        length > r->budget)
        return 0;
    r->budget -= length;
    return vhdx_checksum(entry, length, 4) == get32(entry + 4) &&
           descriptors_are_valid(entry);
}

/* The entries from START on that follow each other. Returns where the last
 * one ends, counted without wrapping. */
static uint64_t walk(struct replay *r, uint32_t start, uint32_t *head,
                     uint32_t *n)
{
    uint64_t end = start, sequence = 0;

    for (*n = 0; end - start < r->length; ++*n) {
        uint32_t at = (uint32_t)(end % r->length);
        const uint8_t *entry = entry_at(r, at);

        if (*n && get64(entry + E_SEQUENCE) != sequence + 1)
            break;
        if (!entry_is_valid(r, at) ||
            end - start + get32(entry + E_LENGTH) > r->length)
            break;
        sequence = get64(entry + E_SEQUENCE);
        *head = at;
        end += get32(entry + E_LENGTH);
    }
    return end;
}

static int tail_is_in(const struct replay *r, uint32_t start, uint32_t n,
                      uint32_t tail)
{
    uint32_t at = start;

    while (n--) {
        if (at == tail)
            return 1;
        at = (uint32_t)(((uint64_t)at + get32(entry_at(r, at) + E_LENGTH)) %
                        r->length);
    }
    return 0;
}

static void find_active(struct replay *r)
{
    uint64_t at = 0, end;

    while (at < r->length) {
        uint32_t head = 0, n = 0, start = (uint32_t)at, tail;

        end = walk(r, start, &head, &n);
        tail = n ? get32(entry_at(r, head) + E_TAIL) : 0;
        if (!n || !tail_is_in(r, start, n, tail)) {
            at += PAGE;
            continue;
        }
        if (get64(entry_at(r, head) + E_SEQUENCE) > r->sequence) {
            r->sequence = get64(entry_at(r, head) + E_SEQUENCE);
            r->start = start;
            r->head = head;
            r->tail = tail;
            r->n = n;
            r->last = get64(entry_at(r, head) + E_LAST);
        }
        at = end;
    }
}

/* ---- applying ---- */

static void expand_sector(const uint8_t *descriptor, const uint8_t *sector,
                          uint8_t *page)
{
    memcpy(page, descriptor + D_LEADING, 8);
    memcpy(page + 8, sector + 8, PAGE - 12);
    memcpy(page + PAGE - 4, descriptor + D_TRAILING, 4);
}

static int32_t keep_page(struct vhdx *v, uint64_t offset, const uint8_t *data)
{
    struct vhdx_page *p;

    if (v->n_replayed == MAX_REPLAYED)
        return -EFBIG;
    if (!v->replayed)
        v->replayed = v->image->allocate(v->host, (uint64_t)MAX_REPLAYED *
                                                      sizeof *v->replayed);
    if (!v->replayed)
        return -ENOMEM;
    p = &v->replayed[v->n_replayed];
    p->data = v->image->allocate(v->host, PAGE);
    if (!p->data)
        return -ENOMEM;
    if (data)
        memcpy(p->data, data, PAGE);
    p->offset = offset;
    v->n_replayed++;
    return 0;
}

static int32_t apply_zero(struct replay *r, uint64_t offset, uint64_t bytes)
{
    struct vhdx *v = r->v;
    uint64_t length = v->image->length(v->host, 0), n;
    uint8_t *zeroes;
    int32_t rc = 0;

    /* What lies beyond the end of the file is zero already. */
    bytes = offset >= length          ? 0
            : bytes < length - offset ? bytes
                                      : length - offset;
    if (!v->writable) {
        for (; rc == 0 && bytes; offset += PAGE) {
            rc = keep_page(v, offset, NULL);
            bytes -= bytes < PAGE ? bytes : PAGE;
        }
        return rc;
    }
    zeroes = v->image->allocate(v->host, MIB);
    if (!zeroes)
        return -ENOMEM;
    for (; rc == 0 && bytes; offset += n, bytes -= n) {
        n = bytes < MIB ? bytes : MIB;
        rc = v->image->pwrite(v->host, 0, offset, zeroes, n);
    }
    v->image->free(v->host, zeroes);
    return rc;
}

static int32_t apply_entry(struct replay *r, const uint8_t *entry)
{
    struct vhdx *v = r->v;
    uint32_t n = get32(entry + E_DESCRIPTORS), data = 0;
    uint64_t length = v->image->length(v->host, 0);
    uint64_t limit = r->last > length ? r->last : length;
    uint8_t page[PAGE];
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        const uint8_t *d = entry + E_HEADER + (uint64_t)i * DESCRIPTOR;
        uint64_t offset = get64(d + D_OFFSET);

        if (offset < REGIONS_PLACE(0) || offset >= limit)
            return -EINVAL;
        if (get32(d) == SIGNATURE_ZERO) {
            rc = apply_zero(r, offset, get64(d + D_LEADING));
            continue;
        }
        expand_sector(d, data_sector(entry, data++), page);
        rc = v->writable ? v->image->pwrite(v->host, 0, offset, page, PAGE)
                         : keep_page(v, offset, page);
    }
    return rc;
}

/* Of several for one place the last is the one that counts. */
static void sort_replayed(struct vhdx *v)
{
    struct vhdx_page *p = v->replayed;
    uint32_t n = 0;

    for (uint32_t i = 1; i < v->n_replayed; i++) {
        struct vhdx_page page = p[i];
        uint32_t k = i;

        for (; k > 0 && p[k - 1].offset > page.offset; k--)
            p[k] = p[k - 1];
        p[k] = page;
    }
    for (uint32_t i = 0; i < v->n_replayed; i++) {
        if (n && p[n - 1].offset == p[i].offset)
            v->image->free(v->host, p[--n].data);
        p[n++] = p[i];
    }
    v->n_replayed = n;
}

static int32_t apply_sequence(struct replay *r, struct tn_error *error)
{
    struct vhdx *v = r->v;
    uint32_t at = r->start, active = 0;
    int32_t rc = 0;

    if (get64(entry_at(r, r->head) + E_FLUSHED) > v->image->length(v->host, 0))
        return vhdx_bad(v, error, "the file was truncated");
    if (r->last > 2 * MAX_BYTES)
        return vhdx_bad(v, error, "the log makes the file too long");
    if (v->writable && v->image->length(v->host, 0) < r->last)
        rc = v->image->set_length(v->host, 0, round_up(r->last, MIB), error);
    for (uint32_t i = 0; rc == 0 && i < r->n; i++) {
        active |= at == r->tail;
        if (active)
            rc = apply_entry(r, entry_at(r, at));
        at = (uint32_t)(((uint64_t)at + get32(entry_at(r, at) + E_LENGTH)) %
                        r->length);
    }
    if (rc == -EFBIG)
        return tn_fail(v->host, error, rc,
                       "the log has too many changes to keep them in memory: "
                       "open the image once for writing");
    if (rc == -EINVAL)
        return vhdx_bad(v, error, "the log writes outside the file");
    v->replayed_end = r->last;
    sort_replayed(v);
    return rc;
}

static int32_t replay(struct vhdx *v, struct tn_error *error)
{
    struct replay r = {.v = v,
                       .length = v->log.bytes,
                       .budget = 16ull * v->log.bytes + 16 * MIB};
    int32_t rc;

    if (r.length > MAX_LOG)
        return tn_fail(v->host, error, -ENOTSUP,
                       "the log of %u MiB is too large to be replayed",
                       r.length >> 20);
    r.log = v->image->allocate(v->host, 2ull * r.length);
    if (!r.log)
        return tn_fail(v->host, error, -ENOMEM, "no memory for the log");
    rc = v->image->pread(v->host, 0, v->log.offset, r.log, r.length);
    memcpy(r.log + r.length, r.log, r.length);
    if (rc == 0)
        find_active(&r);
    if (rc == 0 && r.n)
        rc = apply_sequence(&r, error);
    v->image->free(v->host, r.log);
    return rc;
}

int32_t vhdx_log_open(struct vhdx *v, struct tn_error *error)
{
    uint64_t length = v->image->length(v->host, 0);
    int32_t rc;

    v->log.offset = get64(v->header + H_LOG_OFFSET);
    v->log.bytes = get32(v->header + H_LOG_LENGTH);
    if (v->log.offset % MIB || v->log.bytes % MIB || v->log.offset < MIB ||
        !v->log.bytes || v->log.offset > length ||
        v->log.bytes > length - v->log.offset)
        return vhdx_bad(v, error, "the log is out of place");
    if (!memcmp(v->header + H_LOG_GUID, vhdx_guid_none, GUID_BYTES))
        return 0;
    if (get16(v->header + H_LOG_VERSION) != 0)
        return tn_fail(v->host, error, -ENOTSUP,
                       "the log's version is %u, which is not known",
                       get16(v->header + H_LOG_VERSION));
    rc = replay(v, error);
    if (rc < 0 || !v->writable)
        return rc;
    /* vhdx_finish() takes the log out of the header. */
    v->log_in_header = 1;
    rc = v->image->flush(v->host);
    return rc < 0 ? rc : vhdx_finish(v);
}

int32_t vhdx_pread(struct vhdx *v, uint64_t offset, void *data, uint64_t bytes)
{
    int32_t rc = v->image->pread(v->host, 0, offset, data, bytes);

    for (uint32_t i = 0; rc == 0 && i < v->n_replayed; i++) {
        const struct vhdx_page *p = &v->replayed[i];
        uint64_t from = p->offset > offset ? p->offset : offset;
        uint64_t to = p->offset + PAGE < offset + bytes ? p->offset + PAGE
                                                        : offset + bytes;

        if (from < to)
            memcpy((uint8_t *)data + (from - offset),
                   p->data + (from - p->offset), to - from);
    }
    return rc;
}
