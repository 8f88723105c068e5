/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cannot be compressed: bytes that are all as frequent as the others, and
 * hardly any four of which come again near by. A sample says so, at a small
 * part of what an attempt would cost.
 */
#include "qcow2.h"

#include <string.h>

#define LEAST 16384u /* bytes; of less too little is known */
#define HASH_BITS 12
#define STEP 16u /* bytes; four of them are looked at */

int qcow2_is_noise(const uint8_t *data, uint64_t bytes)
{
    uint32_t counts[2][256] = {{0}}, seen[1u << HASH_BITS];
    uint32_t repeats = 0, n = 0;
    uint64_t squares = 0;

    if (bytes < LEAST || bytes > 2u << 20)
        return 0;
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i + 8 <= bytes; i += STEP, n += 4) {
        uint32_t v, h;

        memcpy(&v, data + i, 4);
        h = v * 0x9e3779b1u >> (32 - HASH_BITS);
        counts[0][v & 255]++;
        counts[1][v >> 8 & 255]++;
        counts[0][v >> 16 & 255]++;
        counts[1][v >> 24]++;
        repeats += seen[h] == v;
        seen[h] = v;
    }
    for (uint32_t i = 0; i < 256; i++) {
        uint64_t count = counts[0][i] + counts[1][i];

        squares += count * count;
    }
    /* Chance makes n * n / 256 + n of them. */
    return repeats < n / 256 &&
           squares <
               (uint64_t)n * n / 256 + 2ull * n + (uint64_t)n * n / 16384;
}
