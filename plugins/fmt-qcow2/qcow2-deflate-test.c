/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deflate against zlib: what it makes is expanded, a few bytes at a time, by a
 * reader that keeps 4096 bytes, so that a reference farther back is an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "qcow2-deflate.h"

#define MOST (2u << 20)

static uint64_t state = 88172645463325252ull;

static uint32_t next(void) /* xorshift64 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static void expand_and_compare(const uint8_t *stored, uint64_t n,
                               const uint8_t *data, uint64_t bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)stored, .avail_in = (uInt)n};
    uint8_t piece[700];
    int status = Z_OK;

    assert_int_equal(inflateInit2(&z, -12), Z_OK);
    while (status == Z_OK) {
        uint64_t at = z.total_out;

        z.next_out = piece;
        z.avail_out = sizeof piece;
        status = inflate(&z, Z_SYNC_FLUSH);
        assert_true(z.total_out <= bytes);
        assert_memory_equal(piece, data + at, z.total_out - at);
    }
    assert_int_equal(status, Z_STREAM_END);
    assert_int_equal(z.total_out, bytes);
    assert_int_equal(z.total_in, n);
    inflateEnd(&z);
}

/* Kinds of content: each exercises another part of the codes. */
static void fill(uint8_t *data, uint64_t bytes, uint32_t kind)
{
    uint32_t values = 1 + next() % 255, period = 1 + next() % 6000;

    for (uint64_t i = 0; i < bytes; i++)
        switch (kind % 8) {
        case 0:
            data[i] = 0;
            break;
        case 1:
            data[i] = (uint8_t)next();
            break;
        case 2: /* few values, no order */
            data[i] = (uint8_t)(next() % values);
            break;
        case 3: /* comes again, near or too far away */
            data[i] = i < period ? (uint8_t)next() : data[i - period];
            break;
        case 4: /* words */
            data[i] = (uint8_t)"the quick brown fox jumps "[next() % 3 ? i % 26
                                                             : next() % 26];
            break;
        case 5: /* very uneven: the longest codes */
            data[i] = (uint8_t)__builtin_ctz(next() | 1u << 30);
            break;
        case 6:
            data[i] = i / 3000 % 2 ? (uint8_t)next() : (uint8_t)(i / 64);
            break;
        default:
            data[i] = next() % 400 ? 'x' : (uint8_t)next();
        }
}

struct encoder {
    uint64_t (*compress)(void *state, const uint8_t *data, uint64_t bytes,
                         uint8_t *out, uint64_t room);
    void *state;
};

static uint64_t own(void *state_, const uint8_t *data, uint64_t bytes,
                    uint8_t *out, uint64_t room)
{
    return deflate_compress(state_, data, bytes, out, room);
}

static uint64_t library(void *state_, const uint8_t *data, uint64_t bytes,
                        uint8_t *out, uint64_t room)
{
    return igzip_compress(state_, data, bytes, out, room);
}

static void round_trips(const struct encoder *e)
{
    uint8_t *data = malloc(MOST), *out = malloc(MOST + 4096);

    assert_non_null(e->state);
    for (uint32_t i = 0; i < 600; i++) {
        uint64_t bytes = i < 200 ? i + 1 : i % 50 == 0 ? MOST
                                                       : 1 + next() % 70000;
        uint64_t n;

        fill(data, bytes, i);
        n = e->compress(e->state, data, bytes, out, bytes + bytes / 8 + 2048);
        assert_true(n > 0);
        expand_and_compare(out, n, data, bytes);
    }
    free(data);
    free(out);
}

/* Nothing is written past the room that there is. */
static void narrow_rooms(const struct encoder *e)
{
    uint8_t *data = malloc(65536);

    fill(data, 65536, 4);
    for (uint64_t room = 0; room < 30000; room += 37) {
        uint8_t *out = malloc(room + 1);
        uint64_t n = e->compress(e->state, data, 65536, out, room);

        assert_true(n <= room);
        if (n)
            expand_and_compare(out, n, data, 65536);
        free(out);
    }
    free(data);
}

static void test_round_trips(void **unused)
{
    struct encoder e = {own, deflate_state_new()};

    (void)unused;
    round_trips(&e);
    deflate_state_free(e.state);
}

static void test_room(void **unused)
{
    struct encoder e = {own, deflate_state_new()};

    (void)unused;
    narrow_rooms(&e);
    deflate_state_free(e.state);
}

static struct igzip_state *library_state(void)
{
    struct igzip_state *s = igzip_state_new();

    if (!s) {
        print_message("built without ISA-L\n");
        skip();
    }
    return s;
}

static void test_library_round_trips(void **unused)
{
    struct encoder e = {library, library_state()};

    (void)unused;
    round_trips(&e);
    igzip_state_free(e.state);
}

static void test_library_room(void **unused)
{
    struct encoder e = {library, library_state()};

    (void)unused;
    narrow_rooms(&e);
    igzip_state_free(e.state);
}

/* Noise is recognised, and nothing that can be compressed is taken for it. */
static void test_noise(void **unused)
{
    uint8_t *data = malloc(65536), *out = malloc(80000);
    struct deflate_state *d = deflate_state_new();

    (void)unused;
    for (uint32_t i = 0; i < 400; i++) {
        fill(data, 65536, i);
        if (i % 8 == 1)
            assert_true(qcow2_is_noise(data, 65536));
        else if (qcow2_is_noise(data, 65536))
            assert_true(deflate_compress(d, data, 65536, out, 80000) > 64500);
    }
    fill(data, 65536, 1);
    assert_false(qcow2_is_noise(data, 4096)); /* too little to know */
    deflate_state_free(d);
    free(data);
    free(out);
}

/* As small as zlib makes it, within two per cent. */
static void test_size(void **unused)
{
    struct deflate_state *d = deflate_state_new();
    uint8_t *data = malloc(65536), *out = malloc(70000);
    z_stream z = {0};
    uint64_t ours = 0, theirs = 0;

    (void)unused;
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -12, 9, 0), Z_OK);
    for (uint32_t i = 0; i < 64; i++) {
        fill(data, 65536, i % 2 ? 4 : 3);
        ours += deflate_compress(d, data, 65536, out, 70000);
        z.next_in = data;
        z.avail_in = 65536;
        z.next_out = out;
        z.avail_out = 70000;
        deflateReset(&z);
        deflate(&z, Z_FINISH);
        theirs += z.total_out;
    }
    assert_true(ours <= theirs + theirs / 50);
    deflateEnd(&z);
    deflate_state_free(d);
    free(data);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_library_round_trips),
        cmocka_unit_test(test_library_room),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
