/* SPDX-License-Identifier: Apache-2.0 */
/* VHD images that the reference tool does not read: differencing ones, and
 * with blocks of other sizes. */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vpc",
                                      NULL};

/* A differencing image has its parent's size. */
#define NO_RESIZE (IMAGE_GROWS | IMAGE_SHRINKS)

static const struct image_options options[] = {
    {.ours = "block-size=4K,force-size=yes"},
    {.ours = "", .backing = 3u << 20, .without = NO_RESIZE},
    {.ours = "block-size=64K", .backing = 6u << 20, .without = NO_RESIZE},
    {.ours = "block-size=8M,force-size=yes"},
    {.ours = "block-size=8M", .backing = 6u << 20, .without = NO_RESIZE},
};

static const struct image_kind vpc = {
    .name = "vpc",
    .plugins = plugins,
    .abilities = IMAGE_FOOTER | IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS |
                 IMAGE_SHRINKS, /* what it is based on must not change */
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 3,
};

IMAGE_KIND_TESTS(vpc)
