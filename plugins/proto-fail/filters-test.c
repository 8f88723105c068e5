/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocols null, delay, fail and log-writes, under raw and qcow2 images.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "tests/image/kind.h"

#define MIB (1u << 20)

static const char *const plugins[] = {
    "proto-file", "proto-null", "proto-delay", "proto-fail",
    "proto-log-writes", "fmt-raw", "fmt-qcow2", NULL};

static void begin(struct image_test *t, const char *format, uint64_t bytes)
{
    image_test_init(t, plugins, BLOCK_IO_BEST, 11);
    t->bytes = bytes;
    t->model = g_malloc0(bytes);
    if (format)
        assert_int_equal(image_test_create(t, format, bytes), 0);
}

/* The name that the test opens from now on: PREFIX and the file's. */
static void filtered(struct image_test *t, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static void filtered(struct image_test *t, const char *format, ...)
{
    g_autofree char *prefix = NULL;
    char *path = t->path;
    va_list ap;

    va_start(ap, format);
    prefix = g_strdup_vprintf(format, ap);
    va_end(ap);
    t->path = g_strconcat(prefix, path, NULL);
    g_free(path);
}

static void open_it(struct image_test *t, const char *format, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (image_test_open(t, format, flags, &error))
        fail_msg("%s", tn_error_text(&error, 0));
}

static int32_t refused(struct image_test *t, const char *name)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    g_free(t->path);
    t->path = g_strdup(name);
    rc = image_test_open(t, "raw", 0, &error);
    assert_int_not_equal(rc, 0);
    assert_true(tn_error_text(&error, 0)[0]);
    return rc;
}

/* ---- null ---- */

static void test_null_reads_as_zeroes(void **state)
{
    g_autofree uint8_t *data = g_malloc(65536);
    struct image_test t;

    (void)state;
    begin(&t, NULL, 512);
    g_free(t.path);
    t.path = g_strdup("null-co://3G");
    open_it(&t, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(t.node->info.bytes, UINT64_C(3) << 30);
    memset(data, 1, 65536);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 4096, 65536, data), 0);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 4096, 65536, data), 0);
    for (guint i = 0; i < 65536; i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(image_do(&t, TN_DISK_ZERO, TN_DISK_UNMAP, 0, MIB, NULL),
                     0);
    assert_int_equal(image_do(&t, TN_DISK_FLUSH, 0, 0, 0, NULL), 0);
    image_test_clear(&t);
}

static void test_null_of_no_size(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, NULL, 512);
    assert_int_equal(refused(&t, "null://what"), -EINVAL);
    assert_int_equal(refused(&t, "null://8388608T"), -EFBIG);
    image_test_clear(&t);
}

/* ---- delay ---- */

static void test_delay_waits(void **state)
{
    gint64 start, taken;
    uint8_t data[512] = {0};
    struct image_test t;

    (void)state;
    begin(&t, "raw", MIB);
    filtered(&t, "delay://read=30ms@");
    open_it(&t, "raw", TN_IMAGE_WRITABLE);
    start = g_get_monotonic_time();
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 0, 512, data), 0);
    taken = g_get_monotonic_time() - start;
    assert_true(taken >= 30000);
    image_test_clear(&t);
}

static void test_delayed_history(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, "qcow2", 2 * MIB);
    filtered(&t, "delay://read=200us,write=300us,flush=1ms,zero=100us@");
    open_it(&t, "qcow2", TN_IMAGE_WRITABLE);
    image_test_history(&t, 600, 16);
    image_test_compare(&t);
    image_test_close(&t);
    open_it(&t, "qcow2", 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

/* ---- names ---- */

static void test_names_that_are_refused(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, NULL, 512);
    assert_int_equal(refused(&t, "delay://read=1week@null://1M"), -EINVAL);
    assert_int_equal(refused(&t, "delay://colour=1ms@null://1M"), -EINVAL);
    assert_int_equal(refused(&t, "delay://"), -EINVAL);
    assert_int_equal(refused(&t, "fail://op=guess@null://1M"), -EINVAL);
    assert_int_equal(refused(&t, "fail://nth=0@null://1M"), -EINVAL);
    assert_int_equal(refused(&t, "fail://chance=1.5@null://1M"), -EINVAL);
    assert_int_equal(refused(&t, "delay://nowhere://x"), -ENOENT);
    assert_int_equal(refused(&t, "log-writes://null://1M"), -EINVAL);
    image_test_clear(&t);
}

static void test_a_filter_of_a_filter(void **state)
{
    uint8_t data[512];
    struct image_test t;

    (void)state;
    begin(&t, "raw", MIB);
    filtered(&t, "delay://write=1ms@fail://op=read,nth=2,count=1@");
    open_it(&t, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 0, 512, data), 0);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 0, 512, data), 0);
    image_test_clear(&t);
}

/* ---- fail ---- */

static void test_fail_by_rule(void **state)
{
    uint8_t data[4096] = {0};
    struct image_test t;

    (void)state;
    begin(&t, "raw", MIB);
    filtered(&t, "fail://op=write,from=64K,to=0x10fff,errno=ENOSPC,"
                 "op=flush,nth=2,count=1@");
    open_it(&t, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 61440, 4096, data), 0);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 65536, 512, data),
                     -ENOSPC);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0x10e00, 1024, data),
                     -ENOSPC);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0x11000, 512, data), 0);
    assert_int_equal(image_do(&t, TN_DISK_READ, 0, 65536, 512, data), 0);
    image_test_clear(&t);
}

static void test_fail_by_chance(void **state)
{
    guint failed = 0;
    uint8_t data[512];
    struct image_test t;

    (void)state;
    begin(&t, "raw", MIB);
    filtered(&t, "fail://op=read,chance=0.25,seed=9@");
    open_it(&t, "raw", 0);
    for (guint i = 0; i < 1000; i++) {
        int rc = image_do(&t, TN_DISK_READ, 0, 512, 512, data);

        assert_true(rc == 0 || rc == -EIO);
        failed += rc != 0;
    }
    assert_true(failed > 180 && failed < 320);
    image_test_clear(&t);
}

/* ---- log-writes ---- */

static uint64_t get_le64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, 8);
    return GUINT64_FROM_LE(value);
}

/* Does what the log says, from the first entry; returns how many. */
static uint64_t replay(const char *log, gsize length, uint8_t *disk,
                       uint64_t bytes, uint64_t *flushes)
{
    uint64_t entries = get_le64(log + 16), at = 512;

    assert_int_equal(get_le64(log), 0x6a736677736872);
    assert_int_equal(get_le64(log + 8), 1);
    assert_int_equal(get_le64(log + 24), 512);
    *flushes = 0;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t sector = get_le64(log + at);
        uint64_t count = get_le64(log + at + 8);
        uint64_t flags = get_le64(log + at + 16);
        uint64_t data = get_le64(log + at + 24);

        at += 512;
        assert_true(at + data <= length);
        if (flags & 1)
            (*flushes)++;
        else if (!(flags & 4))
            assert_int_equal(data, count * 512);
        assert_true((sector + count) * 512 <= bytes);
        memcpy(disk + sector * 512, log + at, data);
        at += data;
    }
    return entries;
}

static void test_log_makes_the_same_disk(void **state)
{
    g_autofree char *log = NULL;
    g_autofree uint8_t *disk = g_malloc0(4 * MIB);
    g_autofree char *contents = NULL;
    uint64_t flushes;
    struct image_test t;
    gsize length;

    (void)state;
    begin(&t, "raw", 4 * MIB);
    log = g_build_filename(t.directory, "the.log", NULL);
    filtered(&t, "log-writes://log=%s@", log);
    open_it(&t, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&t, 1500, 16);
    image_test_compare(&t);
    assert_int_equal(image_do(&t, TN_DISK_FLUSH, 0, 0, 0, NULL), 0);
    image_test_close(&t);
    assert_true(g_file_get_contents(log, &contents, &length, NULL));
    assert_true(replay(contents, length, disk, 4 * MIB, &flushes) > 800);
    assert_true(flushes > 0);
    assert_memory_equal(disk, t.model, 4 * MIB);
    image_test_clear(&t);
}

static void test_log_under_qcow2(void **state)
{
    g_autofree char *log = NULL;
    g_autofree char *plain = NULL;
    g_autofree uint8_t *disk = g_malloc0(8 * MIB);
    g_autofree char *contents = NULL;
    uint64_t flushes;
    struct image_test t;
    gsize length;

    (void)state;
    begin(&t, NULL, 3 * MIB);
    log = g_build_filename(t.directory, "the.log", NULL);
    plain = g_strdup(t.path);
    filtered(&t, "log-writes://log=%s@", log);
    assert_int_equal(image_test_create(&t, "qcow2", 3 * MIB), 0);
    /* The log of making it, then that of using it. */
    assert_true(g_file_get_contents(log, &contents, &length, NULL));
    replay(contents, length, disk, 8 * MIB, &flushes);
    g_clear_pointer(&contents, g_free);
    open_it(&t, "qcow2", TN_IMAGE_WRITABLE);
    image_test_history(&t, 500, 8);
    image_test_compare(&t);
    image_test_close(&t);
    assert_true(g_file_get_contents(log, &contents, &length, NULL));
    replay(contents, length, disk, 8 * MIB, &flushes);
    assert_true(g_file_set_contents(plain, (char *)disk, 8 * MIB, NULL));
    g_free(t.path);
    t.path = g_steal_pointer(&plain);
    open_it(&t, "qcow2", 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_reads_as_zeroes),
        cmocka_unit_test(test_null_of_no_size),
        cmocka_unit_test(test_delay_waits),
        cmocka_unit_test(test_delayed_history),
        cmocka_unit_test(test_names_that_are_refused),
        cmocka_unit_test(test_a_filter_of_a_filter),
        cmocka_unit_test(test_fail_by_rule),
        cmocka_unit_test(test_fail_by_chance),
        cmocka_unit_test(test_log_makes_the_same_disk),
        cmocka_unit_test(test_log_under_qcow2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
