/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage to an image: numbers that formats trip over, bits, bytes, pieces from
 * elsewhere, zeroes, a shorter file.
 */
#include <string.h>

#include "tests/image/fuzz.h"

static uint64_t below64(struct fuzz *f, uint64_t n)
{
    uint64_t high = g_rand_int(f->random);

    return n > G_MAXUINT32 ? (high << 32 | g_rand_int(f->random)) % n
                           : high % n;
}

static gsize a_place(struct fuzz *f, const struct memory_file *b)
{
    gsize at = below64(f, b->length);

    switch (below(f, 4)) {
    case 0:
        return at % 512;
    case 1: /* at the front */
        return at % 16384 % b->length;
    case 2: /* the end: some formats have their header there */
        return b->length - 1 - at % 1024 % b->length;
    default: /* where something is */
        for (guint i = 0; i < 64 && !b->data[at]; i++)
            at = below64(f, MAX(b->high, 1));
        return at;
    }
}

static void a_number(struct fuzz *f, struct memory_file *b)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       0x7f,
                                       0xff,
                                       0x200,
                                       0x1000,
                                       0x10000,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x100000000,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xfffffffffffffe00,
                                       0xffffffffffffffff};
    uint64_t v = numbers[below(f, G_N_ELEMENTS(numbers))];
    guint bytes = 1u << below(f, 4);
    gsize at = a_place(f, b) / bytes * bytes;

    v += below(f, 3) == 0 ? below(f, 5) - 2u : 0;
    if (below(f, 4) == 0)
        v = below64(f, b->length + 4096);
    if (below(f, 4) == 0)
        v |= 0x8000000000000000ull;
    if (below(f, 2)) /* big endian */
        v = GUINT64_SWAP_LE_BE(v) >> (64 - 8 * bytes);
    if (at + bytes <= b->length)
        mem_write(b, at, (uint8_t *)&v, bytes);
}

void fuzz_damage(struct fuzz *f, struct memory_file *b)
{
    gsize at = a_place(f, b), from, n;
    uint8_t byte, some[8u << 8];

    switch (below(f, 12)) {
    case 0:
    case 1:
        byte = (uint8_t)below(f, 256);
        mem_write(b, at, &byte, 1);
        break;
    case 2:
    case 3:
        byte = b->data[at] ^ (uint8_t)(1u << below(f, 8));
        mem_write(b, at, &byte, 1);
        break;
    case 4: /* something from elsewhere */
        n = 8u << below(f, 8);
        n = MIN(n, b->length - at);
        from = below64(f, b->length - n + 1) / 8 * 8;
        at = at / 8 * 8;
        n = MIN(n, b->length - MAX(at, from));
        memcpy(some, b->data + from, n);
        mem_write(b, at, some, n);
        break;
    case 5:
        n = 1u << below(f, 13);
        n = MIN(n, b->length - at);
        byte = below(f, 4) ? 0 : 0xff;
        mem_touch(b, at, n);
        memset(b->data + at, byte, n);
        break;
    case 6:
        if (below(f, 6) == 0 && b->length > 1)
            mem_resize(b, 1 + below64(f, b->length - 1));
        break;
    default:
        a_number(f, b);
    }
}
