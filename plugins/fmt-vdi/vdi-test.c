/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VDI: differencing images, whose parent the user names, and repairs.
 * Histories are in vdi-kind-test.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/kind.h"

#define BYTES (8u << 20)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vdi",
                                      NULL};

static void begin(struct image_test *t)
{
    struct tn_create create = {.size = sizeof create, .bytes = BYTES};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    image_test_init(t, plugins, BLOCK_IO_BEST, 5);
    t->bytes = BYTES;
    t->model = g_malloc0(BYTES);
    assert_int_equal(image_create_with(t, "vdi", "", &create, &error), 0);
}

static void patch(struct image_test *t, gsize at, const void *data, gsize n)
{
    g_autofree char *file = NULL;
    gsize bytes;

    assert_true(g_file_get_contents(t->path, &file, &bytes, NULL));
    memcpy(file + at, data, n);
    assert_true(g_file_set_contents(t->path, file, (gssize)bytes, NULL));
}

/* Opens with the property NAME set. */
static int32_t open_with(struct image_test *t, const char *name,
                         const char *value, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_component_entry *entry =
        tn_registry_find(t->registry, TN_KIND_FORMAT, "vdi");
    guint n = entry->info.n_properties;
    struct tn_value *values = g_new0(struct tn_value, n + 1);
    struct node_options options = {.registry = t->registry,
                                   .context = t->context,
                                   .image = t->path,
                                   .format = entry,
                                   .format_values = values,
                                   .flags = flags};
    int32_t rc;

    for (guint i = 0; i < n; i++) {
        const struct tn_property *row = &entry->properties[i];
        const char *text =
            !strcmp(row->name, name) ? value : row->default_value;

        values[i].schema = row;
        if (text[0])
            assert_int_equal(
                tn_value_parse(&values[i], row, text, NULL, &error), 0);
    }
    rc = node_open(&options, &t->node, &error);
    for (guint i = 0; i < n; i++)
        tn_value_clear(&values[i]);
    g_free(values);
    return rc;
}

static void write_block(struct image_test *t, uint64_t offset, uint8_t fill)
{
    memset(t->model + offset, fill, 65536);
    assert_int_equal(
        image_do(t, TN_DISK_WRITE, 0, offset, 65536, t->model + offset), 0);
}

/* The same file, said to be based on something. */
static void make_differencing(struct image_test *t)
{
    static const uint8_t type[4] = {4};

    assert_int_equal(open_with(t, "", "", TN_IMAGE_WRITABLE), 0);
    write_block(t, 1 << 20, 0x44);
    image_test_close(t);
    patch(t, 76, type, 4);
}

static void test_a_parent_must_be_named(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make_differencing(&t);
    assert_int_equal(open_with(&t, "", "", 0), -ENOTSUP);
    assert_int_equal(open_with(&t, "without-parent", "yes", 0), 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void test_a_differencing_image(void **state)
{
    g_autofree char *base = NULL, *data = g_malloc(BYTES);
    struct image_test t;

    (void)state;
    begin(&t);
    make_differencing(&t);
    base = g_build_filename(t.directory, "base.raw", NULL);
    memset(data, 0x22, BYTES);
    assert_true(g_file_set_contents(base, data, BYTES, NULL));
    memset(t.model, 0x22, 1 << 20);
    memset(t.model + (2 << 20), 0x22, BYTES - (2 << 20));
    assert_int_equal(open_with(&t, "parent", base, TN_IMAGE_WRITABLE), 0);
    image_test_compare(&t);
    write_block(&t, 3 << 20, 0x55);
    memset(t.model + (4 << 20), 0, 2 << 20);
    assert_int_equal(
        image_do(&t, TN_DISK_ZERO, TN_DISK_UNMAP, 4 << 20, 2 << 20, NULL), 0);
    image_test_compare(&t);
    image_test_history(&t, 200, 4);
    image_test_compare(&t);
    image_test_clear(&t);
}

/* A crash left a block counted that nothing refers to. */
static void test_a_leak_is_found_and_mended(void **state)
{
    static const uint8_t count[4] = {9};
    struct tn_check c;
    struct image_test t;

    (void)state;
    begin(&t);
    assert_int_equal(open_with(&t, "", "", TN_IMAGE_WRITABLE), 0);
    write_block(&t, 0, 1);
    image_test_close(&t);
    patch(&t, 388, count, 4);
    assert_int_equal(open_with(&t, "", "", 0), 0);
    assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
    assert_int_equal(c.leaks, 8);
    assert_int_equal(c.corruptions, 0);
    image_test_close(&t);
    assert_int_equal(
        open_with(&t, "", "", TN_IMAGE_WRITABLE | TN_IMAGE_CHECK), 0);
    assert_int_equal(image_kind_check(&t, 1, FALSE, &c), 0);
    assert_int_equal(c.leaks_fixed, 8);
    image_test_close(&t);
    assert_int_equal(open_with(&t, "", "", 0), 0);
    image_check_clean(&t, FALSE);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void test_a_map_that_is_damaged_is_not_written(void **state)
{
    static const uint8_t twice[4] = {0};
    struct tn_check c;
    struct image_test t;

    (void)state;
    begin(&t);
    assert_int_equal(open_with(&t, "", "", TN_IMAGE_WRITABLE), 0);
    write_block(&t, 0, 1);
    write_block(&t, 1 << 20, 1);
    image_test_close(&t);
    patch(&t, 512 + 4, twice, 4);
    assert_int_equal(open_with(&t, "", "", TN_IMAGE_WRITABLE), -EROFS);
    assert_int_equal(
        open_with(&t, "", "", TN_IMAGE_WRITABLE | TN_IMAGE_CHECK), 0);
    assert_int_equal(image_kind_check(&t, 2, FALSE, &c), 0);
    assert_int_equal(c.corruptions_fixed, 1);
    image_test_close(&t);
    assert_int_equal(open_with(&t, "", "", TN_IMAGE_WRITABLE), 0);
    image_check_clean(&t, FALSE);
    image_test_compare(&t);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_parent_must_be_named),
        cmocka_unit_test(test_a_differencing_image),
        cmocka_unit_test(test_a_leak_is_found_and_mended),
        cmocka_unit_test(test_a_map_that_is_damaged_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
