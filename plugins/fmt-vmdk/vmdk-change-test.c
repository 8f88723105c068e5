/* SPDX-License-Identifier: Apache-2.0 */
/* VMDK: repair, resize, another base. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "tests/image/kind.h"

#define GRAIN 65536u
#define MIB (1ull << 20)
#define GIB (1ull << 30)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vmdk",
                                      NULL};

static void begin(struct image_test *t, uint64_t bytes)
{
    image_test_init(t, plugins, BLOCK_IO_BEST, 5);
    g_free(t->path);
    t->path = g_build_filename(t->directory, "disk.vmdk", NULL);
    t->bytes = bytes;
}

static void make(struct image_test *t, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create, .bytes = t->bytes};
    int32_t rc = image_create_with(t, "vmdk", options, &create, &error);

    if (rc)
        fail_msg("create: %s", tn_error_text(&error, rc));
}

static void open_image(struct image_test *t, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = image_test_open(t, "vmdk", flags, &error);

    if (rc)
        fail_msg("open: %s", tn_error_text(&error, rc));
}

static void fill(struct image_test *t, uint64_t at, uint64_t bytes,
                 uint8_t with)
{
    g_autofree uint8_t *data = g_malloc(bytes);

    memset(data, with, bytes);
    assert_int_equal(image_do(t, TN_DISK_WRITE, 0, at, bytes, data), 0);
}

static void assert_filled(struct image_test *t, uint64_t at, uint64_t bytes,
                          uint8_t with)
{
    g_autofree uint8_t *data = g_malloc(bytes);

    memset(data, ~with, bytes);
    assert_int_equal(image_do(t, TN_DISK_READ, 0, at, bytes, data), 0);
    assert_int_equal(data[0], with);
    assert_true(!memcmp(data, data + 1, bytes - 1));
}

/* ---- repair ---- */

static uint32_t get32(const char *data, uint64_t at)
{
    uint32_t value;

    memcpy(&value, data + at, 4);
    return GUINT32_FROM_LE(value);
}

static void put32(char *data, uint64_t at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(data + at, &value, 4);
}

/* The second entry is given a copy at the end of the file, which is where the
 * third one points: it does not become right by that. */
static void test_a_repair_does_not_take_its_copy_for_a_grain(void **state)
{
    static const uint32_t directories[] = {48, 56};
    g_autofree char *data = NULL;
    struct tn_check result;
    struct image_test t;
    gsize bytes;

    (void)state;
    begin(&t, 4 * GRAIN);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    fill(&t, 0, GRAIN, 0x5a);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    assert_int_equal(bytes % GRAIN, 0);
    for (guint i = 0; i < G_N_ELEMENTS(directories); i++) {
        uint32_t gd = get32(data, directories[i]);
        uint32_t table = get32(data, gd * 512) * 512;

        put32(data, table + 4, get32(data, table));
        put32(data, table + 8, (uint32_t)(bytes / 512));
    }
    assert_true(g_file_set_contents(t.path, data, (gssize)bytes, NULL));
    open_image(&t, TN_IMAGE_WRITABLE | TN_IMAGE_CHECK);
    assert_int_equal(image_check(&t, 2, FALSE, &result), 0);
    assert_int_equal(result.corruptions, 2);
    assert_int_equal(result.corruptions_fixed, 2);
    image_test_close(&t);
    open_image(&t, 0);
    image_check_clean(&t, FALSE);
    assert_filled(&t, 0, 2 * GRAIN, 0x5a);
    assert_filled(&t, 2 * GRAIN, 2 * GRAIN, 0);
    image_test_clear(&t);
}

/* ---- another size ---- */

static int32_t resize(struct image_test *t, uint64_t bytes,
                      struct tn_error *error)
{
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc = f->resize(t->node->host.self, bytes, error);

    if (!rc)
        t->node->info.bytes = bytes;
    image_calls_end(t);
    return rc;
}

static void grow(struct image_test *t, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = resize(t, bytes, &error);

    if (rc)
        fail_msg("resize: %s", tn_error_text(&error, rc));
    t->bytes = bytes;
}

static int32_t try_grow(struct image_test *t, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = resize(t, bytes, &error);

    assert_int_not_equal(rc, 0);
    assert_non_null(error.text);
    return rc;
}

/* What the reference sees: no damage, the size, and bytes WITH at AT. */
static void reference_agrees(struct image_test *t, uint64_t at, uint8_t with)
{
    if (!image_test_has_reference())
        return;
    if (!strstr(t->path, "flat"))
        assert_int_equal(image_test_run("qemu-img check -q -f vmdk %s",
                                        t->path),
                         0);
    assert_int_equal(
        image_test_run("qemu-img info -f vmdk %s | grep -q "
                       "'(%" G_GUINT64_FORMAT " bytes)'",
                       t->path, t->bytes),
        0);
    assert_int_equal(image_test_run("qemu-io -r -f vmdk -c 'read -P %u "
                                    "%" G_GUINT64_FORMAT " 64K' %s >/dev/null",
                                    with, at, t->path),
                     0);
    assert_int_equal(image_test_run("qemu-io -r -f vmdk -c 'read -P 17 0 64K' "
                                    "%s >/dev/null",
                                    t->path),
                     0);
}

/* 64K at each end, grown, and 64K at the new end. */
static void check_growth(const char *options, uint64_t from, uint64_t to)
{
    struct image_test t;

    begin(&t, from);
    make(&t, options);
    open_image(&t, TN_IMAGE_WRITABLE);
    fill(&t, 0, GRAIN, 17);
    fill(&t, from - GRAIN, GRAIN, 18);
    grow(&t, to);
    assert_filled(&t, from, GRAIN, 0);
    fill(&t, to - GRAIN, GRAIN, 19);
    image_check_clean(&t, FALSE);
    image_test_close(&t);
    open_image(&t, 0);
    assert_int_equal(t.node->info.bytes, to);
    image_check_clean(&t, FALSE);
    assert_filled(&t, 0, GRAIN, 17);
    assert_filled(&t, from - GRAIN, GRAIN, 18);
    assert_filled(&t, from, GRAIN, 0);
    assert_filled(&t, to - GRAIN, GRAIN, 19);
    image_test_close(&t);
    reference_agrees(&t, from - GRAIN, 18);
    reference_agrees(&t, from, 0);
    reference_agrees(&t, to - GRAIN, 19);
    image_test_clear(&t);
}

static void test_grown_within_a_table(void **state)
{
    (void)state;
    check_growth("", 20 * MIB, 30 * MIB);
}

static void test_grown_by_tables(void **state)
{
    (void)state;
    check_growth("", 20 * MIB + 512, 300 * MIB);
    check_growth("zeroed-grain=yes", 32 * MIB, 5 * GIB + 1536);
}

static void test_grown_flat(void **state)
{
    (void)state;
    check_growth("subformat=monolithicFlat", MIB + 512, 999 * MIB);
}

static void test_grown_split(void **state)
{
    (void)state;
    check_growth("subformat=twoGbMaxExtentSparse", 20 * MIB + 512, 100 * MIB);
    check_growth("subformat=twoGbMaxExtentSparse", 20 * MIB + 512, 5 * GIB);
    check_growth("subformat=twoGbMaxExtentFlat", 20 * MIB + 512, 3 * GIB);
}

/* Their descriptor is longer than a sector. */
static void test_grown_with_many_extents(void **state)
{
    (void)state;
    check_growth("subformat=twoGbMaxExtentSparse", 20 * GIB + 1024, 31 * GIB);
    check_growth("subformat=twoGbMaxExtentSparse", 20 * GIB + 1024,
                 21 * GIB + 1536);
    check_growth("subformat=twoGbMaxExtentFlat", 20 * GIB, 60 * GIB + 512);
    check_growth("subformat=twoGbMaxExtentSparse", 5 * GIB + 512, 60 * GIB);
}

static void test_the_descriptor_says_the_new_size(void **state)
{
    g_autofree char *data = NULL;
    struct image_test t;
    gsize bytes;

    (void)state;
    begin(&t, 20 * MIB);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    grow(&t, 1000 * MIB);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    assert_int_equal(get32(data, 28), 1); /* behind the header again */
    assert_non_null(strstr(data + 512, "RW 2048000 SPARSE"));
    assert_non_null(strstr(data + 512, "cylinders = \"2031\""));
    image_test_clear(&t);
}

/* Entries behind the last grain say nothing until the disk is longer. */
static void test_what_was_behind_the_end_stays_hidden(void **state)
{
    g_autofree char *data = NULL;
    struct image_test t;
    uint32_t table;
    gsize bytes;

    (void)state;
    begin(&t, 4 * GRAIN);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    fill(&t, 0, GRAIN, 17);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    table = get32(data, get32(data, 56) * 512) * 512;
    put32(data, table + 16, get32(data, table));
    assert_true(g_file_set_contents(t.path, data, (gssize)bytes, NULL));
    open_image(&t, TN_IMAGE_WRITABLE);
    grow(&t, 8 * GRAIN);
    assert_filled(&t, 4 * GRAIN, 4 * GRAIN, 0);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

static void test_what_cannot_be_resized(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, MIB);
    make(&t, "subformat=streamOptimized");
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(try_grow(&t, 2 * MIB), -ENOTSUP);
    image_test_close(&t);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(try_grow(&t, MIB / 2), -ENOTSUP);
    assert_int_equal(try_grow(&t, 3ull << 40), -EFBIG);
    image_test_clear(&t);
}

/* An entry that refers to a directory that was moved is damage. */
static void test_a_moved_directory_is_not_a_grain(void **state)
{
    g_autofree char *data = NULL;
    struct tn_check result;
    struct image_test t;
    uint32_t gd, table;
    gsize bytes;

    (void)state;
    begin(&t, 4 * GRAIN);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    grow(&t, 100 * MIB);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
    gd = get32(data, 56);
    table = get32(data, gd * 512) * 512;
    put32(data, table + 4, gd - 8);
    assert_true(g_file_set_contents(t.path, data, (gssize)bytes, NULL));
    open_image(&t, TN_IMAGE_WRITABLE | TN_IMAGE_CHECK);
    assert_int_equal(image_check(&t, 2, FALSE, &result), 0);
    assert_int_equal(result.corruptions, 1);
    assert_int_equal(result.corruptions_fixed, 1);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_repair_does_not_take_its_copy_for_a_grain),
        cmocka_unit_test(test_grown_within_a_table),
        cmocka_unit_test(test_grown_by_tables),
        cmocka_unit_test(test_grown_flat),
        cmocka_unit_test(test_grown_split),
        cmocka_unit_test(test_grown_with_many_extents),
        cmocka_unit_test(test_the_descriptor_says_the_new_size),
        cmocka_unit_test(test_what_was_behind_the_end_stays_hidden),
        cmocka_unit_test(test_what_cannot_be_resized),
        cmocka_unit_test(test_a_moved_directory_is_not_a_grain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
