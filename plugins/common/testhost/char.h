/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's character streams. */
#ifndef TENON_TESTHOST_CHAR_H
#define TENON_TESTHOST_CHAR_H

#include <tenon/char.h>

#include "testhost/testhost.h"

#define TEST_CHARS 8u

struct test_char {
    uint8_t written[65536]; /* what the guest sent */
    uint32_t n_written;
    uint32_t room; /* write() takes so much more */
    uint32_t accepted;
    uint32_t open;
    struct tn_host *host;
    const struct tn_char_handlers *handlers;
    void *opaque;
};

/* Streams in the order they are opened. */
struct test_chars {
    struct test_char stream[TEST_CHARS];
    uint32_t n;
};

void testhost_chars(struct testhost *machine, struct test_chars *chars);
/* Bytes for the guest; returns how many it took. */
uint32_t testhost_char_receive(struct test_char *stream, const void *data,
                               uint32_t bytes);
void testhost_char_event(struct test_char *stream, uint32_t event);
void testhost_char_writable(struct test_char *stream, uint32_t room);

#endif
