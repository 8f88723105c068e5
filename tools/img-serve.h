/* SPDX-License-Identifier: Apache-2.0 */
/* Where `tenon-img serve` listens. */
#ifndef TENON_TOOLS_IMG_SERVE_H
#define TENON_TOOLS_IMG_SERVE_H

#include <glib.h>

struct serve_place {
    const char *socket; /* a path; NULL: TCP */
    const char *bind;   /* NULL: localhost; "*": every address */
    const char *port;   /* NULL: NBD's; "0": any */
    GArray *fds;        /* of int: what listens */
    gboolean inherited; /* from who started us */
    guint bound_port;
};

/* 0 or 1 after a message. */
int serve_listen(struct serve_place *place);
/* The URL for clients, g_free() it; NULL: the starter knows better. */
char *serve_url(const struct serve_place *place, const char *export_name,
                gboolean tls);
/* What to type to use it. */
void serve_print_hints(const struct serve_place *place, const char *url,
                       const char *export_name, gboolean tls,
                       gboolean writable);
/* Remove the unix socket. */
void serve_forget(const struct serve_place *place);

#endif
