/* SPDX-License-Identifier: Apache-2.0 */
/* A connected socket, in plain text or with TLS. One thread may read while
 * another writes. */
#ifndef TENON_TOOLS_IMG_STREAM_H
#define TENON_TOOLS_IMG_STREAM_H

#include <glib.h>

struct stream;
struct stream_tls;

struct stream *stream_new(int fd);
void stream_free(struct stream *stream);
/* Say that no more will be written. */
void stream_bye(struct stream *stream);
/* All of it, or FALSE. */
gboolean stream_read(struct stream *stream, void *data, gsize bytes);
gboolean stream_write(struct stream *stream, const void *data, gsize bytes);
/* Make reads and writes fail from now on. */
void stream_shutdown(struct stream *stream);

/* What the server shows: certificates of DIRECTORY (ca-cert.pem,
 * server-cert.pem, server-key.pem), or keys of a PSK file. NULL with ERROR
 * set, g_free() it. */
struct stream_tls *stream_tls_new(const char *directory, const char *psk_file,
                                  gboolean verify_peer, char **error);
void stream_tls_free(struct stream_tls *tls);
/* The server's side of the handshake. */
gboolean stream_start_tls(struct stream *stream, struct stream_tls *tls);

#endif
