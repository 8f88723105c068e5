/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2 for the tests that all formats share (tests/image/kind.h). */
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

static const struct image_options options[] = {
    {.ours = "cluster-size=4K", .reference = "cluster_size=4k"},
    {.ours = "cluster-size=512", .reference = "cluster_size=512"},
    {.ours = "extended-l2=on,cluster-size=16K",
     .reference = "extended_l2=on,cluster_size=16k"},
    {.ours = "compat=0.10",
     .reference = "compat=0.10",
     .without = IMAGE_GROWS | IMAGE_SHRINKS}, /* with snapshots */
    {.ours = "", .reference = "compat=1.1"},
    {.ours = "cluster-size=2M", .reference = "cluster_size=2M"},
    {.ours = "refcount-bits=1",
     .reference = "refcount_bits=1",
     .without = IMAGE_SNAPSHOTS},
    {.ours = "refcount-bits=4,cluster-size=8K",
     .reference = "refcount_bits=4,cluster_size=8k"},
    {.ours = "refcount-bits=64,cluster-size=1K",
     .reference = "refcount_bits=64,cluster_size=1k"},
    {.ours = "lazy-refcounts=on,cluster-size=4K",
     .reference = "lazy_refcounts=on,cluster_size=4k",
     .with = IMAGE_REPLAYS},
    {.ours = "extended-l2=on", .reference = "extended_l2=on"},
    {.ours = "data-file=data.bin,cluster-size=16K",
     .reference = "data_file=data.bin,cluster_size=16k",
     .without = IMAGE_SNAPSHOTS},
    {.ours = "data-file=data.bin,data-file-raw=on",
     .reference = "data_file=data.bin,data_file_raw=on",
     .without = IMAGE_SNAPSHOTS},
    {.ours = "data-file=data.bin,extended-l2=on",
     .reference = "data_file=data.bin,extended_l2=on",
     .without = IMAGE_SNAPSHOTS},
    {.ours = "preallocation=metadata", .reference = "preallocation=metadata"},
    {.ours = "preallocation=full,cluster-size=8K",
     .reference = "preallocation=full,cluster_size=8k"},
    {.ours = "preallocation=falloc,extended-l2=on",
     .reference = "preallocation=falloc,extended_l2=on"},
    {.ours = "compression-type=zstd", .reference = "compression_type=zstd"},
    {.ours = "cluster-size=16K",
     .reference = "cluster_size=16k",
     .backing = 3u << 20},
    {.ours = "compat=0.10",
     .reference = "compat=0.10",
     .without = IMAGE_GROWS | IMAGE_SHRINKS,
     .backing = 6u << 20},
    {.ours = "extended-l2=on",
     .reference = "extended_l2=on",
     .backing = 2u << 20},
};

static const struct image_kind qcow2 = {
    .name = "qcow2",
    .plugins = plugins,
    .reference = "qcow2",
    .abilities =
        IMAGE_CHECKS | IMAGE_REPAIRS | IMAGE_GROWS | IMAGE_SHRINKS |
        IMAGE_SNAPSHOTS | IMAGE_BACKING | IMAGE_REFERENCE_CHECKS |
        IMAGE_REFERENCE_WRITES,
    .options = options,
    .n_options = G_N_ELEMENTS(options),
    .fuzz_options = 4,
};

IMAGE_KIND_TESTS(qcow2)
