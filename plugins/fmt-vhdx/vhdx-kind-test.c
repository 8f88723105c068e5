/* SPDX-License-Identifier: Apache-2.0 */
/* VHDX for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vhdx",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "block-size=1M", .reference = "block_size=1M"},
    {.ours = "", .reference = ""},
    {.ours = "subformat=fixed,block-size=1M",
     .reference = "subformat=fixed,block_size=1M"},
    {.ours = "block-state-zero=no,block-size=2M,log-size=3M",
     .reference = "block_state_zero=off,block_size=2M,log_size=3M"},
};

static const struct image_kind vhdx = {
    .name = "vhdx",
    .plugins = plugins,
    .reference = "vhdx",
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES |
                 IMAGE_REPLAYS,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 1,
};

IMAGE_KIND_TESTS(vhdx)
