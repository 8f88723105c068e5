/* SPDX-License-Identifier: Apache-2.0 */
/* VHD for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vpc",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "force-size=yes", .reference = "force_size=on"},
    {.ours = "force-size=yes,block-size=512K"},
    {.ours = "force-size=yes,subformat=fixed",
     .reference = "force_size=on,subformat=fixed"},
    {.ours = "force-size=yes,subformat=fixed,preallocation=full"},
};

static const struct image_kind vpc = {
    .name = "vpc",
    .plugins = plugins,
    .reference = "vpc",
    .abilities = IMAGE_FOOTER | IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS |
                 IMAGE_SHRINKS |
                 IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 2,
};

IMAGE_KIND_TESTS(vpc)
