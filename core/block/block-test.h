/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of formats share: images on a context of their own, a plain model
 * of what they should contain, and the reference tool.
 */
#ifndef TENON_CORE_BLOCK_TEST_H
#define TENON_CORE_BLOCK_TEST_H

#include "core/block/node.h"

struct image_test {
    struct tn_registry *registry;
    struct block_context *context;
    struct block_node *node;
    char *directory;
    char *path;
    uint8_t *model;
    uint64_t bytes;
    GRand *random;
    const char *opens; /* options of the format to open with; NULL none */
};

/* Registers the built plugins NAMES (NULL-terminated). */
void image_test_init(struct image_test *t, const char *const *names,
                     enum block_io io, guint32 seed);
void image_test_clear(struct image_test *t);
/* Opens t->path; FORMAT NULL probes. 0 or an errno. */
int32_t image_test_open(struct image_test *t, const char *format,
                        uint32_t flags, struct tn_error *error);
int32_t image_test_create(struct image_test *t, const char *format,
                          uint64_t bytes);
void image_test_close(struct image_test *t);
/* COUNT random operations, up to DEPTH at once, on the image and the model. */
void image_test_history(struct image_test *t, guint count, guint depth);
/* Is all of the image as the model has it? */
void image_test_compare(struct image_test *t);
/* Runs a command; its exit status. -1: the program is not installed. */
int image_test_run(const char *format, ...) G_GNUC_PRINTF(1, 2);
gboolean image_test_has_reference(void);

#endif
