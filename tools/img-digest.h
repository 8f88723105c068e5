/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of content, by libgcrypt (which uses the processor's instructions
 * for them) or, without it, GLib. Several threads may use one algorithm, each
 * with digests of its own.
 */
#ifndef TENON_TOOLS_IMG_DIGEST_H
#define TENON_TOOLS_IMG_DIGEST_H

#include <glib.h>
#include <stdint.h>

#define IMG_DIGEST_HEX 129 /* of the longest, with its end */

struct img_digest;

/* "sha1", "sha256", "sha384" or "sha512"; NULL: no such algorithm. */
struct img_digest *img_digest_new(const char *algorithm);
void img_digest_add(struct img_digest *digest, const void *data, gsize bytes);
/* Its value in hexadecimal; then it is as new. */
void img_digest_end(struct img_digest *digest, char hex[IMG_DIGEST_HEX]);
void img_digest_free(struct img_digest *digest);

#endif
