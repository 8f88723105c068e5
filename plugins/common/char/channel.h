/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A character back-end's connection that is one descriptor: a socket, a
 * terminal. All calls are made on the I/O thread (or the control thread)
 * under the instance's lock. While nobody is connected output is dropped and
 * counts as taken, so that a guest does not wait for a reader.
 */
#ifndef TENON_COMMON_CHAR_CHANNEL_H
#define TENON_COMMON_CHAR_CHANNEL_H

#include "tenon/char.h"
#include "tenon/loop.h"

struct channel {
    struct tn_host *host;
    const struct tn_loop *loop;
    const struct tn_char_sink *sink; /* NULL: no device */
    void *sink_opaque;
    int32_t fd; /* -1: nobody is connected */
    struct tn_watch *watch;
    uint32_t events;
    /* The other end went away; the channel is closed already. */
    void (*ended)(void *opaque);
    void *opaque;
};

/* ENDED(OPAQUE) may connect the channel again. */
void channel_init(struct channel *c, struct tn_host *host,
                  void (*ended)(void *opaque), void *opaque);
/* Somebody is at FD, which is non-blocking and from now on the channel's.
 * 0 or a negative errno: then FD is still the caller's. */
int32_t channel_connect(struct channel *c, int32_t fd);
/* Close FD without calling ended(). */
void channel_disconnect(struct channel *c);
/* The functions of struct tn_char. */
void channel_attach(struct channel *c, const struct tn_char_sink *sink,
                    void *opaque);
int32_t channel_write(struct channel *c, const uint8_t *data, uint32_t bytes);
void channel_wanted(struct channel *c);

#endif
