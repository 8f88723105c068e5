/* SPDX-License-Identifier: Apache-2.0 */
/* Parallels images for the tests that all formats share
 * (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-parallels",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "cluster-size=64K", .reference = "cluster_size=64k"},
    {.ours = "", .reference = ""},
    {.ours = "cluster-size=4K", .reference = "cluster_size=4k"},
};

static const struct image_kind parallels = {
    .name = "parallels",
    .plugins = plugins,
    .reference = "parallels",
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
};

IMAGE_KIND_TESTS(parallels)
