/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks with dynamic Huffman codes (RFC 1951, section 3.2.7). A block's
 * symbols are counted as they come; the codes are made of that.
 */
#include "qcow2-deflate.h"

#include <stdlib.h>
#include <string.h>

#define END 256u
#define MOST_BITS 15u
#define MOST_LENGTH_BITS 7u
#define LENGTH_CODES 19u
#define SLACK 32u /* bytes that may be written past a check */

const uint16_t deflate_length_base[29] = {
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59,
    67, 83, 99, 115, 131, 163, 195, 227, 258,
};
const uint8_t deflate_length_extra[29] = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5,
    5, 5, 5, 0,
};
const uint16_t deflate_distance_base[30] = {
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513,
    769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
};
const uint8_t deflate_distance_extra[30] = {
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10,
    11, 11, 12, 12, 13, 13,
};
const uint8_t deflate_length_code[256] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13,
    13, 13, 14, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 16, 16, 16, 16, 16, 17,
    17, 17, 17, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19,
    19, 19, 19, 19, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
    20, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 22, 22,
    22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 23, 23, 23, 23, 23,
    23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 23, 24, 24, 24, 24, 24, 24, 24, 24,
    24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
    24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25,
    25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 25, 26,
    26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26,
    26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 26, 27, 27, 27, 27, 27, 27, 27,
    27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
    27, 27, 27, 27, 27, 28,
};

/* ---- bits ---- */

static inline void put(struct huffman *h, uint64_t value, uint32_t n)
{
    h->bits |= value << h->n_bits;
    h->n_bits += n;
}

/* At most 48 bits between two of these. */
static inline void flush(struct huffman *h)
{
    uint64_t v = h->bits;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(h->at, &v, 8);
    h->at += h->n_bits >> 3;
    h->bits >>= h->n_bits & ~7u;
    h->n_bits &= 7;
}

static inline int has_room(const struct huffman *h)
{
    return h->end - h->at >= (ptrdiff_t)SLACK;
}

/* ---- codes ---- */

struct leaf {
    uint32_t count;
    uint32_t symbol;
};

static int by_count(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol < y->symbol ? -1 : 1;
}

/* Depths of the leaves of Huffman's tree: two queues, leaves in order and inner
 * nodes in the order in which they are made. */
static void tree_depths(const struct leaf *leaves, uint32_t n, uint8_t *depths)
{
    uint32_t weight[LITERALS], parent[2 * LITERALS], depth[LITERALS];
    uint32_t leaf = 0, inner = 0, made = 0;

    while (made < n - 1) {
        uint32_t sum = 0;

        for (int k = 0; k < 2; k++) {
            if (inner >= made ||
                (leaf < n && leaves[leaf].count <= weight[inner])) {
                parent[leaf] = made;
                sum += leaves[leaf++].count;
            } else {
                parent[n + inner] = made;
                sum += weight[inner++];
            }
        }
        weight[made++] = sum;
    }
    depth[made - 1] = 0;
    for (uint32_t i = made - 1; i-- > 0;)
        depth[i] = depth[parent[n + i]] + 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t d = depth[parent[i]] + 1;

        depths[i] = (uint8_t)(d > 255 ? 255 : d);
    }
}

/* No code longer than MOST: those that are give up room in the code space, which
 * shorter ones, the rarest first, make by growing. */
static void limit(uint8_t *depths, uint32_t n, uint32_t most)
{
    uint32_t space = 0, whole = 1u << most;

    for (uint32_t i = 0; i < n; i++) {
        if (depths[i] > most)
            depths[i] = (uint8_t)most;
        space += 1u << (most - depths[i]);
    }
    while (space > whole)
        for (uint32_t i = 0; i < n && space > whole; i++)
            if (depths[i] < most) {
                space -= 1u << (most - depths[i] - 1);
                depths[i]++;
            }
    for (uint32_t i = n; i-- > 0;) /* what is left goes to the frequent */
        while (depths[i] > 1 &&
               space + (1u << (most - depths[i])) <= whole) {
            space += 1u << (most - depths[i]);
            depths[i]--;
        }
}

static uint16_t reversed(uint32_t code, uint32_t n)
{
    uint32_t r = 0;

    for (; n; n--, code >>= 1)
        r = r << 1 | (code & 1);
    return (uint16_t)r;
}

/* Section 3.2.2. */
static void number_codes(const uint8_t *lengths, uint32_t n, uint16_t *codes)
{
    uint32_t count[MOST_BITS + 1] = {0}, next[MOST_BITS + 1], code = 0;

    for (uint32_t i = 0; i < n; i++)
        count[lengths[i]]++;
    count[0] = 0;
    for (uint32_t i = 1; i <= MOST_BITS; i++) {
        code = (code + count[i - 1]) << 1;
        next[i] = code;
    }
    for (uint32_t i = 0; i < n; i++)
        if (lengths[i])
            codes[i] = reversed(next[lengths[i]]++, lengths[i]);
}

static void make_codes(const uint32_t *counts, uint32_t n, uint32_t most,
                       uint8_t *lengths, uint16_t *codes)
{
    struct leaf leaves[LITERALS];
    uint8_t depths[LITERALS];
    uint32_t used = 0;

    memset(lengths, 0, n);
    for (uint32_t i = 0; i < n; i++)
        if (counts[i])
            leaves[used++] = (struct leaf){counts[i], i};
    /* A code of one symbol is not complete, which some readers refuse. */
    for (uint32_t i = 0; used < 2; i++)
        if (!counts[i])
            leaves[used++] = (struct leaf){0, i};
    qsort(leaves, used, sizeof *leaves, by_count);
    tree_depths(leaves, used, depths);
    limit(depths, used, most);
    for (uint32_t i = 0; i < used; i++)
        lengths[leaves[i].symbol] = depths[i];
    number_codes(lengths, n, codes);
}

/* ---- the block's header ---- */

struct runs {
    uint8_t code[LITERALS + DISTANCES];
    uint8_t extra[LITERALS + DISTANCES];
    uint32_t n;
    uint32_t counts[LENGTH_CODES];
};

static void run(struct runs *r, uint8_t code, uint32_t extra)
{
    r->code[r->n] = code;
    r->extra[r->n++] = (uint8_t)extra;
    r->counts[code]++;
}

static void find_runs(struct runs *r, const uint8_t *lengths, uint32_t n)
{
    for (uint32_t i = 0; i < n;) {
        uint32_t k = 1, length = lengths[i];

        while (i + k < n && lengths[i + k] == length)
            k++;
        i += k;
        if (length) {
            run(r, (uint8_t)length, 0);
            k--;
        }
        while (k >= 3) {
            uint32_t most = length ? 6 : 138, part = k < most ? k : most;

            if (length)
                run(r, 16, part - 3);
            else if (part < 11)
                run(r, 17, part - 3);
            else
                run(r, 18, part - 11);
            k -= part;
        }
        for (; k; k--)
            run(r, (uint8_t)length, 0);
    }
}

static uint32_t used(const uint8_t *lengths, uint32_t n, uint32_t least)
{
    while (n > least && !lengths[n - 1])
        n--;
    return n;
}

static int put_header(struct huffman *h)
{
    static const uint8_t order[LENGTH_CODES] = {
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    static const uint8_t extra[LENGTH_CODES] = {[16] = 2, [17] = 3, [18] = 7};
    uint32_t literals = used(h->literal_lengths, LITERALS - 2, 257);
    uint32_t distances = used(h->distance_lengths, DISTANCES, 1), n;
    uint8_t all[LITERALS + DISTANCES], lengths[LENGTH_CODES];
    uint16_t codes[LENGTH_CODES];
    struct runs r = {.n = 0};

    memcpy(all, h->literal_lengths, literals);
    memcpy(all + literals, h->distance_lengths, distances);
    find_runs(&r, all, literals + distances);
    make_codes(r.counts, LENGTH_CODES, MOST_LENGTH_BITS, lengths, codes);
    for (n = LENGTH_CODES; n > 4 && !lengths[order[n - 1]];)
        n--;
    put(h, literals - 257, 5);
    put(h, distances - 1, 5);
    put(h, n - 4, 4);
    flush(h);
    for (uint32_t i = 0; i < n; i++) {
        put(h, lengths[order[i]], 3);
        flush(h);
    }
    for (uint32_t i = 0; i < r.n; i++) {
        if (!has_room(h))
            return 0;
        put(h, codes[r.code[i]], lengths[r.code[i]]);
        put(h, r.extra[i], extra[r.code[i]]);
        flush(h);
    }
    return 1;
}

/* ---- the block ---- */

static int put_symbols(struct huffman *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        uint32_t s = h->symbols[i], length = s >> 16, d = s & 0xffff, c;

        if (!has_room(h))
            return 0;
        if (!length) {
            put(h, h->literal_codes[s], h->literal_lengths[s]);
            flush(h);
            continue;
        }
        c = deflate_length_code[length - 3];
        put(h, h->literal_codes[257 + c], h->literal_lengths[257 + c]);
        put(h, length - deflate_length_base[c], deflate_length_extra[c]);
        c = distance_code(d);
        put(h, h->distance_codes[c], h->distance_lengths[c]);
        put(h, d - deflate_distance_base[c], deflate_distance_extra[c]);
        flush(h);
    }
    put(h, h->literal_codes[END], h->literal_lengths[END]);
    flush(h);
    return 1;
}

static void forget_symbols(struct huffman *h)
{
    h->n = 0;
    memset(h->literal_counts, 0, sizeof h->literal_counts);
    memset(h->distance_counts, 0, sizeof h->distance_counts);
    h->literal_counts[END] = 1;
}

void huffman_begin(struct huffman *h, uint8_t *out, uint64_t room)
{
    h->out = h->at = out;
    h->end = out + room;
    h->bits = 0;
    h->n_bits = 0;
    forget_symbols(h);
}

int huffman_block(struct huffman *h, int last)
{
    make_codes(h->literal_counts, LITERALS - 2, MOST_BITS, h->literal_lengths,
               h->literal_codes);
    make_codes(h->distance_counts, DISTANCES, MOST_BITS, h->distance_lengths,
               h->distance_codes);
    if (h->end - h->at < 128) /* what a header may take before it looks */
        return 0;
    put(h, last ? 1 : 0, 1);
    put(h, 2, 2);
    if (!put_header(h) || !put_symbols(h))
        return 0;
    forget_symbols(h);
    return 1;
}

uint64_t huffman_end(struct huffman *h)
{
    if (h->n_bits) {
        h->n_bits = 8;
        flush(h);
    }
    return (uint64_t)(h->at - h->out);
}
