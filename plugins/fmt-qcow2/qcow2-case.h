/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What qcow2's tests of single things share: an image, its model, and a look
 * at both with either tool.
 */
#ifndef TENON_FMT_QCOW2_CASE_H
#define TENON_FMT_QCOW2_CASE_H

#include "tests/image/kind.h"

#define CASE_BYTES (3u << 20)

extern const struct image_kind case_kind;

/* No image yet; the model is zeroes. */
void case_begin(struct image_test *t, guint32 seed);
/* An image with OPTIONS "a=b,c=d"; it is not open. */
void case_make(struct image_test *t, const char *options);
/* Skips the test if the reference tool is not installed. */
void case_need_reference(void);
/* Both find nothing wrong, and the content is what it should be. Closes it. */
void case_verify(struct image_test *t);
/* Into the open image and the model. */
void case_write(struct image_test *t, uint64_t offset, uint64_t bytes);

#endif
