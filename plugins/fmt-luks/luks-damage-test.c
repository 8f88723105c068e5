/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS headers that are damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/fmt-luks/luks-case.h"

#define JSON_AT 4096u

/* The checksum of a header of version 2, so that damage gets past it. */
static void seal(uint8_t *data, uint64_t bytes)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = 32;

    memset(data + 448, 0, 64);
    g_checksum_update(sum, data, (gssize)bytes);
    g_checksum_get_digest(sum, data + 448, &length);
}

static void damage(GRand *random, uint8_t *data, gint32 from, gint32 to)
{
    static const char *const texts[] = {
        "-1",   "\"", "{",   "[",       "}",   "]", "99999999999999999999",
        "null", "0",  "1e9", "\\u0000", "512", ",", ":",
        "\xff"};
    guint n = (guint)g_rand_int_range(random, 1, 4);

    while (n--) {
        gint32 at = g_rand_int_range(random, from, to);
        const char *text =
            texts[g_rand_int_range(random, 0, G_N_ELEMENTS(texts))];

        if (g_rand_boolean(random))
            data[at] = (uint8_t)g_rand_int(random);
        else
            memcpy(data + at, text, MIN(strlen(text), (size_t)(to - at)));
    }
}

static void damaged(uint32_t version)
{
    guint count = (guint)image_environment("TENON_TEST_MUTATIONS", 1500);
    GRand *random =
        g_rand_new_with_seed((guint32)image_environment("TENON_TEST_SEED", 1));
    g_autofree char *good = NULL;
    struct luks_test l;
    gsize bytes;
    guint opened = 0;

    luks_case_begin(&l);
    if (version == 1) {
        luks_case_make(&l, "", MIB / 4);
    } else if (!luks_cryptsetup_make(&l, "--type luks2 --pbkdf pbkdf2 "
                                         "--pbkdf-force-iterations 1000")) {
        luks_case_end(&l);
        g_rand_free(random);
        skip();
    }
    assert_true(g_file_get_contents(l.t.path, &good, &bytes, NULL));
    for (guint i = 0; i < count; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        uint8_t header[16384];
        FILE *file;

        memcpy(header, good, sizeof header);
        if (version == 1) {
            damage(random, header, 6, 592);
        } else {
            gint32 length = (gint32)strlen(good + JSON_AT);

            damage(random, header, JSON_AT, (gint32)JSON_AT + length);
            seal(header, sizeof header);
        }
        file = fopen(l.t.path, "r+b");
        assert_non_null(file);
        assert_int_equal(fwrite(header, sizeof header, 1, file), 1);
        fclose(file);
        if (!image_test_open(&l.t, "luks", TN_IMAGE_NO_IO, &error)) {
            char text[4096];

            opened++;
            l.t.node->fmt.describe(l.t.node->host.self, text, sizeof text);
            image_test_close(&l.t);
        } else {
            assert_true(tn_error_text(&error, 0)[0]);
        }
    }
    print_message("%u of %u damaged headers open\n", opened, count);
    g_rand_free(random);
    luks_case_end(&l);
}

static void test_damaged_version_1(void **state)
{
    (void)state;
    damaged(1);
}

static void test_damaged_version_2(void **state)
{
    (void)state;
    damaged(2);
}

static void test_cut_off(void **state)
{
    static const char *const lengths[] = {"0",    "7",       "591",    "592",
                                          "4096", "2068479", "2068480"};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct luks_test l;
        int32_t rc;

        luks_case_begin(&l);
        luks_case_make(&l, "", MIB);
        assert_int_equal(
            image_test_run("truncate -s %s %s", lengths[i], l.t.path), 0);
        rc = luks_case_open(&l, 0, &error);
        assert_int_equal(rc, i + 1 == G_N_ELEMENTS(lengths) ? 0 : -EINVAL);
        luks_case_end(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_version_1),
        cmocka_unit_test(test_damaged_version_2),
        cmocka_unit_test(test_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
