/* SPDX-License-Identifier: Apache-2.0 */
/* qcow version 1 for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "", .reference = ""},
    {.ours = "", .reference = "", .backing = 3u << 20},
    {.ours = "", .reference = "", .backing = 6u << 20},
};

static const struct image_kind qcow = {
    .name = "qcow",
    .plugins = plugins,
    .reference = "qcow",
    .abilities = IMAGE_BACKING | IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
};

IMAGE_KIND_TESTS(qcow)
