/* SPDX-License-Identifier: Apache-2.0 */
/* What only VHDX has: images that are based on another one, sectors of 4 KiB,
 * a log that must be replayed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define BYTES ((9u << 20) + 8192)
#define BASE_BYTES (7u << 20)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vhdx",
                                      NULL};
static const struct image_kind vhdx = {
    .name = "vhdx",
    .plugins = plugins,
    .reference = "vhdx",
    .abilities = IMAGE_CHECKS | IMAGE_REFERENCE_CHECKS,
};

static void make(struct image_test *t, const char *options, uint64_t bytes,
                 const char *backing, const char *id)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create,
                               .bytes = bytes,
                               .backing = backing,
                               .backing_format = backing ? "vhdx" : NULL,
                               .backing_bytes = BASE_BYTES,
                               .backing_id = id};
    int32_t rc = image_create_with(t, "vhdx", options, &create, &error);

    if (rc)
        fail_msg("create: %s", tn_error_text(&error, rc));
    t->bytes = bytes;
    t->model = g_realloc(t->model, BYTES);
}

/* A base with content, and an image over it at t->path. */
static void make_pair(struct image_test *t, const char *options)
{
    char id[64];

    make(t, "block-size=1M", BASE_BYTES, NULL, NULL);
    memset(t->model, 0, BYTES);
    image_kind_open(t, &vhdx, TN_IMAGE_WRITABLE);
    image_test_history(t, 200, 4);
    image_test_close(t);
    image_kind_open(t, &vhdx, 0);
    g_strlcpy(id, t->node->info.content_id, sizeof id);
    image_test_close(t);
    g_free(t->path);
    t->path = g_build_filename(t->directory, "over", NULL);
    make(t, options, BYTES, "image", id);
}

static void differencing(const char *options, guint32 seed)
{
    struct image_test t;
    guint64 n = image_environment("TENON_TEST_OPERATIONS", 1500);

    image_kind_init(&t, &vhdx, seed);
    make_pair(&t, options);
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    image_test_compare(&t);
    for (guint64 done = 0; done < n; done += 100) {
        image_test_history(&t, 100, 1u << (done / 100 % 5));
        image_test_close(&t);
        image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
        image_test_compare(&t);
        image_check_clean(&t, FALSE);
    }
    image_test_clear(&t);
}

static void test_differencing(void **state)
{
    (void)state;
    differencing("block-size=1M", 1);
    differencing("block-size=32M", 2);
    differencing("block-size=2M,logical-sector-size=4096", 3);
}

/* The file as a killed process leaves it after a flush: the log has changes
 * that may not be in their places. */
static void open_copy(struct image_test *t, uint32_t flags)
{
    struct block_node *node = t->node;
    char *path = t->path;

    t->path = g_build_filename(t->directory, "killed", NULL);
    image_kind_open(t, &vhdx, flags);
    image_test_compare(t);
    image_check_clean(t, TRUE);
    if (flags)
        image_test_history(t, 1, 1);
    image_test_close(t);
    g_free(t->path);
    t->path = path;
    t->node = node;
}

static void test_killed_differencing(void **state)
{
    g_autofree uint8_t *kept = g_malloc(BYTES);
    struct image_test t;

    (void)state;
    image_kind_init(&t, &vhdx, 7);
    make_pair(&t, "block-size=1M");
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    for (guint i = 0; i < 30; i++) {
        image_test_history(&t, 10, 4);
        assert_int_equal(image_do(&t, TN_DISK_FLUSH, 0, 0, 0, NULL), 0);
        assert_int_equal(image_test_run("cp %s %s/killed", t.path, t.directory),
                         0);
        memcpy(kept, t.model, BYTES);
        open_copy(&t, 0);
        open_copy(&t, TN_IMAGE_WRITABLE);
        memcpy(t.model, kept, BYTES);
    }
    image_test_clear(&t);
}

static void test_changed_parent_is_refused(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;
    uint8_t data[512] = {1};
    char *over;

    (void)state;
    image_kind_init(&t, &vhdx, 4);
    make_pair(&t, "block-size=1M");
    over = t.path;
    t.path = g_build_filename(t.directory, "image", NULL);
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    image_test_close(&t); /* nothing was written: still the same */
    g_free(t.path);
    t.path = over;
    image_kind_open(&t, &vhdx, 0);
    image_test_close(&t);
    t.path = g_build_filename(t.directory, "image", NULL);
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, 512, data), 0);
    image_test_close(&t);
    g_free(t.path);
    t.path = over;
    assert_int_equal(image_test_open(&t, "vhdx", 0, &error), -ESTALE);
    image_test_clear(&t);
}

static void test_sectors_of_4096(void **state)
{
    struct image_test t;

    (void)state;
    image_kind_init(&t, &vhdx, 5);
    make(&t, "block-size=1M,logical-sector-size=4096", BYTES, NULL, NULL);
    memset(t.model, 0, BYTES);
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    assert_int_equal(t.node->info.block_bytes, 4096);
    image_test_history(&t, 500, 4);
    image_test_close(&t);
    image_kind_open(&t, &vhdx, 0);
    image_test_compare(&t);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

/* More changes than the log has room for, without a flush between them. */
static void test_full_log(void **state)
{
    struct image_test t;
    uint64_t step = 512ull << 20; /* a BAT page each */
    uint8_t data[512], back[512];

    (void)state;
    image_kind_init(&t, &vhdx, 6);
    make(&t, "block-size=1M", step * 400, NULL, NULL);
    image_kind_open(&t, &vhdx, TN_IMAGE_WRITABLE);
    for (uint64_t i = 0; i < 400; i++) {
        memset(data, (int)i + 1, sizeof data);
        assert_int_equal(
            image_do(&t, TN_DISK_WRITE, 0, i * step, sizeof data, data), 0);
    }
    image_test_close(&t);
    image_kind_open(&t, &vhdx, 0);
    for (uint64_t i = 0; i < 400; i++) {
        memset(data, (int)i + 1, sizeof data);
        assert_int_equal(
            image_do(&t, TN_DISK_READ, 0, i * step, sizeof back, back), 0);
        assert_memory_equal(data, back, sizeof data);
    }
    image_check_clean(&t, FALSE);
    image_test_close(&t);
    image_reference_check(&t, &vhdx, FALSE);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differencing),
        cmocka_unit_test(test_killed_differencing),
        cmocka_unit_test(test_changed_parent_is_refused),
        cmocka_unit_test(test_sectors_of_4096),
        cmocka_unit_test(test_full_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
