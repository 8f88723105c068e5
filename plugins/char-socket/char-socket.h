/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of one socket back-end. */
#ifndef TENON_CHAR_SOCKET_H
#define TENON_CHAR_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "char/channel.h"
#include "tenon/clock.h"

struct socket_char {
    struct tn_host *host;
    const struct tn_clock *clock;
    struct channel channel;
    const char *path; /* NULL: TCP */
    const char *text; /* the address as it was given */
    uint32_t server, wait;
    uint64_t reconnect; /* ns, 0: never */
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    } address;
    socklen_t address_bytes;
    int32_t listener, connecting; /* -1: not open */
    struct tn_watch *watch;       /* of either */
    struct tn_timer *timer;       /* a client's next attempt */
};

/* address.c, all [control]: read the properties. */
int32_t socket_configure(void *self, struct tn_error *error);
/* From the text to s->address. May ask a name server. */
int32_t socket_resolve(struct socket_char *s, struct tn_error *error);
/* Open s->listener. */
int32_t socket_listen(struct socket_char *s, struct tn_error *error);
/* A connected descriptor, or a negative errno. */
int32_t socket_connect(struct socket_char *s, struct tn_error *error);

#endif
