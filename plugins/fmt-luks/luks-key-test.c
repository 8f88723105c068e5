/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS: secrets, keys changed, a header in a file of its own, sizes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "plugins/fmt-luks/luks-case.h"

static void test_wrong_and_missing_secrets(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_case_begin(&l);
    luks_case_make(&l, "", MIB);
    luks_set(&l, "key-secret", "wrong");
    assert_int_equal(luks_case_open(&l, 0, &error), -EPERM);
    assert_non_null(strstr(tn_error_text(&error, 0), "password is wrong"));
    luks_set(&l, "key-secret", "nobody");
    assert_int_equal(luks_case_open(&l, 0, &error), -ENOENT);
    assert_int_equal(image_test_open(&l.t, "luks", 0, &error), -EINVAL);
    assert_non_null(strstr(tn_error_text(&error, 0), "key-secret"));
    assert_int_equal(image_test_open(&l.t, NULL, TN_IMAGE_NO_IO, &error), 0);
    assert_true(l.t.node->info.flags & TN_FORMAT_ENCRYPTED);
    luks_case_end(&l);
}

static int32_t amend(struct luks_test *l, uint32_t force,
                     const char *const *pairs, struct tn_error *error)
{
    const char *names[8], *values[8];
    struct tn_amend what = {
        .size = sizeof what, .names = names, .values = values, .force = force};
    const struct tn_format *format = image_calls_begin(&l->t);
    int32_t rc;

    for (; *pairs; pairs += 2, what.n++) {
        names[what.n] = pairs[0];
        values[what.n] = pairs[1];
    }
    rc = format->amend(l->t.node->host.self, &what, error);
    image_calls_end(&l->t);
    return rc;
}

static void test_keys_added_and_erased(void **state)
{
    static const char *const add[] = {"state",     "active",  "new-secret",
                                      "key1",      "keyslot", "3",
                                      "iter-time", "1",       NULL};
    static const char *const erase[] = {"state", "inactive", "old-secret",
                                        "key0", NULL};
    static const char *const last[] = {"state", "inactive", "keyslot", "3",
                                       NULL};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_case_begin(&l);
    luks_case_make(&l, "", MIB);
    assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(amend(&l, 0, add, &error), 0);
    assert_int_equal(amend(&l, 0, erase, &error), 0);
    assert_int_equal(amend(&l, 0, last, &error), -EPERM);
    assert_non_null(strstr(tn_error_text(&error, 0), "force"));
    image_test_close(&l.t);
    assert_int_equal(luks_case_open(&l, 0, &error), -EPERM);
    luks_set(&l, "key-secret", "key1");
    assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    if (luks_has_program("cryptsetup"))
        assert_int_equal(
            image_test_run("cd %s && printf 'battery staple' >pw && cryptsetup "
                           "open --disable-locks --test-passphrase "
                           "--key-slot 3 --key-file pw %s",
                           l.t.directory, l.t.path),
            0);
    assert_int_equal(amend(&l, 1, last, &error), 0);
    image_test_close(&l.t);
    assert_int_equal(luks_case_open(&l, 0, &error), -EPERM);
    luks_case_end(&l);
}

static void test_detached_header(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *header = NULL;
    char text[4096];
    struct luks_test l;

    (void)state;
    luks_case_begin(&l);
    luks_case_make(&l, "detached-header=yes", MIB);
    assert_int_equal(luks_case_open(&l, 0, &error), -EINVAL);
    header = g_strdup_printf("%s.header", l.t.path);
    assert_int_equal(g_rename(l.t.path, header), 0);
    assert_int_equal(image_test_run("truncate -s 1M %s", l.t.path), 0);
    luks_set(&l, "header", header);
    if (luks_case_open(&l, TN_IMAGE_WRITABLE, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    assert_int_equal(l.t.node->info.bytes, MIB);
    luks_take_model(&l);
    image_test_history(&l.t, 200, 4);
    image_test_compare(&l.t);
    assert_true(l.t.node->fmt.describe(l.t.node->host.self, text, sizeof text) >
                0);
    assert_non_null(strstr(text, "\"detached-header\": true"));
    luks_case_end(&l);
}

static void test_resized(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_case_begin(&l);
    luks_case_make(&l, "", MIB);
    assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(
        image_calls_begin(&l.t)->resize(l.t.node->host.self, 2 * MIB, &error),
        0);
    image_calls_end(&l.t);
    image_test_close(&l.t);
    assert_int_equal(luks_case_open(&l, 0, &error), 0);
    assert_int_equal(l.t.node->info.bytes, 2 * MIB);
    luks_case_end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_and_missing_secrets),
        cmocka_unit_test(test_keys_added_and_erased),
        cmocka_unit_test(test_detached_header),
        cmocka_unit_test(test_resized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
