/* SPDX-License-Identifier: Apache-2.0 */
/* Raw images for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", NULL};

static const struct image_options options[] = {
    {.ours = "", .reference = ""},
    {.reference = "preallocation=full"},
};

static const struct image_kind raw = {
    .name = "raw",
    .plugins = plugins,
    .reference = "raw",
    .abilities = IMAGE_GROWS | IMAGE_SHRINKS | IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
};

IMAGE_KIND_TESTS(raw)
