/* SPDX-License-Identifier: Apache-2.0 */
/* What the shared tests do not reach: the older kind of images, marks and
 * extensions that others leave. */
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
#define H_IN_USE 44
#define H_EXTENSION 56
#define BAT 64

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-parallels",
                                      NULL};
static const struct image_kind parallels = {
    .name = "parallels",
    .plugins = plugins,
    .reference = "parallels",
    .abilities = IMAGE_CHECKS | IMAGE_REFERENCE_CHECKS,
};
static const struct image_options options = {.ours = "cluster-size=64K"};

static void poke(struct image_test *t, off_t at, const void *data, size_t n)
{
    int fd = open(t->path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, at), n);
    close(fd);
}

static uint32_t peek(struct image_test *t, off_t at)
{
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);
    uint32_t v = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &v, sizeof v, at), sizeof v);
    close(fd);
    return GUINT32_FROM_LE(v);
}

static void make(struct image_test *t)
{
    image_kind_init(t, &parallels, 1);
    assert_true(image_kind_make(t, &parallels, &options, MADE_HERE, BYTES));
}

static void test_entries_in_sectors(void **state)
{
    struct image_test t;

    (void)state;
    make(&t);
    poke(&t, 0, "WithoutFreeSpace", 16);
    for (guint i = 0; i < 4; i++) {
        image_kind_open(&t, &parallels, TN_IMAGE_WRITABLE);
        image_test_compare(&t);
        image_test_history(&t, 150, 4);
        image_check_clean(&t, TRUE);
        image_test_close(&t);
        image_reference_check(&t, &parallels, FALSE);
        image_reference_compare(&t, &parallels);
    }
    image_test_clear(&t);
}

static void test_unclean_image_is_repaired(void **state)
{
    const uint32_t in_use = GUINT32_TO_LE(0x746f6e59);
    const uint32_t beyond = GUINT32_TO_LE(1000);
    struct image_test t;

    (void)state;
    make(&t);
    image_kind_open(&t, &parallels, TN_IMAGE_WRITABLE);
    image_test_history(&t, 60, 1);
    assert_int_equal(image_do(&t, TN_DISK_ZERO, TN_DISK_UNMAP, 0, 65536, NULL),
                     0);
    memset(t.model, 0, 65536);
    image_test_close(&t);
    poke(&t, H_IN_USE, &in_use, 4);
    poke(&t, BAT, &beyond, 4);
    image_kind_open(&t, &parallels, TN_IMAGE_WRITABLE);
    image_test_compare(&t);
    image_check_clean(&t, TRUE);
    image_test_close(&t);
    assert_int_not_equal(peek(&t, H_IN_USE), 0x746f6e59);
    assert_int_equal(peek(&t, BAT), 0);
    image_test_clear(&t);
}

static void test_bitmaps_are_given_up(void **state)
{
    const uint64_t place = GUINT64_TO_LE(BYTES / 512);
    struct image_test t;

    (void)state;
    make(&t);
    poke(&t, H_EXTENSION, &place, 8);
    image_kind_open(&t, &parallels, 0);
    image_test_close(&t);
    assert_int_equal(peek(&t, H_EXTENSION), BYTES / 512);
    image_kind_open(&t, &parallels, TN_IMAGE_WRITABLE);
    image_test_close(&t);
    assert_int_equal(peek(&t, H_EXTENSION), 0);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_in_sectors),
        cmocka_unit_test(test_unclean_image_is_repaired),
        cmocka_unit_test(test_bitmaps_are_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
