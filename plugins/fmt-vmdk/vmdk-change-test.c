/* SPDX-License-Identifier: Apache-2.0 */
/* VMDK: repair, resize, another base. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

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
    assert_int_equal(image_kind_check(&t, 2, FALSE, &result), 0);
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

static void reference_agrees_at(struct image_test *t, uint64_t at,
                                uint8_t with)
{
    if (image_test_has_reference())
        assert_int_equal(
            image_test_run("qemu-io -r -f vmdk -c 'read -P %u "
                           "%" G_GUINT64_FORMAT " 64K' %s | grep -q ^read",
                           with, at, t->path),
            0);
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
    reference_agrees_at(t, at, with);
    reference_agrees_at(t, 0, 17);
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
    assert_int_equal(image_kind_check(&t, 2, FALSE, &result), 0);
    assert_int_equal(result.corruptions, 1);
    assert_int_equal(result.corruptions_fixed, 1);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

/* A descriptor of a thousand extents, with more files than a process has at
 * first. */
static void test_two_tib_in_extents_of_two_gib(void **state)
{
    struct rlimit limit, small;
    struct image_test t;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 1200) {
        print_message("a process may not have 1200 files open\n");
        skip();
    }
    begin(&t, 2048 * GIB);
    small = (struct rlimit){256, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    make(&t, "subformat=twoGbMaxExtentSparse");
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(t.node->info.bytes, t.bytes);
    fill(&t, t.bytes - GRAIN, GRAIN, 18);
    image_test_close(&t);
    open_image(&t, 0);
    assert_filled(&t, t.bytes - GRAIN, GRAIN, 18);
    assert_filled(&t, t.bytes - 2 * GRAIN, GRAIN, 0);
    image_test_clear(&t);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- another base ---- */

static char *content_id(struct image_test *t)
{
    open_image(t, 0);
    return g_strdup(t->node->info.content_id);
}

/* An image NAME whose first MiB says WITH. Returns its CID. */
static char *make_base(struct image_test *t, const char *name, uint8_t with)
{
    g_autofree char *path = t->path;
    char *id;

    t->path = g_build_filename(t->directory, name, NULL);
    make(t, "");
    open_image(t, TN_IMAGE_WRITABLE);
    fill(t, 0, MIB, with);
    image_test_close(t);
    id = content_id(t);
    image_test_close(t);
    g_free(t->path);
    t->path = g_steal_pointer(&path);
    return id;
}

static int32_t set_base(struct image_test *t, const char *name,
                        const char *format, const char *id)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_base base = {.size = sizeof base,
                           .name = name,
                           .format = format,
                           .id = id};
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc = f->set_base(t->node->host.self, &base, &error);

    image_calls_end(t);
    if (rc)
        assert_non_null(error.text);
    return rc;
}

static void rebase_and_read(struct image_test *t, const char *name,
                            const char *id, uint8_t with)
{
    open_image(t, TN_IMAGE_WRITABLE);
    assert_int_equal(set_base(t, name, "vmdk", id), 0);
    image_test_close(t);
    open_image(t, 0);
    assert_filled(t, 0, MIB, with);
    assert_filled(t, t->bytes - MIB, MIB, 77);
    image_check_clean(t, FALSE);
    image_test_close(t);
    reference_agrees_at(t, MIB / 2, with);
    reference_agrees_at(t, t->bytes - MIB, 77);
}

static void check_rebase(const char *options, uint64_t bytes)
{
    g_autofree char *a = NULL, *b = NULL;
    struct image_test t;

    begin(&t, bytes);
    a = make_base(&t, "a.vmdk", 1);
    b = make_base(&t, "another-base.vmdk", 2);
    make(&t, options);
    open_image(&t, TN_IMAGE_WRITABLE);
    fill(&t, bytes - MIB, MIB, 77);
    image_test_close(&t);
    rebase_and_read(&t, "a.vmdk", a, 1);
    rebase_and_read(&t, "another-base.vmdk", b, 2);
    rebase_and_read(&t, "a.vmdk", a, 1);
    rebase_and_read(&t, NULL, NULL, 0);
    rebase_and_read(&t, "another-base.vmdk", b, 2);
    image_test_clear(&t);
}

static void test_another_base(void **state)
{
    (void)state;
    check_rebase("", 20 * MIB);
    check_rebase("zeroed-grain=yes", 20 * MIB);
}

static void test_another_base_of_a_split_image(void **state)
{
    (void)state;
    check_rebase("subformat=twoGbMaxExtentSparse", 20 * MIB);
}

/* The descriptor is longer than a sector. */
static void test_another_base_of_many_extents(void **state)
{
    (void)state;
    check_rebase("subformat=twoGbMaxExtentSparse", 30 * GIB);
}

static void test_bases_that_cannot_be(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, 20 * MIB);
    make(&t, "");
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(set_base(&t, "x", "raw", "12345678"), -EINVAL);
    assert_int_equal(set_base(&t, "x", "vmdk", NULL), -EINVAL);
    assert_int_equal(set_base(&t, "x", "vmdk", "1234567"), -EINVAL);
    assert_int_equal(set_base(&t, "x\"\nCID=1", "vmdk", "12345678"), -EINVAL);
    image_test_close(&t);
    make(&t, "subformat=monolithicFlat");
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(set_base(&t, "x", "vmdk", "12345678"), -ENOTSUP);
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
        cmocka_unit_test(test_two_tib_in_extents_of_two_gib),
        cmocka_unit_test(test_another_base),
        cmocka_unit_test(test_another_base_of_a_split_image),
        cmocka_unit_test(test_another_base_of_many_extents),
        cmocka_unit_test(test_bases_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
