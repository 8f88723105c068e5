/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of sums: a first line "# tenon-img verify ALGORITHM PIECE BYTES", then
 * a line in hexadecimal for each piece of PIECE bytes. Without the first line
 * they are what an image's digest is made of.
 */
#ifndef TENON_TOOLS_IMG_SUMS_H
#define TENON_TOOLS_IMG_SUMS_H

#include <glib.h>
#include <stdio.h>

struct img_sums {
    FILE *from, *to; /* compared with, written to; each may be NULL */
    const char *from_name, *to_name;
    char *new_name; /* until it is complete */
    guint64 line;   /* of FROM */
    guint64 bytes;  /* of the image FROM is about */
    guint64 differs_at, differs_end; /* a stretch not yet reported */
    gboolean differ;
};

/* What the file NAME was made with. 0 or 1, after a message. */
int img_sums_header(const char *name, const char **algorithm, guint64 *piece);
/* Names may be NULL. 0 or 1, after a message; then img_sums_close() is not
 * needed. */
int img_sums_open(struct img_sums *sums, const char *from, const char *to,
                  const char *algorithm, guint64 piece, guint64 bytes);
/* The next piece's. 0 or 1, after a message. */
int img_sums_piece(struct img_sums *sums, guint64 offset, guint64 bytes,
                   const char *sum);
/* COMPLETE: keep what was written. 0 or 1, after a message. */
int img_sums_close(struct img_sums *sums, gboolean complete);
/* Was anything different, the size included? */
gboolean img_sums_differ(const struct img_sums *sums);

#endif
