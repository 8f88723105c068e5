/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another descriptor in the place of the one that is there, in one step.
 *
 * Inside an extent: a copy at the end of the file, then the header's sector
 * refers to it. Readers that look for it behind the header only are served by
 * the same again, back to that place.
 *
 * As a file of one sector: that sector. Of several: lines that come new stand
 * behind a zero byte, which ends the text; a sector without it makes them
 * count. Changes of what was there keep its length and are in one sector.
 */
#include "vmdk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- inside an extent ---- */

/* Is nothing between the header and ROOM bytes behind it? */
static int has_room_behind_header(const struct vmdk *v)
{
    const struct extent *x = &v->extents[0];
    uint64_t end = VMDK_SECTOR + v->text_room;

    if (x->first < end || x->gd_at < end || (x->rgd_at && x->rgd_at < end))
        return 0;
    for (uint64_t i = 0; i < x->n_tables; i++)
        if ((x->gd[i] && x->gd[i] < end) ||
            (x->rgd && x->rgd[i] && x->rgd[i] < end))
            return 0;
    return 1;
}

static int32_t write_text_at(struct vmdk *v, const char *text, uint64_t at,
                             uint8_t *h)
{
    char *all = v->image->allocate(v->host, v->text_room);
    int32_t rc;

    if (!all)
        return -ENOMEM;
    memcpy(all, text, strlen(text));
    rc = v->image->pwrite(v->host, 0, at, all, v->text_room);
    v->image->free(v->host, all);
    if (rc == 0)
        rc = v->image->flush(v->host);
    put_le64(h + H_DESCRIPTOR, at / VMDK_SECTOR);
    if (rc == 0)
        rc = v->image->pwrite(v->host, 0, 0, h, VMDK_SECTOR);
    if (rc == 0)
        rc = v->image->flush(v->host);
    if (rc == 0)
        v->text_at = at;
    return rc;
}

int32_t vmdk_put_embedded(struct vmdk *v, char *text, uint8_t *h)
{
    struct extent *x = &v->extents[0];
    uint64_t length = v->image->length(v->host, 0), at;
    int32_t rc = v->image->flush(v->host);

    if (!text) {
        if (rc == 0)
            rc = v->image->pwrite(v->host, 0, 0, h, VMDK_SECTOR);
        return rc < 0 ? rc : v->image->flush(v->host);
    }
    at = vmdk_round_up(length > x->end ? length : x->end,
                       x->grain > 4096 ? x->grain : 4096);
    if (strlen(text) >= v->text_room)
        rc = -ENOSPC;
    if (rc == 0 && at + v->text_room > 0xffffffffull * VMDK_SECTOR)
        rc = -EFBIG;
    if (rc == 0)
        rc = write_text_at(v, text, at, h);
    if (rc < 0) {
        v->image->free(v->host, text);
        return rc;
    }
    x->end = vmdk_round_up(at + v->text_room,
                           x->grain > 4096 ? x->grain : 4096);
    v->image->free(v->host, v->text);
    v->text = text;
    v->text_length = v->text_room;
    if (has_room_behind_header(v)) {
        rc = write_text_at(v, text, VMDK_SECTOR, h);
        if (rc == 0 && v->text_room <= x->grain)
            (void)vmdk_release(v, 0, at, x->grain);
    }
    return rc;
}

/* ---- a file ---- */

/* Do the texts, of one length, differ in one *SECTOR at most? ~0: in none. */
static int one_sector(const char *a, const char *b, uint64_t *sector)
{
    uint64_t n = strlen(a);

    *sector = ~0ull;
    for (uint64_t i = 0; i < n; i++) {
        if (a[i] == b[i])
            continue;
        if (*sector != ~0ull && *sector != i / VMDK_SECTOR)
            return 0;
        *sector = i / VMDK_SECTOR;
    }
    return 1;
}

static int32_t write_sector(struct vmdk *v, const char *text, uint64_t sector)
{
    char data[VMDK_SECTOR] = {0};
    uint64_t n = strlen(text), at = sector * VMDK_SECTOR;
    int32_t rc;

    if (at < n)
        memcpy(data, text + at, n - at < VMDK_SECTOR ? n - at : VMDK_SECTOR);
    rc = v->image->pwrite(v->host, 0, at, data, sizeof data);
    return rc < 0 ? rc : v->image->flush(v->host);
}

/* Takes TEXT; the file may still be longer. */
static int32_t take_text(struct vmdk *v, char *text)
{
    v->image->free(v->host, v->text);
    v->text = text;
    v->text_length = strlen(text);
    return v->image->set_length(v->host, 0, v->text_length, NULL);
}

/* Behind a zero byte: not there yet. */
static int32_t write_tail(struct vmdk *v, uint64_t length, uint64_t end,
                          const char *tail)
{
    char zeroes[2 * VMDK_SECTOR] = {0};
    int32_t rc = v->image->pwrite(v->host, 0, length, zeroes, end - length);

    for (uint64_t i = 0; rc == 0 && i < strlen(tail); i += VMDK_SECTOR) {
        char data[VMDK_SECTOR] = {0};
        uint64_t n = strlen(tail) - i;

        memcpy(data, tail + i, n < sizeof data ? n : sizeof data);
        rc = v->image->pwrite(v->host, 0, end + i, data, sizeof data);
    }
    return rc < 0 ? rc : v->image->flush(v->host);
}

int vmdk_can_edit(const struct vmdk *v, const char *edited)
{
    uint64_t sector;

    return edited && strlen(edited) == strlen(v->text) &&
           one_sector(v->text, edited, &sector);
}

int32_t vmdk_put_file(struct vmdk *v, const char *edited, const char *tail,
                      int tail_first)
{
    uint64_t length = strlen(v->text), end, sector, last;
    char *text;
    int32_t rc = 0;

    if (!vmdk_can_edit(v, edited))
        return -ENOTSUP;
    (void)one_sector(v->text, edited, &sector);
    /* Nothing may be behind the text. */
    if (v->image->length(v->host, 0) > length)
        rc = v->image->set_length(v->host, 0, length, NULL);
    if (rc < 0)
        return rc;
    end = vmdk_round_up(length + (*tail ? 3 : 0), VMDK_SECTOR);
    last = end / VMDK_SECTOR - 1;
    text = v->image->allocate(v->host, end + strlen(tail) + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, edited, length);
    if (*tail) {
        /* A comment: others take an extent twice that follows an empty
         * line. */
        memset(text + length, '#', end - length);
        if (length && text[length - 1] != '\n')
            text[length] = '\n';
        text[end - 1] = '\n';
        strcpy(text + end, tail);
        rc = write_tail(v, length, end, tail);
    }
    if (rc == 0 && sector != ~0ull && sector != last && !tail_first)
        rc = write_sector(v, edited, sector);
    if (rc == 0 && (*tail || sector == last))
        rc = write_sector(v, text, last);
    if (rc == 0 && sector != ~0ull && sector != last && tail_first)
        rc = write_sector(v, edited, sector);
    if (rc < 0) {
        v->image->free(v->host, text);
        return rc;
    }
    return take_text(v, text);
}

int vmdk_is_small(const struct vmdk *v, const char *text)
{
    return strlen(text) <= VMDK_SECTOR && strlen(v->text) <= VMDK_SECTOR;
}

int32_t vmdk_put_small(struct vmdk *v, char *text)
{
    int32_t rc = write_sector(v, text, 0);

    if (rc < 0) {
        v->image->free(v->host, text);
        return rc;
    }
    return take_text(v, text);
}

/* ---- another size ---- */

char *vmdk_splice(struct vmdk *v, char *text, uint64_t at, uint64_t n,
                    const char *new)
{
    uint64_t length = text ? strlen(text) : 0, more = strlen(new);
    char *out = text ? v->image->allocate(v->host, length + more + 1) : NULL;

    if (out) {
        memcpy(out, text, at);
        memcpy(out + at, new, more);
        memcpy(out + at + more, text + at + n, length - at - n);
    }
    v->image->free(v->host, text);
    return out;
}

char *vmdk_copy_text(struct vmdk *v)
{
    char *out = v->image->allocate(v->host, strlen(v->text) + 1);

    if (out)
        strcpy(out, v->text);
    return out;
}

/* Where the last extent's sectors stand in its line; 0 nowhere. */
static uint64_t find_number(const char *text, uint64_t *digits)
{
    const char *found = NULL, *line = text;

    while (line) {
        const char *p = line + strspn(line, " \t");

        if (!strncmp(p, "RW", 2) && (p[2] == ' ' || p[2] == '\t')) {
            p += 2;
            p += strspn(p, " \t");
            if (strtoull(p, NULL, 10))
                found = p;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    *digits = found ? strspn(found, "0123456789") : 0;
    return found ? (uint64_t)(found - text) : 0;
}

static char *with_cylinders(struct vmdk *v, char *text, uint64_t bytes)
{
    static const char key[] = "ddb.geometry.cylinders = \"";
    char value[32];
    uint64_t heads = 0, sectors = 0;
    const char *at = text ? strstr(text, key) : NULL;

    if (!at)
        return text;
    if (vmdk_value(text, "ddb.geometry.heads", value, sizeof value))
        heads = strtoull(value, NULL, 10);
    if (vmdk_value(text, "ddb.geometry.sectors", value, sizeof value))
        sectors = strtoull(value, NULL, 10);
    if (!heads || !sectors || heads > 255 || sectors > 255)
        return text;
    at += sizeof key - 1;
    snprintf(value, sizeof value, "%llu",
             (unsigned long long)(bytes / VMDK_SECTOR / heads / sectors));
    return vmdk_splice(v, text, (uint64_t)(at - text), strspn(at, "0123456789"),
                  value);
}

char *vmdk_resized_text(struct vmdk *v, uint64_t last, uint64_t bytes,
                        const char *lines)
{
    char *text = vmdk_copy_text(v), *end;
    uint64_t digits, at = text ? find_number(text, &digits) : 0;
    char number[32];

    if (!at)
        return text;
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)(last / VMDK_SECTOR));
    text = vmdk_splice(v, text, at, digits, number);
    end = text ? strchr(text + at, '\n') : NULL;
    if (end)
        text = vmdk_splice(v, text, (uint64_t)(end + 1 - text), 0, lines);
    else if (text && *lines)
        text = vmdk_splice(v, text, strlen(text), 0, lines);
    return with_cylinders(v, text, bytes);
}

/* The same length: what the number grows by the blanks before it
 * lose, or a comment behind it. */
static char *edited_number(struct vmdk *v, uint64_t last)
{
    char *text = vmdk_copy_text(v), number[32];
    uint64_t digits, at = text ? find_number(text, &digits) : 0, more;

    if (!at) {
        v->image->free(v->host, text);
        return NULL;
    }
    more = (uint64_t)snprintf(number, sizeof number, "%0*llu", (int)digits,
                              (unsigned long long)(last / VMDK_SECTOR)) -
           digits;
    /* Blanks before it first. */
    for (; more && text[at - 2] == ' '; more--, at--)
        digits++;
    text = vmdk_splice(v, text, at, digits, number);
    for (char *p = text ? strchr(text + at, '\n') : NULL; p && more;
         p = strchr(p + 1, '\n')) {
        size_t n = strcspn(p + 1, "\r\n");

        if (p[1] != '#' || n <= more)
            continue;
        text = vmdk_splice(v, text, (uint64_t)(p + 1 + n - more - text), more, "");
        break;
    }
    if (vmdk_can_edit(v, text))
        return text;
    v->image->free(v->host, text);
    return NULL;
}

uint64_t vmdk_resized_limit(struct vmdk *v, uint64_t wanted, uint64_t unit,
                            uint64_t n_new)
{
    uint64_t digits, at = find_number(v->text, &digits), most = 1;
    uint64_t line = strlen(v->image->name(v->host)) + 40;
    char *text;

    if (!at || strlen(v->text) + 8 + n_new * line <= VMDK_SECTOR)
        return wanted;
    text = edited_number(v, wanted);
    v->image->free(v->host, text);
    if (text)
        return wanted;
    while (digits--)
        most *= 10;
    most = (most - 1) * VMDK_SECTOR / unit * unit;
    return wanted < most ? wanted : most;
}

int32_t vmdk_put_resized(struct vmdk *v, uint64_t last, uint64_t bytes,
                         const char *lines)
{
    char *text = vmdk_resized_text(v, last, bytes, lines);
    int32_t rc;

    if (!text)
        return -ENOMEM;
    if (vmdk_is_small(v, text))
        return vmdk_put_small(v, text);
    v->image->free(v->host, text);
    text = edited_number(v, last);
    rc = vmdk_put_file(v, text, lines, 0);
    v->image->free(v->host, text);
    return rc;
}
