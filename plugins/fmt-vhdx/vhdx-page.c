/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changed pages, and writing them: into the log, then to their places
 * ([MS-VHDX] 2.3). Each flush makes one entry, which by itself is the whole
 * active sequence: what earlier ones changed is in place by then. So is all
 * that a crash can leave: the entry is not complete and nothing was changed,
 * or it is and will be replayed. An entry takes at most a third of the log and
 * so never overwrites the one before.
 */
#include "vhdx.h"

#include <errno.h>

#define E_HEADER 64u
#define DESCRIPTOR 32u

int32_t vhdx_pages_init(struct vhdx *v)
{
    uint64_t sectors = v->log.bytes / 3 / PAGE;
    uint64_t most = sectors - 1;

    while (most > 1 &&
           most + ceil_div(E_HEADER + most * DESCRIPTOR, PAGE) > sectors)
        most--;
    v->max_pages = (uint32_t)(most < MAX_PAGES ? most : MAX_PAGES);
    v->pages = v->image->allocate(v->host, v->max_pages * sizeof v->pages[0]);
    return v->pages ? 0 : -ENOMEM;
}

void vhdx_pages_free(struct vhdx *v)
{
    for (uint32_t i = 0; v->pages && i < v->max_pages; i++)
        v->image->free(v->host, v->pages[i].data);
    for (uint32_t i = 0; i < v->n_replayed; i++)
        v->image->free(v->host, v->replayed[i].data);
    v->image->free(v->host, v->pages);
    v->image->free(v->host, v->replayed);
    v->image->free(v->host, v->entry);
    v->pages = v->replayed = NULL;
    v->entry = NULL;
    v->n_pages = v->n_replayed = 0;
}

static uint32_t slot_of(uint64_t offset)
{
    return (uint32_t)((offset / PAGE) * 0x9e3779b97f4a7c15ull >> 32) &
           (SLOTS - 1);
}

static struct vhdx_page *find_page(struct vhdx *v, uint64_t offset)
{
    offset -= offset % PAGE;
    if (v->n_pages == 0)
        return NULL;
    for (uint32_t s = slot_of(offset); v->slots[s]; s = (s + 1) & (SLOTS - 1))
        if (v->pages[v->slots[s] - 1u].offset == offset)
            return &v->pages[v->slots[s] - 1u];
    return NULL;
}

static struct vhdx_page *find_replayed(struct vhdx *v, uint64_t offset)
{
    uint32_t low = 0, high = v->n_replayed;

    offset -= offset % PAGE;
    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (v->replayed[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->n_replayed && v->replayed[low].offset == offset
               ? &v->replayed[low]
               : NULL;
}

int32_t vhdx_read(struct vhdx *v, uint64_t offset, uint32_t bytes,
                  const void **data)
{
    struct vhdx_page *p = find_page(v, offset);

    if (!p && v->n_replayed)
        p = find_replayed(v, offset);
    if (!p)
        return v->image->read(v->host, 0, offset, bytes, data);
    *data = p->data + offset % PAGE;
    return 0;
}

int32_t vhdx_room(struct vhdx *v, uint32_t n)
{
    if (v->n_pages + n <= v->max_pages)
        return 0;
    v->image->want_flush(v->host);
    return -EAGAIN;
}

int32_t vhdx_write(struct vhdx *v, uint64_t offset, uint32_t bytes,
                   const void *data)
{
    struct vhdx_page *p = find_page(v, offset);
    uint64_t start = offset - offset % PAGE;
    uint32_t s = slot_of(start);
    const void *old;
    int32_t rc;

    if (!p) {
        if (v->n_pages == v->max_pages)
            return -ENOSPC;
        rc = v->image->read(v->host, 0, start, PAGE, &old);
        if (rc < 0)
            return rc;
        p = &v->pages[v->n_pages];
        if (!p->data)
            p->data = v->image->allocate(v->host, PAGE);
        if (!p->data)
            return -ENOMEM;
        memcpy(p->data, old, PAGE);
        p->offset = start;
        while (v->slots[s])
            s = (s + 1) & (SLOTS - 1);
        v->slots[s] = (uint16_t)++v->n_pages;
    }
    memcpy(p->data + offset % PAGE, data, bytes);
    return 0;
}

/* ---- the header ---- */

/* The next header, which takes the place of the older of the two. */
static void next_header(struct vhdx *v, uint8_t *h)
{
    memcpy(h, v->header, PAGE);
    put64(h + H_SEQUENCE, get64(h + H_SEQUENCE) + 1);
    memcpy(h + H_LOG_GUID, v->log_in_header ? v->log_guid : vhdx_guid_none,
           GUID_BYTES);
    put32(h + H_CHECKSUM, vhdx_checksum(h, PAGE, H_CHECKSUM));
}

static int32_t write_header(struct vhdx *v)
{
    uint8_t h[PAGE];
    int32_t rc;

    next_header(v, h);
    rc = v->image->write(v->host, 0, HEADER_PLACE(!v->current), PAGE, h);
    if (rc < 0)
        return rc;
    memcpy(v->header, h, PAGE);
    v->current = !v->current;
    return 0;
}

/* New GUIDs that tell others that file and data are not what they were. */
static int32_t change_guids(struct vhdx *v, uint32_t *changed)
{
    int32_t rc = 0;

    *changed = 0;
    if (!v->file_guid_new) {
        rc = vhdx_new_guid(v->header + H_FILE_WRITE_GUID);
        *changed = 1;
    }
    if (rc == 0 && v->data_written && !v->data_guid_new) {
        rc = vhdx_new_guid(v->header + H_DATA_WRITE_GUID);
        *changed = 1;
    }
    if (rc == 0 && v->n_pages && !v->log_in_header) {
        rc = vhdx_new_guid(v->log_guid);
        *changed = 1;
    }
    return rc;
}

/* ---- the log ---- */

static uint32_t entry_bytes(const struct vhdx *v)
{
    return (
        uint32_t)(round_up(E_HEADER + (uint64_t)v->n_pages * DESCRIPTOR, PAGE) +
                  (uint64_t)v->n_pages * PAGE);
}

static void fill_entry(struct vhdx *v, uint32_t bytes, uint64_t sequence)
{
    uint8_t *e = v->entry, *d = e + E_HEADER;
    uint8_t *sector = e + bytes - (uint64_t)v->n_pages * PAGE;

    memset(e, 0, (size_t)(sector - e));
    for (uint32_t i = 0; i < v->n_pages; i++) {
        const struct vhdx_page *p = &v->pages[i];

        put32(d, SIGNATURE_DATA);
        memcpy(d + 4, p->data + PAGE - 4, 4);
        memcpy(d + 8, p->data, 8);
        put64(d + 16, p->offset);
        put64(d + 24, sequence);
        put32(sector, SIGNATURE_SECTOR);
        put32(sector + 4, (uint32_t)(sequence >> 32));
        memcpy(sector + 8, p->data + 8, PAGE - 12);
        put32(sector + PAGE - 4, (uint32_t)sequence);
        d += DESCRIPTOR;
        sector += PAGE;
    }
    put32(e, SIGNATURE_ENTRY);
    put32(e + 8, bytes);
    put32(e + 12, v->log_at);
    put64(e + 16, sequence);
    put32(e + 24, v->n_pages);
    memcpy(e + 32, v->log_guid, GUID_BYTES);
    put64(e + 48, v->stable_length);
    put64(e + 56, v->end);
    put32(e + 4, vhdx_checksum(e, bytes, 4));
}

/* The unit at THEN waits for the whole entry. */
static int32_t after_entry(struct vhdx *v, uint32_t bytes, uint64_t then)
{
    int32_t rc = 0;

    for (uint32_t i = 0; rc == 0 && i < bytes; i += PAGE)
        rc =
            v->image->order(v->host, 0, v->log.offset + v->log_at + i, 0, then);
    return rc;
}

/* Everything that can have to be tried again, without an effect outside the
 * log. Many pages wait for one sector of the entry that waits for the rest. */
static int32_t write_entry(struct vhdx *v, uint32_t bytes)
{
    uint64_t place;
    int32_t rc = 0;

    if (v->log_at + bytes > v->log.bytes)
        v->log_at = 0;
    place = v->log.offset + v->log_at;
    fill_entry(v, bytes, v->log_sequence + 1);
    for (uint32_t i = 0; rc == 0 && i < bytes; i += PAGE)
        rc = v->image->write(v->host, 0, place + i, PAGE, v->entry + i);
    for (uint32_t i = PAGE; rc == 0 && v->n_pages > 8 && i < bytes; i += PAGE)
        rc = v->image->order(v->host, 0, place + i, 0, place);
    for (uint32_t i = 0; rc == 0 && i < v->n_pages; i++)
        rc = v->n_pages > 8
                 ? v->image->order(v->host, 0, place, 0, v->pages[i].offset)
                 : after_entry(v, bytes, v->pages[i].offset);
    return rc;
}

/* What may have to be tried again: everything is in memory afterwards. */
static int32_t fetch(struct vhdx *v)
{
    const void *data;
    int32_t rc =
        v->image->read(v->host, 0, HEADER_PLACE(!v->current), PAGE, &data);

    for (uint32_t i = 0; rc == 0 && i < v->n_pages; i++)
        rc = v->image->read(v->host, 0, v->pages[i].offset, PAGE, &data);
    if (rc == 0 && v->n_pages && !v->entry) {
        v->entry = v->image->allocate(v->host, v->log.bytes / 3 + PAGE);
        rc = v->entry ? 0 : -ENOMEM;
    }
    return rc;
}

/* The header becomes stable after the log entry and before the pages. */
static int32_t header_between(struct vhdx *v, uint32_t bytes)
{
    uint64_t place = HEADER_PLACE(!v->current);
    int32_t rc = after_entry(v, bytes, place);

    if (rc < 0)
        return rc;
    v->log_in_header |= v->n_pages > 0;
    rc = write_header(v);
    for (uint32_t i = 0; rc == 0 && i < v->n_pages; i++)
        rc = v->image->order(v->host, 0, place, 0, v->pages[i].offset);
    if (rc == 0) {
        v->file_guid_new = 1;
        v->data_guid_new |= v->data_written;
    }
    return rc;
}

int32_t vhdx_before_flush(void *self)
{
    struct vhdx *v = self;
    uint32_t bytes = v->n_pages ? entry_bytes(v) : 0, changed = 0;
    int32_t rc;

    if (!v->writable ||
        (!v->n_pages &&
         (!v->data_written || (v->data_guid_new && v->file_guid_new))))
        return 0;
    rc = fetch(v);
    if (rc == 0)
        rc = change_guids(v, &changed);
    if (rc == 0 && v->n_pages)
        rc = write_entry(v, bytes);
    if (rc == 0 && changed)
        rc = header_between(v, bytes);
    for (uint32_t i = 0; rc == 0 && i < v->n_pages; i++)
        rc = v->image->write(v->host, 0, v->pages[i].offset, PAGE,
                             v->pages[i].data);
    if (rc < 0 || !v->n_pages)
        return rc;
    v->log_sequence++;
    v->log_at += bytes;
    v->n_pages = 0;
    memset(v->slots, 0, sizeof v->slots);
    return 0;
}

int32_t vhdx_finish(struct vhdx *v)
{
    int32_t rc;

    if (!v->log_in_header)
        return 0;
    v->log_in_header = 0;
    v->log_at = 0;
    rc = write_header(v);
    return rc < 0 ? rc : v->image->flush(v->host);
}
