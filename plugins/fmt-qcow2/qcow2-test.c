/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2 against a plain model and the reference tool, in both directions.
 * TENON_TEST_OPERATIONS sets how long the random histories are, all together.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/block/block-test.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

/* What `qemu-img create -o` takes. */
static const char *const variants[] = {
    "compat=1.1",
    "compat=0.10",
    "compat=1.1,cluster_size=512",
    "compat=1.1,cluster_size=4k,refcount_bits=1",
    "compat=1.1,cluster_size=2M,refcount_bits=64",
    "compat=1.1,cluster_size=16k,refcount_bits=2",
    "compat=1.1,cluster_size=64k,extended_l2=on",
    "compat=1.1,cluster_size=16k,extended_l2=on,compression_type=zstd",
};

static guint operations(void)
{
    const char *text = g_getenv("TENON_TEST_OPERATIONS");

    return (text ? (guint)atoi(text) : 16000) / G_N_ELEMENTS(variants);
}

static void begin(struct image_test *t, guint32 seed)
{
    image_test_init(t, plugins, FALSE, seed);
    t->bytes = (24 << 20) + 1536;
    t->model = g_malloc0(t->bytes);
}

static void open_writable(struct image_test *t)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = image_test_open(t, NULL, TN_IMAGE_WRITABLE, &error);

    if (rc)
        fail_msg("%s", tn_error_text(&error, rc));
}

static void save_model(struct image_test *t, const char *path)
{
    assert_true(g_file_set_contents(path, (const char *)t->model,
                                    (gssize)t->bytes, NULL));
}

/* The reference tool finds no mistake and sees the model. */
static void check_by_reference(struct image_test *t)
{
    g_autofree char *model = g_build_filename(t->directory, "model", NULL);

    save_model(t, model);
    assert_int_equal(image_test_run("qemu-img check -f qcow2 %s", t->path), 0);
    assert_int_equal(
        image_test_run("qemu-img compare -f raw -F qcow2 %s %s", model,
                       t->path),
        0);
}

static void histories(struct image_test *t, guint count)
{
    for (guint i = 0; i < 4; i++) {
        open_writable(t);
        image_test_history(t, count / 4, i % 2 ? 1 : 16);
        image_test_compare(t);
        image_test_close(t);
        check_by_reference(t);
    }
}

static void test_histories(void **state)
{
    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        struct image_test t;

        print_message("%s\n", variants[i]);
        begin(&t, i + 1);
        assert_int_equal(image_test_run("qemu-img create -f qcow2 -o %s %s "
                                        "%" G_GUINT64_FORMAT,
                                        variants[i], t.path, t.bytes),
                         0);
        histories(&t, operations());
        image_test_clear(&t);
    }
}

static void fill_model(struct image_test *t)
{
    for (uint64_t i = 0; i < t->bytes; i++)
        t->model[i] = i >> 18 & 1 ? (uint8_t)(i >> 9) : 0;
}

static void test_compressed_images_are_read_and_overwritten(void **state)
{
    static const char *const types[] = {"zlib", "zstd"};

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        struct image_test t;
        g_autofree char *raw = NULL;

        begin(&t, i + 1);
        raw = g_build_filename(t.directory, "raw", NULL);
        fill_model(&t);
        save_model(&t, raw);
        assert_int_equal(
            image_test_run("qemu-img convert -f raw -O qcow2 -c "
                           "-o compression_type=%s %s %s",
                           types[i], raw, t.path),
            0);
        open_writable(&t);
        image_test_compare(&t);
        image_test_close(&t);
        histories(&t, operations() / 4);
        image_test_clear(&t);
    }
}

static void test_backing_chain(void **state)
{
    static const char *const overlays[] = {
        "compat=1.1", "compat=0.10", "extended_l2=on,cluster_size=128k"};

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(overlays); i++) {
        struct image_test t;
        g_autofree char *raw = NULL;

        begin(&t, i + 1);
        raw = g_build_filename(t.directory, "raw", NULL);
        fill_model(&t);
        save_model(&t, raw);
        assert_int_equal(
            image_test_run("cd %s && qemu-img convert -f raw -O qcow2 %s base "
                           "&& qemu-img create -f qcow2 -b base -F qcow2 "
                           "-o %s image",
                           t.directory, raw, overlays[i]),
            0);
        open_writable(&t);
        image_test_compare(&t);
        image_test_close(&t);
        histories(&t, operations() / 4);
        image_test_clear(&t);
    }
}

static void test_snapshots_stay_as_they_were(void **state)
{
    struct image_test t;
    g_autofree char *before = NULL;

    (void)state;
    if (!image_test_has_reference())
        skip();
    begin(&t, 5);
    before = g_build_filename(t.directory, "before", NULL);
    assert_int_equal(image_test_create(&t, "qcow2", t.bytes), 0);
    histories(&t, 400);
    save_model(&t, before);
    assert_int_equal(image_test_run("qemu-img snapshot -c one %s", t.path), 0);
    histories(&t, 1000);
    assert_int_equal(image_test_run("qemu-img snapshot -a one %s && "
                                    "qemu-img compare -f raw -F qcow2 %s %s",
                                    t.path, before, t.path),
                     0);
    image_test_clear(&t);
}

static void test_a_new_image_is_sound(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, 1);
    assert_int_equal(image_test_create(&t, "qcow2", t.bytes), 0);
    open_writable(&t);
    image_test_compare(&t);
    image_test_history(&t, 500, 8);
    image_test_compare(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        check_by_reference(&t);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_image_is_sound),
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_compressed_images_are_read_and_overwritten),
        cmocka_unit_test(test_backing_chain),
        cmocka_unit_test(test_snapshots_stay_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
