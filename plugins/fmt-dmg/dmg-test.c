/* SPDX-License-Identifier: Apache-2.0 */
/* dmg images that a script made: content and damage (tests/image/made.h). */
#include "tests/image/made.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-dmg", NULL};

/* Every kind of chunk, and each kind that is compressed by itself. */
static const char *const variants[] = {
    "zlib",      "raw",      "resources", "all-adc",
#if defined HAVE_BZ2 && defined HAVE_LZMA
    "all",
#endif
#ifdef HAVE_BZ2
    "all-bzip2",
#endif
#ifdef HAVE_LZMA
    "all-lzma",
#endif
#ifdef HAVE_LZFSE
    "all-lzfse",
#endif
    NULL};

/* What this build cannot expand. */
static const struct {
    const char *variant, *name;
} missing[] = {
#ifndef HAVE_BZ2
    {"all-bzip2", "bzip2"},
#endif
#ifndef HAVE_LZMA
    {"all-lzma", "LZMA"},
#endif
#ifndef HAVE_LZFSE
    {"all-lzfse", "LZFSE"},
#endif
    {NULL, NULL},
};

static const struct image_kind kind = {
    .name = "dmg",
    .plugins = plugins,
    .abilities = IMAGE_READ_ONLY,
};

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    for (guint i = 0; missing[i].name; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct image_test t;

        image_kind_init(&t, &kind, 1);
        made_image(&t, "dmg", missing[i].variant);
        assert_true(image_test_open(&t, "dmg", 0, &error) < 0);
        assert_non_null(strstr(tn_error_text(&error, 0), missing[i].name));
        assert_non_null(strstr(tn_error_text(&error, 0), "this build"));
        image_test_clear(&t);
    }
}

MADE_TESTS_AND(cmocka_unit_test(test_what_is_missing_is_named), )
