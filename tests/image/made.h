/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For formats that are only read: images that make-image.py makes, their
 * content, and damage to them. A test file defines `kind` and `variants`, and
 * ends with MADE_TESTS.
 */
#ifndef TENON_TESTS_IMAGE_MADE_H
#define TENON_TESTS_IMAGE_MADE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/image/kind.h"

/* VARIANT of FORMAT at t->path, its content at t->path.raw. */
static void made_image(struct image_test *t, const char *format,
                       const char *variant)
{
    const char *top = g_getenv("TENON_TOP_SRCDIR");

    assert_int_equal(image_test_run("python3 %s/tests/image/make-image.py %s "
                                    "%s %s",
                                    top ? top : ".", format, variant, t->path),
                     0);
}

static void made_content(const struct image_kind *kind, const char *variant)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *raw = NULL;
    struct image_test t;

    image_kind_init(&t, kind, 1);
    made_image(&t, kind->name, variant);
    raw = g_strconcat(t.path, ".raw", NULL);
    assert_true(
        g_file_get_contents(raw, (char **)&t.model, &t.bytes, NULL));
    if (image_test_open(&t, kind->name, 0, &error))
        fail_msg("%s: %s", variant, tn_error_text(&error, 0));
    image_test_compare(&t);
    for (guint i = 0; i < 200; i++) {
        uint64_t at = 512 * (uint64_t)g_rand_int_range(
                                t.random, 0, (gint32)(t.bytes / 512));
        uint64_t n = MIN(t.bytes - at, 9 * 512u);
        uint8_t data[9 * 512];

        assert_int_equal(image_do(&t, TN_DISK_READ, 0, at, n, data), 0);
        assert_memory_equal(data, t.model + at, n);
    }
    image_test_close(&t);
    assert_true(image_test_open(&t, kind->name, TN_IMAGE_WRITABLE, &error) <
                0);
    /* Is what the script makes such an image? Some have what the reference may
     * be without. */
    if (!g_str_has_prefix(variant, "all") && image_test_has_reference())
        assert_int_equal(image_test_run("qemu-img convert -f %s -O raw %s "
                                        "%s.out && cmp %s.out %s",
                                        kind->name, t.path, t.path, t.path,
                                        raw),
                         0);
    image_test_clear(&t);
}

#define MADE_TESTS MADE_TESTS_AND()
/* With more tests: MADE_TESTS_AND(cmocka_unit_test(test_it), ) */
#define MADE_TESTS_AND(...)                                                    \
    static gboolean made_seed(struct image_test *t, guint index)               \
    {                                                                          \
        if (!variants[index])                                                  \
            return FALSE;                                                      \
        made_image(t, kind.name, variants[index]);                             \
        return TRUE;                                                           \
    }                                                                          \
    static void test_content(void **state)                                     \
    {                                                                          \
        (void)state;                                                           \
        for (guint i = 0; variants[i]; i++)                                    \
            made_content(&kind, variants[i]);                                  \
    }                                                                          \
    static void test_damage(void **state)                                      \
    {                                                                          \
        struct image_kind with = kind;                                         \
                                                                               \
        (void)state;                                                           \
        with.seed = made_seed;                                                 \
        image_fuzz_test(&with);                                                \
    }                                                                          \
    int main(void)                                                             \
    {                                                                          \
        const struct CMUnitTest tests[] = {                                    \
            cmocka_unit_test(test_content),                                    \
            cmocka_unit_test(test_damage),                                     \
            __VA_ARGS__                                                        \
        };                                                                     \
                                                                               \
        return cmocka_run_group_tests(tests, NULL, NULL);                      \
    }

#endif
