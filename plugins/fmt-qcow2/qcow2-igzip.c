/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw deflate by ISA-L, which can be told how far back to refer: for speed
 * above all, at a few per cent more than qcow2-deflate.c makes of text. On a
 * worker thread.
 */
#include "qcow2.h"

#ifdef HAVE_ISAL
#include <stdlib.h>

#include <isa-l/igzip_lib.h>

#define LEVEL 3

struct igzip_state {
    struct isal_zstream stream;
    uint8_t level[ISAL_DEF_LVL3_LARGE];
};

struct igzip_state *igzip_state_new(void)
{
    return malloc(sizeof(struct igzip_state));
}

void igzip_state_free(struct igzip_state *s)
{
    free(s);
}

uint64_t igzip_compress(struct igzip_state *s, const uint8_t *data,
                        uint64_t bytes, uint8_t *out, uint64_t room)
{
    struct isal_zstream *z = &s->stream;

    if (bytes > UINT32_MAX || room > UINT32_MAX)
        return 0;
    isal_deflate_init(z);
    z->hist_bits = WINDOW_BITS;
    z->level = LEVEL;
    z->level_buf = s->level;
    z->level_buf_size = sizeof s->level;
    z->end_of_stream = 1;
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uint32_t)bytes;
    z->next_out = out;
    z->avail_out = (uint32_t)room;
    if (isal_deflate(z) != COMP_OK ||
        z->internal_state.state != ZSTATE_END)
        return 0;
    return z->total_out;
}
#else
struct igzip_state *igzip_state_new(void)
{
    return NULL;
}

void igzip_state_free(struct igzip_state *s)
{
    (void)s;
}

uint64_t igzip_compress(struct igzip_state *s, const uint8_t *data,
                        uint64_t bytes, uint8_t *out, uint64_t room)
{
    (void)s;
    (void)data;
    (void)bytes;
    (void)out;
    (void)room;
    return 0;
}
#endif
