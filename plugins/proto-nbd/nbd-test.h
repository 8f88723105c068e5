/* SPDX-License-Identifier: Apache-2.0 */
/* What the NBD client's tests share: a server and an image on it. */
#ifndef TENON_PROTO_NBD_TEST_H
#define TENON_PROTO_NBD_TEST_H

#include <sys/un.h>

#include <glib.h>

#include "plugins/proto-nbd/nbd-wire.h"
#include "tests/image/kind.h"

#define MIB (1u << 20)

struct nbd_test {
    struct image_test t;
    GPid pid;
    char *socket;
};

/* Is the program there? Says so if it is not. */
gboolean nbd_test_has(const char *program);
void nbd_test_begin(struct nbd_test *s, uint64_t bytes);
/* The server is killed, if it is there still. */
void nbd_test_end(struct nbd_test *s);
void nbd_test_name(struct nbd_test *s, const char *name);
int nbd_test_socket(const char *path, struct sockaddr_un *address);
/* A server's command, in the test's directory; returns when it answers. */
void nbd_test_start(struct nbd_test *s, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
void nbd_test_stop(struct nbd_test *s);
void nbd_test_open(struct nbd_test *s, const char *format, uint32_t flags);

#endif
