/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2: the repair of damage that has a name, and of leaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugins/fmt-qcow2/qcow2-case.h"

static void poke(struct image_test *t, uint64_t offset, const void *data,
                 gsize bytes)
{
    int fd = open(t->path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, (off_t)offset), bytes);
    close(fd);
}

static void peek(struct image_test *t, uint64_t offset, void *data, gsize n)
{
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, n, (off_t)offset), n);
    close(fd);
}

static uint64_t peek64(struct image_test *t, uint64_t offset)
{
    uint64_t v;

    peek(t, offset, &v, 8);
    return GUINT64_FROM_BE(v);
}

static void poke64(struct image_test *t, uint64_t offset, uint64_t v)
{
    v = GUINT64_TO_BE(v);
    poke(t, offset, &v, 8);
}

#define PLACE 0x00fffffffffffe00ull

/* NUMBER: which damage. FALSE past the last. */
static gboolean damage(struct image_test *t, guint number)
{
    uint64_t l1 = peek64(t, 40), table = peek64(t, 48);
    uint64_t l2 = peek64(t, l1) & PLACE, block = peek64(t, table) & PLACE;

    switch (number) {
    case 0: /* a count too low */
        poke(t, block + 20, "\0\0", 2);
        break;
    case 1: /* beyond the end */
        poke64(t, l2, 0x80000fff00000000ull);
        break;
    case 2: /* not aligned */
        poke64(t, l2, peek64(t, l2) | 512);
        break;
    case 3: /* into the header, the table of counts, the L1 table */
        poke64(t, l2 + 8, 0x8000000000000000ull | table);
        poke64(t, l2 + 16, 0x8000000000000000ull | l1);
        break;
    case 4: /* twice the same, both marked as the only one */
        poke64(t, l2 + 8, peek64(t, l2));
        break;
    case 5: /* no block of counts */
        poke64(t, table, 0);
        break;
    case 6:
        poke64(t, table, block | 512);
        break;
    case 7: /* the table of counts is nowhere */
        poke64(t, 48, 0x1000000000ull);
        break;
    case 8: /* an L1 entry to nowhere */
        poke64(t, l1, 0x8000100000000000ull);
        break;
    case 9: /* the tables of counts are the L1 table */
        poke64(t, table, l1);
        break;
    case 10: /* marked corrupt and dirty */
        poke64(t, 72, 3);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

static void test_damage_is_repaired(void **state)
{
    (void)state;
    for (guint i = 0;; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_check c;
        struct image_test t;
        gboolean more;

        case_begin(&t, 11);
        case_make(&t, "cluster-size=4K");
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        case_write(&t, 0, 1 << 20);
        image_test_close(&t);
        more = damage(&t, i);
        if (more) {
            assert_int_equal(image_open_alone(&t, "qcow2",
                                              TN_IMAGE_CHECK |
                                                  TN_IMAGE_WRITABLE,
                                              &error),
                             0);
            assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
            if (i < 10 && !c.corruptions)
                fail_msg("damage %u is not found", i);
            assert_int_equal(image_kind_check(&t, 2, FALSE, &c), 0);
            assert_int_equal(c.corruptions, c.corruptions_fixed);
            image_test_close(&t);
            image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
            image_check_clean(&t, FALSE);
            image_test_close(&t);
            image_reference_check(&t, &case_kind, FALSE);
        }
        image_test_clear(&t);
        if (!more)
            break;
    }
}

/* Leaks are given back; nothing else changes. */
static void test_leaks_are_given_back(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;
    struct tn_check c;
    uint64_t block;

    (void)state;
    case_begin(&t, 12);
    case_make(&t, "cluster-size=4K");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    case_write(&t, 0, 1 << 20);
    image_test_close(&t);
    block = peek64(&t, peek64(&t, 48)) & PLACE;
    poke(&t, block + 1000, "\0\1\0\2", 4); /* of nothing */
    poke(&t, block + 20, "\0\0", 2);       /* damage, which stays */
    assert_int_equal(image_open_alone(&t, "qcow2",
                                      TN_IMAGE_CHECK | TN_IMAGE_WRITABLE,
                                      &error),
                     0);
    assert_int_equal(image_kind_check(&t, 1, FALSE, &c), 0);
    assert_int_equal(c.leaks, 2);
    assert_int_equal(c.leaks_fixed, 2);
    assert_int_equal(c.corruptions, 1);
    assert_int_equal(c.corruptions_fixed, 0);
    assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
    assert_int_equal(c.leaks, 0);
    assert_int_equal(c.corruptions, 1);
    image_test_clear(&t);
}

/* A table of 2 MiB that N of the L1 entries refer to, which makes the disk. */
static void make_one_table(struct image_test *t, guint n)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree uint64_t *entries = g_new(uint64_t, n);
    uint64_t entry;

    case_begin(t, 13);
    case_make(t, "cluster-size=2M");
    image_kind_open(t, &case_kind, TN_IMAGE_WRITABLE);
    case_write(t, 0, 1 << 20);
    image_test_close(t);
    entry = GUINT64_TO_BE(peek64(t, peek64(t, 40)));
    for (guint i = 0; i < n; i++)
        entries[i] = entry;
    /* Behind everything, at 64 MiB. */
    poke(t, 64u << 20, (char *)entries, n * sizeof *entries);
    poke64(t, 40, 64u << 20);
    poke64(t, 24, (uint64_t)n << 39);
    poke64(t, 32, n); /* the method of encryption, 0, and how many entries */
    assert_int_equal(image_open_alone(t, "qcow2",
                                      TN_IMAGE_CHECK | TN_IMAGE_WRITABLE,
                                      &error),
                     0);
}

/* It is looked at once, or this does not end. */
static void test_check_of_one_table(void **state)
{
    struct image_test t;
    struct tn_check c;

    (void)state;
    make_one_table(&t, 1u << 20);
    assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
    assert_true(c.corruptions > 0);
    image_test_clear(&t);
}

/* Its counts are put right; and yet it is not counted entry by entry. */
static void test_snapshot_of_one_table(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot wanted = {.name = "one"};
    struct image_test t;
    struct tn_check c;
    const struct tn_format *f;

    (void)state;
    make_one_table(&t, 60000);
    assert_int_equal(image_kind_check(&t, 2, FALSE, &c), 0);
    assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
    assert_int_equal(c.corruptions, 0);
    f = image_calls_begin(&t);
    assert_int_equal(f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE,
                                 &wanted, &error),
                     -EUCLEAN);
    image_calls_end(&t);
    assert_int_equal(image_kind_check(&t, 0, FALSE, &c), 0);
    assert_int_equal(c.corruptions, 0);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_is_repaired),
        cmocka_unit_test(test_leaks_are_given_back),
        cmocka_unit_test(test_check_of_one_table),
        cmocka_unit_test(test_snapshot_of_one_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
