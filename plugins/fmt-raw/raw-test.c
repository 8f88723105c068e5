/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw images: the engine's transfers against a plain model.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/block/block-test.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", NULL};

static void history(enum block_io io, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;
    int32_t rc;

    image_test_init(&t, plugins, io, 7);
    t.bytes = (4 << 20) + 512;
    t.model = g_malloc0(t.bytes);
    assert_int_equal(image_test_create(&t, "raw", t.bytes), 0);
    rc = image_test_open(&t, "raw", TN_IMAGE_WRITABLE | flags, &error);
    if (rc == -EINVAL && (flags & TN_IMAGE_DIRECT)) {
        print_message("no direct I/O in %s\n", t.directory);
        image_test_clear(&t);
        skip();
    }
    assert_int_equal(rc, 0);
    image_test_history(&t, 5000, 16);
    image_test_compare(&t);
    image_test_close(&t);
    assert_int_equal(image_test_open(&t, "raw", 0, &error), 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void test_history(void **state)
{
    (void)state;
    history(BLOCK_IO_BEST, 0);
}

static void test_history_with_threads(void **state)
{
    (void)state;
    history(BLOCK_IO_THREADS, 0);
}

static void test_history_with_direct_io(void **state)
{
    (void)state;
    history(BLOCK_IO_BEST, TN_IMAGE_DIRECT);
}

static void test_writable_raw_is_not_guessed(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;

    (void)state;
    image_test_init(&t, plugins, BLOCK_IO_BEST, 1);
    assert_int_equal(image_test_create(&t, "raw", 65536), 0);
    assert_int_equal(image_test_open(&t, NULL, TN_IMAGE_WRITABLE, &error),
                     -EINVAL);
    assert_non_null(strstr(tn_error_text(&error, 0), "format = raw"));
    assert_int_equal(image_test_open(&t, NULL, 0, &error), 0);
    image_test_clear(&t);
}

static void test_a_second_writer_is_refused(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct block_node *first;
    struct image_test t;

    (void)state;
    image_test_init(&t, plugins, BLOCK_IO_BEST, 1);
    assert_int_equal(image_test_create(&t, "raw", 65536), 0);
    assert_int_equal(image_test_open(&t, "raw", TN_IMAGE_WRITABLE, &error), 0);
    first = t.node;
    assert_int_equal(image_test_open(&t, "raw", TN_IMAGE_WRITABLE, &error),
                     -EBUSY);
    assert_int_equal(image_test_open(&t, "raw", 0, &error), -EBUSY);
    if (image_test_has_reference())
        assert_int_not_equal(
            image_test_run("qemu-io -f raw -c 'write 0 512' %s", t.path), 0);
    t.node = first;
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_with_threads),
        cmocka_unit_test(test_history_with_direct_io),
        cmocka_unit_test(test_writable_raw_is_not_guessed),
        cmocka_unit_test(test_a_second_writer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
