/* SPDX-License-Identifier: Apache-2.0 */
/* QED for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qed", NULL};

/*
 * The reference opens no image with table_size=1, not even its own. A write of
 * part of a zero cluster fills the rest from the backing file there (7.2, to
 * 11.1): it does not write to images with one.
 */
static const struct image_options options[] = {
    {.ours = "cluster-size=4K,table-size=2",
     .reference = "cluster_size=4k,table_size=2"},
    {.ours = "", .reference = ""},
    {.ours = "cluster-size=256K,table-size=2",
     .reference = "cluster_size=256k,table_size=2"},
    {.ours = "cluster-size=8K,table-size=2",
     .reference = "cluster_size=8k,table_size=2",
     .without = IMAGE_REFERENCE_WRITES,
     .backing = 3u << 20},
    {.ours = "",
     .reference = "",
     .without = IMAGE_REFERENCE_WRITES,
     .backing = 6u << 20},
};

static const struct image_kind qed = {
    .name = "qed",
    .plugins = plugins,
    .reference = "qed",
    .abilities = IMAGE_CHECKS | IMAGE_GROWS | IMAGE_BACKING |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
};

IMAGE_KIND_TESTS(qed)
