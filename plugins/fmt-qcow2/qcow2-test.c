/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2: content of which the reference tool is the author: compressed
 * clusters, backing images, snapshots.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/block/block-test.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

static void need_reference(void)
{
    if (!image_test_has_reference()) {
        print_message("skipped: qemu-img is not installed\n");
        skip();
    }
}

static void open_writable(struct image_test *t)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = image_test_open(t, "qcow2", TN_IMAGE_WRITABLE, &error);

    if (rc)
        fail_msg("open: %s", tn_error_text(&error, rc));
}

/* Both say that the image is whole and has what the model has. */
static void check_with_reference(struct image_test *t)
{
    g_autofree char *raw = g_strconcat(t->path, ".raw", NULL);
    g_autofree char *data = NULL;
    gsize bytes = 0;

    if (!image_test_has_reference())
        return;
    assert_int_equal(image_test_run("qemu-img check -q -f qcow2 %s", t->path),
                     0);
    assert_int_equal(
        image_test_run("qemu-img convert -f qcow2 -O raw %s %s", t->path, raw),
        0);
    assert_true(g_file_get_contents(raw, &data, &bytes, NULL));
    assert_int_equal(bytes, t->bytes);
    assert_memory_equal(data, t->model, bytes);
    unlink(raw);
}

static void run_history(struct image_test *t, guint operations)
{
    open_writable(t);
    image_test_history(t, operations, 16);
    image_test_compare(t);
    image_test_close(t);
    check_with_reference(t);
    open_writable(t);
    image_test_compare(t);
    image_test_history(t, operations / 2, 4);
    image_test_close(t);
    check_with_reference(t);
}

/* ---- content that was there before ---- */

static void fill(uint8_t *data, uint64_t bytes, GRand *random)
{
    for (uint64_t i = 0; i < bytes; i++) /* words compress, noise does not */
        data[i] = i >> 16 & 1 ? (uint8_t)g_rand_int(random)
                              : (uint8_t)"tenon tenon "[i % 12];
}

static char *write_raw(struct image_test *t)
{
    char *raw = g_strconcat(t->path, ".base", NULL);

    fill(t->model, t->bytes, t->random);
    assert_true(g_file_set_contents(raw, (char *)t->model, (gssize)t->bytes,
                                    NULL));
    return raw;
}

static void compressed(const char *type)
{
    g_autofree char *raw = NULL;
    struct image_test t;

    image_test_init(&t, plugins, BLOCK_IO_BEST, 5);
    t.bytes = 4 << 20;
    t.model = g_malloc0(t.bytes);
    raw = write_raw(&t);
    assert_int_equal(image_test_run("qemu-img convert -c -f raw -O qcow2 -o "
                                    "compression_type=%s %s %s",
                                    type, raw, t.path),
                     0);
    open_writable(&t);
    image_test_compare(&t);
    image_test_close(&t);
    run_history(&t, 1500);
    image_test_clear(&t);
}

static void test_compressed(void **state)
{
    (void)state;
    need_reference();
    compressed("zlib");
    compressed("zstd");
}

static void backed(const char *extra)
{
    g_autofree char *raw = NULL;
    struct image_test t;

    image_test_init(&t, plugins, BLOCK_IO_BEST, 6);
    t.bytes = 4 << 20;
    t.model = g_malloc0(t.bytes);
    raw = write_raw(&t);
    assert_int_equal(image_test_run("qemu-img create -q -f qcow2 -F raw -b %s "
                                    "-o %s %s",
                                    raw, extra, t.path),
                     0);
    run_history(&t, 1500);
    image_test_clear(&t);
}

static void test_backing(void **state)
{
    (void)state;
    need_reference();
    backed("compat=1.1");
    backed("compat=0.10");
    backed("extended_l2=on");
}

/* Writing after an internal snapshot copies, and leaves the snapshot whole. */
static void test_snapshot_is_kept(void **state)
{
    g_autofree uint8_t *old = NULL;
    struct image_test t;

    (void)state;
    need_reference();
    image_test_init(&t, plugins, BLOCK_IO_BEST, 8);
    t.bytes = 4 << 20;
    t.model = g_malloc0(t.bytes);
    assert_int_equal(image_test_create(&t, "qcow2", t.bytes), 0);
    run_history(&t, 500);
    old = g_memdup2(t.model, t.bytes);
    assert_int_equal(image_test_run("qemu-img snapshot -c one %s", t.path), 0);
    run_history(&t, 1500);
    assert_int_equal(image_test_run("qemu-img snapshot -a one %s", t.path), 0);
    memcpy(t.model, old, t.bytes);
    check_with_reference(&t);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_backing),
        cmocka_unit_test(test_snapshot_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
