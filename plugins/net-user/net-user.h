/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-mode network: the parts of one instance.
 *
 * libslirp is not thread safe; every call into it is made with the instance's
 * lock held, on the I/O thread, or on the control thread in realize() and
 * unrealize().
 */
#ifndef TENON_NET_USER_H
#define TENON_NET_USER_H

#include <slirp/libslirp.h>

#include "tenon/clock.h"
#include "tenon/loop.h"
#include "tenon/net.h"

/* Domains for the DHCP search list. */
#define MAX_SEARCH 32u

/* A descriptor of libslirp's that is waited for. */
struct polled {
    int32_t fd;
    uint32_t wanted; /* TN_WATCH_* of the last fill */
    uint32_t set;    /* what the watch has */
    uint32_t ready;  /* what it has said since */
    struct tn_watch *watch;
    struct user *user;
};

struct user {
    struct tn_host *host;
    const struct tn_loop *loop;
    const struct tn_clock *clock;
    const struct tn_net_sink *sink; /* NULL: no device */
    void *sink_opaque;
    Slirp *slirp;
    SlirpConfig config;
    const char *search[MAX_SEARCH + 1];
    struct polled **polled; /* poll.c: by descriptor */
    uint32_t n_polled;
    struct tn_task *task;
    struct tn_timer *timer;
    uint8_t frame[TN_NET_MAX_FRAME]; /* one that came in pieces */
};

/* settings.c: the properties, checked, into u->config. */
int32_t user_read_settings(struct user *u, struct tn_error *error);

/* forward.c: listen on the ports of the property `forward`. */
int32_t user_add_forwards(struct user *u, struct tn_error *error);

/* poll.c: libslirp's descriptors on the I/O thread. */
int32_t user_poll_init(struct user *u);
void user_poll_free(struct user *u);
/* Something happened: look soon at what libslirp wants to wait for. */
void user_poll_update(struct user *u);
/* libslirp's callbacks. */
void user_poll_register(int fd, void *opaque);
void user_poll_unregister(int fd, void *opaque);

#endif
