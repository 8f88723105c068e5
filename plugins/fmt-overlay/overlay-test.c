/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes over an image that is not changed: against a plain model, with the
 * space that is given back, and several at once over one image.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/block-test.h"
#include "core/block/overlay.h"

#define BYTES ((4u << 20) + 512)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-overlay",
                                      NULL};

struct test {
    struct image_test t;
    struct block_overlay overlay;
};

static int32_t open_over(struct test *test, struct tn_error *error)
{
    struct image_test *t = &test->t;
    struct node_options options = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .format = tn_registry_find(t->registry, TN_KIND_FORMAT, "raw"),
        .flags = TN_IMAGE_WRITABLE,
        .discard = TRUE,
    };

    return block_overlay_open(&test->overlay, &options, &t->node, error);
}

/* A raw image of bytes that are not zero, and an overlay over it. */
static void setup(struct test *test, enum block_io io)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test *t = &test->t;

    memset(test, 0, sizeof *test);
    image_test_init(t, plugins, io, 11);
    t->bytes = BYTES;
    t->model = g_malloc(BYTES);
    for (uint64_t i = 0; i < BYTES; i++)
        t->model[i] = (uint8_t)(i / 4096 + i * 7 + 1);
    assert_true(g_file_set_contents(t->path, (char *)t->model, BYTES, NULL));
    g_setenv("TMPDIR", t->directory, TRUE);
    assert_int_equal(open_over(test, &error), 0);
}

static void teardown(struct test *test)
{
    image_test_close(&test->t);
    block_overlay_clear(&test->overlay);
    image_test_clear(&test->t);
}

static uint8_t *contents(const struct test *test)
{
    char *data;
    gsize bytes;

    assert_true(g_file_get_contents(test->t.path, &data, &bytes, NULL));
    assert_int_equal(bytes, BYTES);
    return (uint8_t *)data;
}

static void run(struct test *test, uint32_t what, uint32_t flags,
                uint64_t offset, uint64_t bytes, void *data)
{
    struct iovec iov = {data, bytes};
    struct block_op op = {.node = test->t.node,
                          .op = what,
                          .flags = flags,
                          .offset = offset,
                          .bytes = bytes,
                          .iov = &iov,
                          .n_iov = data ? 1 : 0};

    assert_int_equal(block_op_wait(&op), 0);
    if (what == TN_DISK_WRITE)
        memcpy(test->t.model + offset, data, bytes);
    else if (what != TN_DISK_FLUSH)
        memset(test->t.model + offset, 0, bytes);
}

static uint64_t file_length(const struct test *test)
{
    return node_file(test->t.node, 0)->length;
}

static void history(enum block_io io)
{
    g_autofree uint8_t *before = NULL;
    g_autofree uint8_t *after = NULL;
    struct test test;

    setup(&test, io);
    before = contents(&test);
    image_test_compare(&test.t);
    image_test_history(&test.t, 5000, 16);
    image_test_compare(&test.t);
    after = contents(&test);
    assert_memory_equal(before, after, BYTES);
    teardown(&test);
}

static void test_history(void **state)
{
    (void)state;
    history(BLOCK_IO_BEST);
}

static void test_history_with_threads(void **state)
{
    (void)state;
    history(BLOCK_IO_THREADS);
}

/* The writes of one are not seen by the next. */
static void test_is_forgotten(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree uint8_t *image = NULL;
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    image = contents(&test);
    image_test_history(&test.t, 500, 8);
    image_test_close(&test.t);
    block_overlay_clear(&test.overlay);
    memcpy(test.t.model, image, BYTES);
    assert_int_equal(open_over(&test, &error), 0);
    image_test_compare(&test.t);
    teardown(&test);
}

/* The directory has no file but the image while the overlay is used. */
static void test_has_no_name(void **state)
{
    struct test test;
    GDir *directory;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    directory = g_dir_open(test.t.directory, 0, NULL);
    assert_string_equal(g_dir_read_name(directory), "image");
    assert_null(g_dir_read_name(directory));
    g_dir_close(directory);
    teardown(&test);
}

static void test_space_is_used_again(void **state)
{
    g_autofree uint8_t *data = g_malloc(1 << 20);
    uint64_t length;
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    memset(data, 0x5a, 1 << 20);
    run(&test, TN_DISK_WRITE, 0, 0, 1 << 20, data);
    run(&test, TN_DISK_WRITE, 0, 1 << 20, 1 << 20, data);
    length = file_length(&test);
    assert_int_equal(length, 2 << 20);
    for (int i = 0; i < 20; i++) {
        uint64_t offset = (uint64_t)i % 3 << 20;

        run(&test, i % 2 ? TN_DISK_DISCARD : TN_DISK_ZERO, TN_DISK_UNMAP,
            offset, 1 << 20, NULL);
        run(&test, TN_DISK_FLUSH, 0, 0, 0, NULL);
        while (test.t.node->busy) /* giving it back */
            block_context_wait(test.t.context);
        memset(data, i, 1 << 20);
        run(&test, TN_DISK_WRITE, 0, offset, 1 << 20, data);
        image_test_compare(&test.t);
    }
    assert_int_equal(file_length(&test), 3 << 20);
    teardown(&test);
}

/* A small write takes a cluster, not more. */
static void test_small_writes_are_small(void **state)
{
    uint8_t data[512];
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    memset(data, 0xa5, sizeof data);
    for (uint64_t i = 0; i < 100; i++)
        run(&test, TN_DISK_WRITE, 0, i * 40960 + 1024, 512, data);
    image_test_compare(&test.t);
    assert_int_equal(file_length(&test), 100 * 4096);
    teardown(&test);
}

/* All of the disk at once, and what is written after it. */
static void test_discard_of_all(void **state)
{
    uint8_t data[8192];
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    memset(data, 1, sizeof data);
    run(&test, TN_DISK_WRITE, 0, 1 << 20, sizeof data, data);
    run(&test, TN_DISK_DISCARD, 0, 0, BYTES, NULL);
    image_test_compare(&test.t);
    run(&test, TN_DISK_WRITE, 0, (1 << 20) - 512, sizeof data, data);
    image_test_compare(&test.t);
    teardown(&test);
}

static void test_several_over_one_image(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    uint8_t data[4096];
    struct test first, second;

    (void)state;
    setup(&first, BLOCK_IO_BEST);
    assert_int_equal(g_chmod(first.t.path, 0444), 0);
    second = first;
    second.overlay = (struct block_overlay){0};
    second.t.model = g_memdup2(first.t.model, BYTES);
    assert_int_equal(open_over(&second, &error), 0);
    memset(data, 1, sizeof data);
    run(&first, TN_DISK_WRITE, 0, 8192, sizeof data, data);
    memset(data, 2, sizeof data);
    run(&second, TN_DISK_WRITE, 0, 8192, sizeof data, data);
    image_test_compare(&first.t);
    image_test_compare(&second.t);
    image_test_close(&second.t);
    block_overlay_clear(&second.overlay);
    g_free(second.t.model);
    teardown(&first);
}

static void test_a_bad_directory_is_named(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    image_test_close(&test.t);
    block_overlay_clear(&test.overlay);
    g_setenv("TMPDIR", "/nonexistent", TRUE);
    assert_int_equal(open_over(&test, &error), -ENOENT);
    assert_non_null(strstr(tn_error_text(&error, 0), "/nonexistent"));
    teardown(&test);
}

static void test_is_no_format_for_images(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct test test;

    (void)state;
    setup(&test, BLOCK_IO_BEST);
    image_test_close(&test.t);
    assert_int_equal(
        image_test_open(&test.t, "overlay", TN_IMAGE_WRITABLE, &error),
        -EINVAL);
    assert_non_null(strstr(tn_error_text(&error, 0), "snapshot = yes"));
    teardown(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_with_threads),
        cmocka_unit_test(test_is_forgotten),
        cmocka_unit_test(test_has_no_name),
        cmocka_unit_test(test_space_is_used_again),
        cmocka_unit_test(test_small_writes_are_small),
        cmocka_unit_test(test_discard_of_all),
        cmocka_unit_test(test_several_over_one_image),
        cmocka_unit_test(test_a_bad_directory_is_named),
        cmocka_unit_test(test_is_no_format_for_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
