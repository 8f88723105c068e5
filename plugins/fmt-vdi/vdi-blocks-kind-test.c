/* SPDX-License-Identifier: Apache-2.0 */
/* VDI with blocks that the reference tool does not know. */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vdi",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "block-size=4K"},
    {.ours = "block-size=64K"},
    {.ours = "block-size=16K,preallocation=falloc"},
    {.ours = "block-size=4M"},
};

static const struct image_kind vdi = {
    .name = "vdi",
    .plugins = plugins,
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 3,
};

IMAGE_KIND_TESTS(vdi)
