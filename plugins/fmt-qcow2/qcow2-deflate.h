/* SPDX-License-Identifier: Apache-2.0 */
/* Deflate's second half: symbols become blocks of Huffman codes. */
#ifndef TENON_QCOW2_DEFLATE_H
#define TENON_QCOW2_DEFLATE_H

#include "qcow2.h"

#define MAX_MATCH 258u
#define SYMBOLS 20000u /* of a block */
#define LITERALS 288u
#define DISTANCES 30u

struct huffman {
    uint8_t *out, *at, *end;
    uint64_t bits; /* not yet written, lowest first */
    uint32_t n_bits;
    uint32_t n;
    uint32_t symbols[SYMBOLS + 2]; /* literal, or length << 16 | distance */
    uint32_t literal_counts[LITERALS];
    uint32_t distance_counts[DISTANCES];
    uint8_t literal_lengths[LITERALS], distance_lengths[DISTANCES];
    uint16_t literal_codes[LITERALS], distance_codes[DISTANCES];
};

/* RFC 1951, 3.2.5. */
extern const uint16_t deflate_length_base[29];
extern const uint8_t deflate_length_extra[29];
extern const uint16_t deflate_distance_base[30];
extern const uint8_t deflate_distance_extra[30];
extern const uint8_t deflate_length_code[256]; /* of length - 3 */

static inline uint32_t distance_code(uint32_t distance)
{
    uint32_t n = distance - 1, top;

    if (n < 4)
        return n;
    top = 31 - (uint32_t)__builtin_clz(n);
    return 2 * top + (n >> (top - 1) & 1);
}

static inline int huffman_is_full(const struct huffman *h)
{
    return h->n >= SYMBOLS;
}

static inline void huffman_literal(struct huffman *h, uint8_t byte)
{
    h->symbols[h->n++] = byte;
    h->literal_counts[byte]++;
}

static inline void huffman_match(struct huffman *h, uint32_t length,
                                 uint32_t distance)
{
    h->symbols[h->n++] = length << 16 | distance;
    h->literal_counts[257 + deflate_length_code[length - 3]]++;
    h->distance_counts[distance_code(distance)]++;
}

void huffman_begin(struct huffman *h, uint8_t *out, uint64_t room);
/* Write the symbols so far as a block. 0: no room. */
int huffman_block(struct huffman *h, int last);
/* How many bytes in all; 0: no room. */
uint64_t huffman_end(struct huffman *h);

#endif
