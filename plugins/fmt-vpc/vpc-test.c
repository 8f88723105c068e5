/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VHD: sizes and geometries, footers that are lost, chains. Histories are in
 * vpc-kind-test.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define BYTES (9u << 20)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vpc",
                                      NULL};

static void begin(struct image_test *t)
{
    image_test_init(t, plugins, BLOCK_IO_BEST, 5);
    t->bytes = BYTES;
    t->model = g_malloc0(BYTES);
}

static int32_t make(struct image_test *t, const char *options, uint64_t bytes,
                    const char *backing, const char *backing_id)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create,
                               .bytes = bytes,
                               .backing = backing,
                               .backing_id = backing_id};

    return image_create_with(t, "vpc", options, &create, &error);
}

static int32_t open_image(struct image_test *t, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    return image_test_open(t, "vpc", flags, &error);
}

/* What the reference makes of SIZE, and what is made here. */
static void test_sizes_are_those_of_the_reference(void **state)
{
    static const uint64_t sizes[] = {
        512,          1 << 20,      5243904,      100ull << 20, 504ull << 20,
        1ull << 30,   8ull << 30,   33ull << 30,  126ull << 30, 127ull << 30,
        128ull << 30, 130ull << 30, 2040ull << 30};
    struct image_test t;

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        uint64_t here;

        begin(&t);
        assert_int_equal(make(&t, "", sizes[i], NULL, NULL), 0);
        assert_int_equal(open_image(&t, 0), 0);
        here = t.node->info.bytes;
        image_test_close(&t);
        assert_int_equal(
            image_test_run("qemu-img info -f vpc %s | grep -q '(%" G_GUINT64_FORMAT
                           " bytes)'",
                           t.path, here),
            0);
        assert_int_equal(
            image_test_run("qemu-img create -q -f vpc %s %" G_GUINT64_FORMAT,
                           t.path, sizes[i]),
            0);
        assert_int_equal(open_image(&t, 0), 0);
        assert_int_equal(t.node->info.bytes, here);
        image_test_clear(&t);
    }
}

static void test_beyond_the_format_is_refused(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    assert_int_equal(make(&t, "", (2040ull << 30) + 512, NULL, NULL), -EFBIG);
    image_test_clear(&t);
}

static void test_a_lost_footer_is_put_back(void **state)
{
    struct image_test t;
    g_autofree char *data = NULL;
    gsize bytes;

    (void)state;
    begin(&t);
    assert_int_equal(make(&t, "force-size=yes", BYTES, NULL, NULL), 0);
    assert_int_equal(open_image(&t, TN_IMAGE_WRITABLE), 0);
    memset(t.model + 4096, 7, 4096);
    assert_int_equal(
        image_do(&t, TN_DISK_WRITE, 0, 4096, 4096, t.model + 4096), 0);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    assert_int_equal(truncate(t.path, (off_t)(bytes - 512)), 0);
    assert_int_equal(open_image(&t, TN_IMAGE_WRITABLE), 0);
    image_test_compare(&t);
    image_test_close(&t);
    g_free(data);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    assert_memory_equal(data + bytes - 512, data, 512);
    image_test_clear(&t);
}

/* A guest may write anything to its first sector. */
static void test_a_fixed_image_is_fixed_whatever_is_in_it(void **state)
{
    struct image_test t;
    g_autofree char *other = NULL;
    gsize bytes;

    (void)state;
    begin(&t);
    assert_int_equal(make(&t, "force-size=yes", BYTES, NULL, NULL), 0);
    assert_true(g_file_get_contents(t.path, &other, &bytes, NULL));
    memcpy(t.model, other, MIN(bytes, BYTES));
    assert_int_equal(
        make(&t, "force-size=yes,subformat=fixed", BYTES, NULL, NULL), 0);
    assert_int_equal(open_image(&t, TN_IMAGE_WRITABLE), 0);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, BYTES, t.model), 0);
    image_test_close(&t);
    assert_int_equal(open_image(&t, 0), 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void make_chain(struct image_test *t)
{
    g_autofree char *overlay = g_strdup(t->path);
    char id[64];

    g_free(t->path);
    t->path = g_build_filename(t->directory, "base \xc3\xa4.vhd", NULL);
    assert_int_equal(make(t, "force-size=yes", BYTES, NULL, NULL), 0);
    assert_int_equal(open_image(t, TN_IMAGE_WRITABLE), 0);
    memset(t->model + 100000 / 512 * 512, 3, 1 << 20);
    assert_int_equal(image_do(t, TN_DISK_WRITE, 0, 0, BYTES, t->model), 0);
    g_strlcpy(id, t->node->info.content_id, sizeof id);
    image_test_close(t);
    g_free(t->path);
    t->path = g_strdup(overlay);
    assert_int_equal(make(t, "", BYTES, "base \xc3\xa4.vhd", id), 0);
}

static void test_a_chain(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make_chain(&t);
    assert_int_equal(open_image(&t, TN_IMAGE_WRITABLE), 0);
    assert_string_equal(t.node->info.backing, "./base \xc3\xa4.vhd");
    image_test_compare(&t);
    image_test_history(&t, 300, 8);
    image_test_compare(&t);
    image_test_close(&t);
    assert_int_equal(open_image(&t, 0), 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void test_another_parent_is_refused(void **state)
{
    g_autofree char *overlay = NULL;
    struct image_test t;

    (void)state;
    begin(&t);
    make_chain(&t);
    overlay = t.path;
    t.path = g_build_filename(t.directory, "base \xc3\xa4.vhd", NULL);
    assert_int_equal(make(&t, "force-size=yes", BYTES, NULL, NULL), 0);
    g_free(t.path);
    t.path = g_strdup(overlay);
    assert_true(open_image(&t, 0) < 0);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_those_of_the_reference),
        cmocka_unit_test(test_beyond_the_format_is_refused),
        cmocka_unit_test(test_a_lost_footer_is_put_back),
        cmocka_unit_test(test_a_fixed_image_is_fixed_whatever_is_in_it),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_another_parent_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
