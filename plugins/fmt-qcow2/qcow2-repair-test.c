/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2: damage that fuzzing found to be repaired by halves. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "tests/image/kind.h"

#define REFCOUNT_TABLE 48 /* its offset is there in the header */
#define CLUSTER 16384u

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};
static const struct image_kind qcow2 = {.name = "qcow2", .plugins = plugins};
static const struct image_options options = {.ours = "cluster-size=16K"};

static void repair(struct image_test *t, gboolean whole)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_check c;

    assert_int_equal(image_test_open(t, "qcow2",
                                     TN_IMAGE_CHECK | TN_IMAGE_WRITABLE,
                                     &error),
                     0);
    assert_int_equal(image_kind_check(t, 2, FALSE, &c), 0);
    assert_true(c.corruptions > 0);
    assert_int_equal(c.corruptions_fixed, c.corruptions);
    image_test_close(t);
    assert_int_equal(image_test_open(t, "qcow2", 0, &error), 0);
    image_check_clean(t, FALSE);
    if (whole)
        image_test_compare(t);
    image_test_close(t);
}

/* The refcount table is said to be where something else is. */
static void table_at(uint64_t place)
{
    uint64_t where = GUINT64_TO_BE(place), was;
    struct image_test t;
    int fd;

    image_kind_init(&t, &qcow2, 3);
    assert_true(image_kind_make(&t, &qcow2, &options, MADE_HERE, 1u << 20));
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    image_test_history(&t, 50, 1);
    image_test_close(&t);
    fd = g_open(t.path, O_RDWR | O_CLOEXEC, 0);
    assert_int_equal(pread(fd, &was, sizeof was, REFCOUNT_TABLE), sizeof was);
    assert_int_equal(pwrite(fd, &where, sizeof where, REFCOUNT_TABLE),
                     sizeof where);
    close(fd);
    if (was != where)
        repair(&t, place == 0);
    image_test_clear(&t);
}

static void test_refcount_table_in_the_header(void **state)
{
    (void)state;
    table_at(0);
}

static void test_refcount_table_in_data(void **state)
{
    (void)state;
    for (guint i = 1; i < 12; i++)
        table_at(i * CLUSTER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refcount_table_in_the_header),
        cmocka_unit_test(test_refcount_table_in_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
