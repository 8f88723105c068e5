/* SPDX-License-Identifier: Apache-2.0 */
/* VMDK for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vmdk",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "", .reference = ""},
    {.ours = "zeroed-grain=yes", .reference = "zeroed_grain=on"},
    {.ours = "subformat=monolithicFlat",
     .reference = "subformat=monolithicFlat",
     .without = IMAGE_BACKING},
    {.ours = "subformat=twoGbMaxExtentSparse,adapter-type=lsilogic"},
    /* Its descriptor has no room for a longer name. */
    {.reference = "subformat=twoGbMaxExtentSparse,adapter_type=lsilogic",
     .without = IMAGE_BACKING},
    {.ours = "subformat=twoGbMaxExtentFlat,preallocation=full",
     .reference = "subformat=twoGbMaxExtentFlat",
     .without = IMAGE_BACKING},
    {.ours = "compat6=yes", .reference = "hwversion=7"},
    /* Each MiB more is another table: the directories move. */
    {.ours = "cluster-size=2K"},
};

static const struct image_kind vmdk = {
    .name = "vmdk",
    .plugins = plugins,
    .reference = "vmdk",
    .abilities = IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_BACKING |
                 IMAGE_REFERENCE_CHECKS | IMAGE_REFERENCE_WRITES,
    .base = "vmdk",
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 2,
};

IMAGE_KIND_TESTS(vmdk)
