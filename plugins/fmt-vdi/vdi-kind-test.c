/* SPDX-License-Identifier: Apache-2.0 */
/* VDI for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vdi",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "", .reference = ""},
    {.ours = "static=yes", .reference = "static=on"},
    {.ours = "preallocation=full"},
};

static const struct image_kind vdi = {
    .name = "vdi",
    .plugins = plugins,
    .reference = "vdi",
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES |
                 IMAGE_CRASH_UNCHECKED,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
};

IMAGE_KIND_TESTS(vdi)
