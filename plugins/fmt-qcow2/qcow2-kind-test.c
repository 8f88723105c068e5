/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2 for the tests that all formats share (tests/image/kind.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

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
     .reference = "refcount_bits=4,cluster_size=8k",
     .with = IMAGE_FULL_COUNTS},
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
     .without = IMAGE_SNAPSHOTS | IMAGE_BACKING},
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

static void add_bitmap(struct image_test *t, const char *name)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);

    b->size = sizeof *b;
    b->granularity = 512;
    b->flags = TN_BITMAP_ENABLED;
    g_strlcpy(b->name, name, sizeof b->name);
    assert_int_equal(
        f->bitmap(t->node->host.self, TN_BITMAP_ADD, b, &error), 0);
    image_calls_end(t);
}

/* Compressed clusters and bitmaps. */
static gboolean seed(struct image_test *t, guint index)
{
    static const char *const ours[] = {
        "cluster-size=4K", "cluster-size=16K,compression-type=zstd",
        "cluster-size=512", "extended-l2=on,cluster-size=16K"};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create, .bytes = 512u << 10};
    g_autofree uint8_t *data = g_malloc(512u << 10);

    if (index == G_N_ELEMENTS(ours))
        return FALSE;
    assert_int_equal(
        image_create_with(t, "qcow2", ours[index], &create, &error), 0);
    assert_int_equal(
        image_test_open(t, "qcow2", TN_IMAGE_WRITABLE, &error), 0);
    for (guint i = 0; i < 512u << 10; i++)
        data[i] = (uint8_t)(i / 5 + i / 1000 * 3);
    for (guint i = 0; i < 8; i++)
        assert_int_equal(
            image_do(t, TN_DISK_WRITE, BLOCK_OP_COMPRESS,
                     i * 3 * t->node->info.cluster_bytes,
                     t->node->info.cluster_bytes, data),
            0);
    add_bitmap(t, "one");
    add_bitmap(t, "another");
    assert_int_equal(image_do(t, TN_DISK_WRITE, 0, 100 << 10, 3000 / 512 * 512,
                              data),
                     0);
    image_test_close(t);
    return TRUE;
}

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
    .seed = seed,
};

IMAGE_KIND_TESTS(qcow2)
