/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMDK: streams, chains, descriptors, ESXi's extents. Histories are in
 * vmdk-kind-test.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "tests/image/kind.h"

#define BYTES ((3u << 20) + 4096)
#define GRAIN 65536u

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-vmdk",
                                      NULL};

static void need_reference(void)
{
    if (!image_test_has_reference())
        skip();
}

static void begin(struct image_test *t)
{
    image_test_init(t, plugins, BLOCK_IO_BEST, 3);
    g_free(t->path);
    t->path = g_build_filename(t->directory, "disk.vmdk", NULL);
    t->bytes = BYTES;
    t->model = g_malloc0(BYTES);
    /* Noise, text, zeroes. */
    for (uint32_t i = 0; i < BYTES; i++)
        t->model[i] = i >> 17 & 1   ? (uint8_t)g_rand_int(t->random)
                      : i >> 18 & 1 ? 0
                                    : (uint8_t)"words and words "[i % 16];
}

static void make(struct image_test *t, const char *options,
                 const char *backing, const char *backing_id)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create,
                               .bytes = t->bytes,
                               .backing = backing,
                               .backing_format = backing ? "vmdk" : NULL,
                               .backing_id = backing_id};
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

static int32_t try_open(struct image_test *t, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    return image_test_open(t, "vmdk", flags, &error);
}

static void write_file(struct image_test *t, const char *name,
                       const void *data, gsize bytes)
{
    g_autofree char *path = g_build_filename(t->directory, name, NULL);

    assert_true(g_file_set_contents(path, data, (gssize)bytes, NULL));
}

static void reference_reads(struct image_test *t)
{
    assert_int_equal(image_test_run("qemu-img check -q -f vmdk %s", t->path),
                     0);
    write_file(t, "model.raw", t->model, t->bytes);
    assert_int_equal(image_test_run("qemu-img compare -q -f raw -F vmdk "
                                    "%s/model.raw %s",
                                    t->directory, t->path),
                     0);
}

/* ---- streams ---- */

static gboolean is_zero(const uint8_t *data, uint64_t bytes)
{
    return !data[0] && !memcmp(data, data + 1, bytes - 1);
}

static int32_t write_unit(struct image_test *t, uint64_t offset)
{
    uint64_t n = MIN(GRAIN, t->bytes - offset);
    struct iovec iov = {t->model + offset, n};
    struct block_op op = {.node = t->node,
                          .op = TN_DISK_WRITE,
                          .flags = BLOCK_OP_COMPRESS,
                          .offset = offset,
                          .bytes = n,
                          .iov = &iov,
                          .n_iov = 1};

    return block_op_wait(&op);
}

static void write_stream(struct image_test *t)
{
    make(t, "subformat=streamOptimized", NULL, NULL);
    open_image(t, TN_IMAGE_WRITABLE);
    assert_true(t->node->info.flags & TN_FORMAT_SEQUENTIAL);
    for (uint64_t at = 0; at < t->bytes; at += GRAIN)
        if (!is_zero(t->model + at, MIN(GRAIN, t->bytes - at)))
            assert_int_equal(write_unit(t, at), 0);
    image_test_close(t);
}

static void test_a_stream_is_read_here(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    write_stream(&t);
    open_image(&t, 0);
    assert_true(t.node->info.flags & TN_FORMAT_COMPRESSED);
    image_test_compare(&t);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

static void test_a_stream_is_read_by_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t);
    write_stream(&t);
    reference_reads(&t);
    image_test_clear(&t);
}

static void test_an_empty_stream_is_read_by_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t);
    memset(t.model, 0, t.bytes);
    make(&t, "subformat=streamOptimized", NULL, NULL);
    reference_reads(&t);
    image_test_clear(&t);
}

static void test_a_stream_is_not_written_again(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    write_stream(&t);
    assert_int_equal(try_open(&t, TN_IMAGE_WRITABLE), -ENOTSUP);
    image_test_clear(&t);
}

static void test_a_stream_is_not_written_out_of_order(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make(&t, "subformat=streamOptimized", NULL, NULL);
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(write_unit(&t, 2 * GRAIN), 0);
    assert_int_not_equal(write_unit(&t, GRAIN), 0);
    image_test_clear(&t);
}

static void test_streams_of_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t);
    write_file(&t, "model.raw", t.model, t.bytes);
    assert_int_equal(image_test_run("qemu-img convert -f raw -O vmdk -o "
                                    "subformat=streamOptimized %s/model.raw "
                                    "%s",
                                    t.directory, t.path),
                     0);
    open_image(&t, 0);
    image_test_compare(&t);
    image_check_clean(&t, FALSE);
    image_test_clear(&t);
}

/* A table for each 32 MiB is written behind its grains. */
static void test_a_stream_of_many_tables(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    t.bytes = 100u << 20;
    t.model = g_realloc(t.model, t.bytes);
    memset(t.model + BYTES, 0, t.bytes - BYTES);
    for (uint64_t at = BYTES; at < t.bytes; at += 5 << 20)
        t.model[at] = (uint8_t)(at >> 20 | 1);
    write_stream(&t);
    open_image(&t, 0);
    image_test_compare(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        reference_reads(&t);
    image_test_clear(&t);
}

/* ---- chains ---- */

static void make_base(struct image_test *t)
{
    g_autofree char *overlay = t->path;
    char id[64];

    t->path = g_build_filename(t->directory, "base.vmdk", NULL);
    make(t, "", NULL, NULL);
    open_image(t, TN_IMAGE_WRITABLE);
    assert_int_equal(
        image_do(t, TN_DISK_WRITE, 0, 0, t->bytes, t->model), 0);
    image_test_close(t);
    open_image(t, 0);
    g_strlcpy(id, t->node->info.content_id, sizeof id);
    image_test_close(t);
    g_free(t->path);
    t->path = g_strdup(overlay);
    make(t, "", "base.vmdk", id);
}

static void write_over(struct image_test *t)
{
    open_image(t, TN_IMAGE_WRITABLE);
    memset(t->model + 70000 / 512 * 512, 0x77, 200 * 512);
    assert_int_equal(image_do(t, TN_DISK_WRITE, 0, 70000 / 512 * 512,
                              200 * 512, t->model + 70000 / 512 * 512),
                     0);
    memset(t->model + (1 << 20), 0, 300 << 10);
    assert_int_equal(image_do(t, TN_DISK_ZERO, TN_DISK_UNMAP, 1 << 20,
                              300 << 10, NULL),
                     0);
    image_test_compare(t);
    image_test_close(t);
}

static void test_a_chain_made_here(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make_base(&t);
    write_over(&t);
    open_image(&t, 0);
    image_test_compare(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        reference_reads(&t);
    image_test_clear(&t);
}

static void test_a_chain_made_by_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t);
    make_base(&t);
    assert_int_equal(image_test_run("cd %s && qemu-img create -q -f vmdk -F "
                                    "vmdk -b base.vmdk -o zeroed_grain=on "
                                    "disk.vmdk",
                                    t.directory),
                     0);
    write_over(&t);
    reference_reads(&t);
    image_test_clear(&t);
}

static void test_a_base_that_changed_is_refused(void **state)
{
    g_autofree char *overlay = NULL;
    struct image_test t;

    (void)state;
    begin(&t);
    make_base(&t);
    overlay = t.path;
    t.path = g_build_filename(t.directory, "base.vmdk", NULL);
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, 512, t.model + 512),
                     0);
    image_test_close(&t);
    g_free(t.path);
    t.path = g_strdup(overlay);
    assert_true(try_open(&t, 0) < 0);
    image_test_clear(&t);
}

/* ---- descriptors ---- */

#define DESCRIPTOR(type, line)                                                 \
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"            \
    "createType=\"" type "\"\n\n" line "\n"

static void test_names_outside_are_refused(void **state)
{
    static const char *const texts[] = {
        DESCRIPTOR("monolithicFlat", "RW 8 FLAT \"/etc/passwd\" 0"),
        DESCRIPTOR("monolithicFlat", "RW 8 FLAT \"../x\" 0"),
        DESCRIPTOR("monolithicFlat", "RW 8 FLAT \"a/../../x\" 0"),
        DESCRIPTOR("monolithicFlat", "RW 8 FLAT \"nbd://host/x\" 0"),
    };
    struct image_test t;

    (void)state;
    begin(&t);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        write_file(&t, "disk.vmdk", texts[i], strlen(texts[i]));
        assert_int_equal(try_open(&t, 0), -EPERM);
    }
    image_test_clear(&t);
}

static void test_an_extent_of_zeroes(void **state)
{
    static const char text[] =
        DESCRIPTOR("custom", "RW 8 FLAT \"a\" 1\nRW 16 ZERO\nRW 8 FLAT \"a\"");
    struct image_test t;
    uint8_t data[4096 + 512];

    (void)state;
    begin(&t);
    t.bytes = 32 * 512;
    memset(data, 0x31, sizeof data);
    write_file(&t, "a", data, sizeof data);
    write_file(&t, "disk.vmdk", text, sizeof text - 1);
    memset(t.model, 0, t.bytes);
    memset(t.model, 0x31, 4096);
    memset(t.model + 24 * 512, 0x31, 4096);
    open_image(&t, 0);
    image_test_compare(&t);
    image_test_clear(&t);
}

static void test_a_text_file_keeps_its_length_but_not_its_cid(void **state)
{
    g_autofree char *before = NULL, *after = NULL;
    gsize n_before, n_after;
    struct image_test t;

    (void)state;
    begin(&t);
    make(&t, "subformat=monolithicFlat", NULL, NULL);
    assert_true(g_file_get_contents(t.path, &before, &n_before, NULL));
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, 0, 512, t.model), 0);
    image_test_close(&t);
    assert_true(g_file_get_contents(t.path, &after, &n_after, NULL));
    assert_int_equal(n_before, n_after);
    assert_memory_not_equal(before, after, n_before);
    assert_null(memchr(after, 0, n_after));
    image_test_clear(&t);
}

static void test_split_extents(void **state)
{
    g_autofree char *third = NULL;
    struct image_test t;

    (void)state;
    begin(&t);
    t.bytes = 5ull << 30;
    make(&t, "subformat=twoGbMaxExtentSparse", NULL, NULL);
    third = g_build_filename(t.directory, "disk-s003.vmdk", NULL);
    assert_true(g_file_test(third, G_FILE_TEST_EXISTS));
    open_image(&t, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_WRITE, 0, (2ull << 30) - GRAIN,
                              2 * GRAIN, t.model + (128 << 10)),
                     0);
    image_test_close(&t);
    if (image_test_has_reference())
        assert_int_equal(
            image_test_run("qemu-img check -q %s && test \"$(qemu-img info "
                           "%s | grep -c 'format: SPARSE')\" = 3",
                           t.path, t.path),
            0);
    image_test_clear(&t);
}

static void test_describe(void **state)
{
    char text[4096];
    const struct tn_format *f;
    struct image_test t;
    int32_t n;

    (void)state;
    begin(&t);
    make(&t, "subformat=monolithicFlat", NULL, NULL);
    open_image(&t, 0);
    f = image_calls_begin(&t);
    n = f->describe(t.node->host.self, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    image_calls_end(&t);
    assert_non_null(strstr(text, "\"parent-cid\": 4294967295"));
    assert_non_null(strstr(text, "\"create-type\": \"monolithicFlat\""));
    assert_non_null(strstr(text, "\"format\": \"FLAT\""));
    assert_non_null(strstr(text, "disk-flat.vmdk\""));
    assert_null(strstr(text, "cluster-size"));
    f = image_calls_begin(&t);
    assert_int_equal(f->describe(t.node->host.self, text, 40), -ENOSPC);
    image_calls_end(&t);
    image_test_clear(&t);
}

/* ---- ESXi ---- */

static void put32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}

static void put64(uint8_t *p, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, 8);
}

static void same_as_model(struct image_test *t, const char *name)
{
    g_autofree char *path = g_build_filename(t->directory, name, NULL);
    g_autofree char *data = NULL;
    gsize bytes;

    assert_true(g_file_get_contents(path, &data, &bytes, NULL));
    assert_int_equal(bytes, t->bytes);
    assert_memory_equal(data, t->model, bytes);
}

#define COWD_TEXT                                                              \
    DESCRIPTOR("vmfsSparse", "RW 16384 VMFSSPARSE \"delta.vmdk\"")

/* 8 MiB: two tables, of which the second is missing. */
static void make_cowd(struct image_test *t)
{
    uint32_t table = 8 * 512;
    g_autofree uint8_t *file = g_malloc0(64 * 512);

    memcpy(file, "COWD", 4);
    put32(file + 4, 1);
    put32(file + 8, 3);
    put32(file + 12, 16384);
    put32(file + 16, 1);
    put32(file + 20, 4);
    put32(file + 24, 4);
    put32(file + 28, 64);
    put32(file + 4 * 512, 8);
    put32(file + table + 5 * 4, 60);
    put32(file + table + 6 * 4, 61);
    memset(file + 60 * 512, 0x41, 1024);
    write_file(t, "delta.vmdk", file, 64 * 512);
    write_file(t, "disk.vmdk", COWD_TEXT, sizeof COWD_TEXT - 1);
    t->bytes = 16384 * 512;
    t->model = g_realloc(t->model, t->bytes);
    memset(t->model, 0, t->bytes);
    memset(t->model + 5 * 512, 0x41, 1024);
}

static void test_cowd(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make_cowd(&t);
    open_image(&t, TN_IMAGE_WRITABLE);
    image_test_compare(&t);
    image_test_history(&t, 300, 4);
    image_test_compare(&t);
    image_check_clean(&t, FALSE);
    image_test_close(&t);
    open_image(&t, 0);
    image_test_compare(&t);
    image_test_close(&t);
    /* It takes the disk to be larger: only the part that is there. */
    if (image_test_has_reference())
        assert_int_equal(
            image_test_run("cd %s && qemu-img dd -f vmdk -O raw bs=512 "
                           "count=16384 if=disk.vmdk of=out.raw >/dev/null",
                           t.directory),
            0);
    if (image_test_has_reference())
        same_as_model(&t, "out.raw");
    image_test_clear(&t);
}

#define SE_TEXT DESCRIPTOR("seSparse", "RW 65536 SESPARSE \"se.vmdk\"")

static void make_sesparse(struct image_test *t)
{
    g_autofree uint8_t *file = g_malloc0(512 * 512);
    uint8_t *gd = file + 8 * 512, *table = file + 128 * 512;

    put64(file, 0xcafebabe);
    put64(file + 8, 0x0000000200000001ull);
    put64(file + 16, 65536);
    put64(file + 24, 8);
    put64(file + 32, 64);
    put64(file + 80, 1); /* volatile header */
    put64(file + 88, 1);
    put64(file + 96, 2); /* journal header and journal */
    put64(file + 104, 2);
    put64(file + 112, 4);
    put64(file + 120, 2);
    put64(file + 128, 8); /* directory, tables */
    put64(file + 136, 8);
    put64(file + 144, 64);
    put64(file + 152, 192);
    put64(file + 160, 256); /* bitmap, back map, grains */
    put64(file + 168, 8);
    put64(file + 176, 264);
    put64(file + 184, 8);
    put64(file + 192, 272);
    put64(file + 200, 240);
    put64(file + 512, 0xcafecafe);
    put64(gd, 0x1000000000000001ull);
    put64(table, 0x3000000000000000ull); /* grain 0 */
    put64(table + 8, 0x2000000000000000ull);
    put64(table + 16, 0x3003000000000000ull); /* grain 3 */
    memset(file + 272 * 512, 0x51, 4096);
    memset(file + (272 + 24) * 512, 0x52, 4096);
    write_file(t, "se.vmdk", file, 512 * 512);
    write_file(t, "disk.vmdk", SE_TEXT, sizeof SE_TEXT - 1);
    t->bytes = 65536 * 512;
    t->model = g_realloc(t->model, t->bytes);
    memset(t->model, 0, t->bytes);
    memset(t->model, 0x51, 4096);
    memset(t->model + 8192, 0x52, 4096);
}

static void test_sesparse(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t);
    make_sesparse(&t);
    open_image(&t, 0);
    image_test_compare(&t);
    image_test_close(&t);
    assert_int_equal(try_open(&t, TN_IMAGE_WRITABLE), -ENOTSUP);
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_is_read_here),
        cmocka_unit_test(test_a_stream_is_read_by_the_reference),
        cmocka_unit_test(test_an_empty_stream_is_read_by_the_reference),
        cmocka_unit_test(test_a_stream_is_not_written_again),
        cmocka_unit_test(test_a_stream_is_not_written_out_of_order),
        cmocka_unit_test(test_streams_of_the_reference),
        cmocka_unit_test(test_a_stream_of_many_tables),
        cmocka_unit_test(test_a_chain_made_here),
        cmocka_unit_test(test_a_chain_made_by_the_reference),
        cmocka_unit_test(test_a_base_that_changed_is_refused),
        cmocka_unit_test(test_names_outside_are_refused),
        cmocka_unit_test(test_an_extent_of_zeroes),
        cmocka_unit_test(test_a_text_file_keeps_its_length_but_not_its_cid),
        cmocka_unit_test(test_split_extents),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_cowd),
        cmocka_unit_test(test_sesparse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
