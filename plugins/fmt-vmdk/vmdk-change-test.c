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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_repair_does_not_take_its_copy_for_a_grain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
