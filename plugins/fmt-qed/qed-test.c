/* SPDX-License-Identifier: Apache-2.0 */
/* An image that others left marked and damaged. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define BYTES (3u << 20)
#define H_FEATURES 16
#define H_L1 40
#define NEED_CHECK 2u

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qed", NULL};
static const struct image_kind qed = {
    .name = "qed",
    .plugins = plugins,
    .reference = "qed",
    .abilities = IMAGE_CHECKS | IMAGE_REFERENCE_CHECKS,
};
static const struct image_options options = {.ours = "cluster-size=4K"};

static void poke(struct image_test *t, uint64_t at, uint64_t v)
{
    int fd = open(t->path, O_WRONLY | O_CLOEXEC);

    v = GUINT64_TO_LE(v);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &v, sizeof v, (off_t)at), sizeof v);
    close(fd);
}

static uint64_t peek(struct image_test *t, uint64_t at)
{
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);
    uint64_t v = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &v, sizeof v, (off_t)at), sizeof v);
    close(fd);
    return GUINT64_FROM_LE(v);
}

static void test_marked_image_is_repaired(void **state)
{
    struct image_test t;
    uint8_t data[4096];
    uint64_t table;

    (void)state;
    image_kind_init(&t, &qed, 1);
    assert_true(image_kind_make(&t, &qed, &options, MADE_HERE, BYTES));
    memset(data, 7, sizeof data);
    image_kind_open(&t, &qed, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, 4096, data), 0);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 8192, 4096, data), 0);
    memset(t.model + 8192, 7, 4096);
    image_test_close(&t);
    table = peek(&t, peek(&t, H_L1));
    poke(&t, table, 1ull << 40); /* beyond the file's end */
    poke(&t, H_FEATURES, peek(&t, H_FEATURES) | NEED_CHECK);
    image_kind_open(&t, &qed, 0);
    assert_true(t.node->info.flags & TN_FORMAT_DIRTY);
    image_test_close(&t);
    image_kind_open(&t, &qed, TN_IMAGE_WRITABLE);
    image_test_compare(&t); /* what was lost reads as zeroes */
    image_check_clean(&t, TRUE);
    image_test_close(&t);
    assert_int_equal(peek(&t, H_FEATURES) & NEED_CHECK, 0);
    assert_int_equal(peek(&t, table), 0);
    image_reference_check(&t, &qed, TRUE);
    image_reference_compare(&t, &qed);
    image_test_clear(&t);
}

static void test_backing_name_can_change(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;
    const struct tn_format *f;

    (void)state;
    image_kind_init(&t, &qed, 2);
    assert_true(image_kind_make(&t, &qed, &options, MADE_HERE, BYTES));
    for (guint i = 0; i < 3; i++) {
        static const char *const names[] = {"one.raw", "two.raw", ""};

        assert_int_equal(image_open_alone(&t, "qed", TN_IMAGE_WRITABLE, &error),
                         0);
        f = image_calls_begin(&t);
        assert_int_equal(
            f->set_backing(t.node->host.self, names[i], "raw", &error), 0);
        image_calls_end(&t);
        image_test_close(&t);
        assert_int_equal(image_open_alone(&t, "qed", 0, &error), 0);
        assert_string_equal(t.node->info.backing, names[i]);
        image_test_close(&t);
    }
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marked_image_is_repaired),
        cmocka_unit_test(test_backing_name_can_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
