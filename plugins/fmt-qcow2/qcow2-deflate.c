/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw deflate (RFC 1951) for clusters, made for speed: references go back less
 * than 4096 bytes, since that is all that readers of such images keep, so the
 * whole search stays in the nearest cache. Hash chains with one step of
 * lookahead find the references; qcow2-huffman.c writes them. On a worker
 * thread.
 */
#include "qcow2-deflate.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW (1u << WINDOW_BITS)
#define MIN_MATCH 3u
#define HASH_BITS 13
#define HASH3_BITS 12
#define DEPTH 8u      /* candidates looked at */
#define LAZY_DEPTH 4u  /* where a match is known already */
#define GOOD_LENGTH 32u /* take it without looking on */
#define FAR_3 1024u    /* three bytes farther away cost more than they save */

struct deflate_state {
    const uint8_t *data;
    uint32_t bytes;
    uint32_t head[1u << HASH_BITS];   /* position + 1 */
    uint32_t head3[1u << HASH3_BITS];
    uint32_t prev[WINDOW];
    struct huffman huffman;
};

struct match {
    uint32_t length, distance;
};

struct deflate_state *deflate_state_new(void)
{
    return calloc(1, sizeof(struct deflate_state));
}

void deflate_state_free(struct deflate_state *d)
{
    free(d);
}

static inline uint32_t load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static inline uint32_t hash4(uint32_t v)
{
    return v * 0x9e3779b1u >> (32 - HASH_BITS);
}

/* Of the three bytes that come first in memory. */
static inline uint32_t hash3(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (v >> 8) * 0x9e3779b1u >> (32 - HASH3_BITS);
#else
    return (v << 8) * 0x9e3779b1u >> (32 - HASH3_BITS);
#endif
}

static inline void insert(struct deflate_state *d, uint32_t at)
{
    uint32_t v = load32(d->data + at), h = hash4(v);

    d->prev[at % WINDOW] = d->head[h];
    d->head[h] = at + 1;
    d->head3[hash3(v)] = at + 1;
}

/* How many bytes at A and B are equal, from FROM on, MOST at most. */
static inline uint32_t equal(const uint8_t *a, const uint8_t *b,
                             uint32_t from, uint32_t most)
{
    uint32_t n = from;

    for (; n + 8 <= most; n += 8) {
        uint64_t x = load64(a + n) ^ load64(b + n);

        if (x)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            return n + ((uint32_t)__builtin_clzll(x) >> 3);
#else
            return n + ((uint32_t)__builtin_ctzll(x) >> 3);
#endif
    }
    while (n < most && a[n] == b[n])
        n++;
    return n;
}

/* The longest match at AT, longer than BEST. AT + 4 bytes are there, and AT is
 * not in the chains yet: it is afterwards. */
static struct match search(struct deflate_state *d, uint32_t at, uint32_t best,
                           uint32_t depth)
{
    const uint8_t *p = d->data + at;
    uint32_t most = d->bytes - at < MAX_MATCH ? d->bytes - at : MAX_MATCH;
    uint32_t v = load32(p), h = hash4(v), h3 = hash3(v);
    uint32_t next = d->head[h], least = at >= WINDOW ? at - WINDOW + 2 : 1;
    uint32_t near = d->head3[h3];
    struct match m = {0, 0};

    d->prev[at % WINDOW] = next;
    d->head[h] = at + 1;
    d->head3[h3] = at + 1;
    if (best >= most)
        return m;
    if (best < MIN_MATCH && near >= least && at + 1 - near <= FAR_3 &&
        !memcmp(p, d->data + near - 1, MIN_MATCH)) {
        m = (struct match){MIN_MATCH, at + 1 - near};
        best = MIN_MATCH;
    }
    best = best < MIN_MATCH ? MIN_MATCH : best;
    for (; next >= least && depth && best < most; depth--) {
        const uint8_t *q = d->data + next - 1;

        if (load32(q + best - 3) == load32(p + best - 3) && load32(q) == v) {
            uint32_t n = equal(q, p, 4, most);

            if (n > best) {
                best = n;
                m = (struct match){n, at + 1 - next};
            }
        }
        next = d->prev[(next - 1) % WINDOW];
    }
    return m;
}

/* Take the positions of a match into the chains, from FROM to TO. */
static inline void skip(struct deflate_state *d, uint32_t from, uint32_t to)
{
    uint32_t last = d->bytes < 4 ? 0 : d->bytes - 3;

    for (; from < to && from < last; from++)
        insert(d, from);
}

/* A later match must save more than the literal before it costs. */
static inline int is_better(const struct match *a, const struct match *b)
{
    int nearer;

    if (!b->length)
        return 0;
    nearer = __builtin_clz(b->distance) - __builtin_clz(a->distance);
    return 4 * ((int)b->length - (int)a->length) + nearer > 2;
}

/* Returns where the next symbols begin, or 0 if the output is full. */
static uint32_t compress_from(struct deflate_state *d, uint32_t at)
{
    uint32_t last = d->bytes < 4 ? 0 : d->bytes - 3;
    struct match m, next;

    while (at < last && !huffman_is_full(&d->huffman)) {
        m = search(d, at, 0, DEPTH);
        if (!m.length) {
            huffman_literal(&d->huffman, d->data[at++]);
            continue;
        }
        while (m.length < GOOD_LENGTH && at + 1 < last) {
            next = search(d, at + 1, m.length > 3 ? m.length - 1 : 3,
                          LAZY_DEPTH);
            if (!is_better(&m, &next))
                break;
            huffman_literal(&d->huffman, d->data[at++]);
            m = next;
        }
        huffman_match(&d->huffman, m.length, m.distance);
        skip(d, m.length < GOOD_LENGTH ? at + 2 : at + 1, at + m.length);
        at += m.length;
    }
    while (at < d->bytes && at >= last && !huffman_is_full(&d->huffman))
        huffman_literal(&d->huffman, d->data[at++]);
    return at;
}

uint64_t deflate_compress(struct deflate_state *d, const uint8_t *data,
                          uint64_t bytes, uint8_t *out, uint64_t room)
{
    uint32_t at = 0;

    d->data = data;
    d->bytes = (uint32_t)bytes;
    if (bytes == 0 || bytes > 2u << 20)
        return 0;
    memset(d->head, 0, sizeof d->head);
    memset(d->head3, 0, sizeof d->head3);
    huffman_begin(&d->huffman, out, room);
    do {
        at = compress_from(d, at);
        if (!huffman_block(&d->huffman, at == d->bytes))
            return 0;
    } while (at < d->bytes);
    return huffman_end(&d->huffman);
}
