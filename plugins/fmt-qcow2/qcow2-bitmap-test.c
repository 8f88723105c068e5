/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2's persistent bitmaps: what they record, and that the reference tool
 * reads the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/fmt-qcow2/qcow2-case.h"

static void change_bitmap(struct image_test *t, uint32_t what,
                          const char *name, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc;

    b->size = sizeof *b;
    b->flags = flags;
    g_strlcpy(b->name, name, sizeof b->name);
    rc = f->bitmap(t->node->host.self, what, b, &error);
    if (rc)
        fail_msg("%s: %s", name, tn_error_text(&error, rc));
    image_calls_end(t);
}

static guint bits_set(struct image_test *t, const char *name)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    uint8_t bits[6] = {0}; /* 3 MiB at 64 KiB a bit */
    guint n = 0;

    for (uint32_t i = 0;; i++) {
        b->size = sizeof *b;
        assert_int_equal(f->bitmap_info(t->node->host.self, i, b), 0);
        if (strcmp(b->name, name) != 0)
            continue;
        assert_int_equal(b->flags & TN_BITMAP_IN_USE, 0);
        assert_int_equal(
            f->bitmap_bits(t->node->host.self, i, 0, 0, bits, 6), 0);
        break;
    }
    image_calls_end(t);
    for (guint i = 0; i < 48; i++)
        n += bits[i / 8] >> (i % 8) & 1;
    return n;
}

static void test_bitmaps_follow_writes(void **state)
{
    struct image_test t;

    (void)state;
    case_begin(&t, 6);
    case_make(&t, "");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    change_bitmap(&t, TN_BITMAP_ADD, "on", TN_BITMAP_ENABLED);
    change_bitmap(&t, TN_BITMAP_ADD, "off", 0);
    image_test_close(&t);
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    case_write(&t, 65536 - 512, 1024); /* two */
    case_write(&t, 1 << 20, 65536);    /* one */
    image_test_close(&t);
    case_verify(&t);
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "on"), 3);
    assert_int_equal(bits_set(&t, "off"), 0);
    change_bitmap(&t, TN_BITMAP_ENABLE, "off", 0);
    change_bitmap(&t, TN_BITMAP_DISABLE, "on", 0);
    case_write(&t, 2 << 20, 65536);
    image_test_close(&t);
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "on"), 3);
    assert_int_equal(bits_set(&t, "off"), 1);
    change_bitmap(&t, TN_BITMAP_CLEAR, "on", 0);
    assert_int_equal(bits_set(&t, "on"), 0);
    change_bitmap(&t, TN_BITMAP_REMOVE, "off", 0);
    case_verify(&t);
    image_test_clear(&t);
}

static void test_bitmaps_with_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    case_need_reference();
    case_begin(&t, 7);
    case_make(&t, "");
    assert_int_equal(image_test_run("qemu-img bitmap --add %s theirs && "
                                    "qemu-io -f qcow2 -c 'write -P 7 0 192k' "
                                    "%s >/dev/null",
                                    t.path, t.path),
                     0);
    memset(t.model, 7, 192 << 10);
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "theirs"), 3);
    case_write(&t, 1 << 20, 512);
    change_bitmap(&t, TN_BITMAP_ADD, "ours", TN_BITMAP_ENABLED);
    image_test_close(&t);
    case_verify(&t);
    assert_int_equal(image_test_run("qemu-img bitmap --merge theirs %s ours "
                                    "&& qemu-img bitmap --remove %s theirs",
                                    t.path, t.path),
                     0);
    image_kind_open(&t, &case_kind, 0);
    assert_int_equal(bits_set(&t, "ours"), 4);
    case_verify(&t);
    image_test_clear(&t);
}

/* Bits of 512 bytes set in bitmap NAME, which must be whole. */
static guint small_bits_set(struct image_test *t, const char *name)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    uint64_t bytes = (t->bytes / 512 + 7) / 8;
    g_autofree uint8_t *bits = g_malloc0(bytes);
    guint n = 0;

    for (uint32_t i = 0;; i++) {
        b->size = sizeof *b;
        assert_int_equal(f->bitmap_info(t->node->host.self, i, b), 0);
        if (!strcmp(b->name, name)) {
            assert_int_equal(b->flags & TN_BITMAP_IN_USE, 0);
            assert_int_equal(
                f->bitmap_bits(t->node->host.self, i, 0, 0, bits, bytes), 0);
            break;
        }
    }
    image_calls_end(t);
    for (uint64_t i = 0; i < bytes * 8; i++)
        n += bits[i / 8] >> (i % 8) & 1;
    return n;
}

static void resize_to(struct image_test *t, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc = f->resize(t->node->host.self, bytes, &error);

    if (rc)
        fail_msg("resize: %s", tn_error_text(&error, rc));
    t->node->info.bytes = bytes;
    image_calls_end(t);
    t->model = g_realloc(t->model, bytes);
    if (bytes > t->bytes)
        memset(t->model + t->bytes, 0, bytes - t->bytes);
    t->bytes = bytes;
}

static void reopen(struct image_test *t)
{
    image_test_close(t);
    image_kind_open(t, &case_kind, TN_IMAGE_WRITABLE);
}

static void add_small(struct image_test *t, const char *name, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);

    b->size = sizeof *b;
    b->flags = flags;
    b->granularity = 512;
    g_strlcpy(b->name, name, sizeof b->name);
    assert_int_equal(
        f->bitmap(t->node->host.self, TN_BITMAP_ADD, b, &error), 0);
    image_calls_end(t);
}

/* Clusters of 512 bytes: 2 MiB of the disk in each piece of a bitmap. */
static void test_bitmaps_are_resized(void **state)
{
    struct image_test t;

    (void)state;
    for (guint saved = 0; saved < 2; saved++) {
        case_begin(&t, 8);
        case_make(&t, "cluster-size=512");
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        add_small(&t, "on", TN_BITMAP_ENABLED);
        reopen(&t);
        case_write(&t, 100 << 10, 1024);
        add_small(&t, "off", TN_BITMAP_ENABLED);
        case_write(&t, 5u << 19, 2048);
        case_write(&t, (9u << 18) - 512, 1024); /* half is cut off */
        if (saved) /* else the bits are in memory */
            reopen(&t);
        change_bitmap(&t, TN_BITMAP_DISABLE, "off", 0);
        assert_int_equal(small_bits_set(&t, "on"), 8);
        resize_to(&t, 9u << 18);
        assert_int_equal(small_bits_set(&t, "on"), 3);
        assert_int_equal(small_bits_set(&t, "off"), 1);
        resize_to(&t, 9u << 20);
        assert_int_equal(small_bits_set(&t, "on"), 3);
        case_write(&t, 8u << 20, 512);
        assert_int_equal(small_bits_set(&t, "on"), 4);
        case_verify(&t);
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        assert_int_equal(small_bits_set(&t, "on"), 4);
        assert_int_equal(small_bits_set(&t, "off"), 1);
        resize_to(&t, 2u << 20); /* whole pieces go */
        assert_int_equal(small_bits_set(&t, "on"), 2);
        case_verify(&t);
        image_test_clear(&t);
    }
}

static void test_the_reference_resizes_bitmaps(void **state)
{
    struct image_test t;

    (void)state;
    case_need_reference();
    case_begin(&t, 9);
    case_make(&t, "cluster-size=512");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    add_small(&t, "on", TN_BITMAP_ENABLED);
    reopen(&t);
    case_write(&t, 100 << 10, 1024);
    resize_to(&t, 9u << 20);
    case_write(&t, 8u << 20, 512);
    image_test_close(&t);
    assert_int_equal(
        image_test_run("qemu-img resize -q --shrink %s 7M", t.path), 0);
    t.bytes = 7u << 20;
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    assert_int_equal(small_bits_set(&t, "on"), 2);
    resize_to(&t, 8u << 20);
    assert_int_equal(small_bits_set(&t, "on"), 2);
    case_verify(&t);
    image_test_clear(&t);
}

static void test_no_snapshot_is_applied_to_bitmaps(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot s = {.size = sizeof s, .name = "s"};
    struct image_test t;
    const struct tn_format *f;

    (void)state;
    case_begin(&t, 10);
    case_make(&t, "");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    change_bitmap(&t, TN_BITMAP_ADD, "on", TN_BITMAP_ENABLED);
    f = image_calls_begin(&t);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error), 0);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_APPLY, &s, &error), -EBUSY);
    image_calls_end(&t);
    case_verify(&t);
    image_test_clear(&t);
}

/* ---- crafted ones ---- */

/* Where the directory's entries are; it has two with names of one letter. */
static uint64_t find_directory(const uint8_t *data, gsize bytes)
{
    static const uint8_t type[] = {0x23, 0x85, 0x28, 0x75, 0, 0, 0, 24};
    const uint8_t *at = memmem(data, MIN(bytes, 65536), type, sizeof type);
    uint64_t offset;

    assert_non_null(at);
    memcpy(&offset, at + 8 + 16, 8);
    offset = GUINT64_FROM_BE(offset);
    assert_true(offset + 64 <= bytes);
    return offset;
}

static uint32_t flags_of(struct image_test *t, uint32_t index)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);

    b->size = sizeof *b;
    assert_int_equal(f->bitmap_info(t->node->host.self, index, b), 0);
    image_calls_end(t);
    return b->flags;
}

/* Their tables are one; one table is beyond the end. Neither is believed. */
static void test_tables_that_cannot_be(void **state)
{
    (void)state;
    for (guint i = 0; i < 2; i++) {
        g_autofree char *data = NULL;
        struct image_test t;
        uint64_t at;
        gsize bytes;

        case_begin(&t, 11);
        case_make(&t, "");
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        change_bitmap(&t, TN_BITMAP_ADD, "a", TN_BITMAP_ENABLED);
        change_bitmap(&t, TN_BITMAP_ADD, "b", TN_BITMAP_ENABLED);
        image_test_close(&t);
        assert_true(g_file_get_contents(t.path, &data, &bytes, NULL));
        at = find_directory((uint8_t *)data, bytes);
        if (i == 0)
            memcpy(data + at + 32, data + at, 8);
        else
            memset(data + at + 32, 0x10, 2);
        assert_true(
            g_file_set_contents(t.path, data, (gssize)bytes, NULL));
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        assert_int_equal(!(flags_of(&t, 0) & TN_BITMAP_IN_USE), i);
        assert_true(flags_of(&t, 1) & TN_BITMAP_IN_USE);
        case_write(&t, 0, 65536);
        image_test_close(&t);
        image_kind_open(&t, &case_kind, 0);
        image_test_compare(&t);
        assert_true(flags_of(&t, 1) & TN_BITMAP_IN_USE);
        image_test_clear(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmaps_follow_writes),
        cmocka_unit_test(test_bitmaps_with_the_reference),
        cmocka_unit_test(test_bitmaps_are_resized),
        cmocka_unit_test(test_the_reference_resizes_bitmaps),
        cmocka_unit_test(test_no_snapshot_is_applied_to_bitmaps),
        cmocka_unit_test(test_tables_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
