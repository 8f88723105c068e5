/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LUKS: every cipher with every mode and IV generator, and every hash; each
 * kind of preallocation. What the reference tool makes is read here and the
 * other way round. Each of them takes its time: TENON_TEST_LUKS_STEP=1 is all
 * of them, else some that have every cipher, mode and generator.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "plugins/fmt-luks/luks-case.h"

#define BYTES (64u << 10)

static const struct {
    const char *name;
    guint key_bytes;
} ciphers[] = {
    {"aes-128", 16},     {"aes-192", 24},     {"aes-256", 32},
    {"cast5-128", 16},   {"serpent-128", 16}, {"serpent-192", 24},
    {"serpent-256", 32}, {"twofish-128", 16}, {"twofish-192", 24},
    {"twofish-256", 32}, {"3des", 24},
};
static const char *const modes[] = {"ecb", "cbc", "xts", "ctr"};
static const char *const ivgens[] = {"plain", "plain64", "essiv"};
static const char *const hashes[] = {"sha1",   "sha224", "sha256",
                                     "sha384", "sha512", "ripemd160"};

/* In LUKS the key's stripes must be whole sectors; what is not ends the
 * reference tool. */
static gboolean is_whole(guint cipher, guint mode)
{
    guint key = ciphers[cipher].key_bytes * (mode == 2 ? 2 : 1);

    return key * 4000 % 512 == 0;
}

static char *options_of(guint number, guint *cipher, guint *mode)
{
    guint ivgen = number % G_N_ELEMENTS(ivgens);
    const char *hash =
        hashes[(number / 3 + number / 36) % G_N_ELEMENTS(hashes)];

    number /= G_N_ELEMENTS(ivgens);
    *mode = number % G_N_ELEMENTS(modes);
    *cipher = number / G_N_ELEMENTS(modes);
    return g_strdup_printf("cipher-alg=%s,cipher-mode=%s,ivgen-alg=%s%s%s,"
                           "hash-alg=%s",
                           ciphers[*cipher].name, modes[*mode], ivgens[ivgen],
                           ivgen == 2 ? ",ivgen-hash-alg=" : "",
                           ivgen == 2 ? "sha256" : "", hash);
}

/* Prime to how many modes, generators and ciphers there are. */
#define STEP 7u
#define SETS                                                                   \
    (G_N_ELEMENTS(ciphers) * G_N_ELEMENTS(modes) * G_N_ELEMENTS(ivgens))

static void write_something(struct luks_test *l)
{
    g_autofree uint8_t *data = g_malloc(BYTES);

    for (guint i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 3 + i / 512);
    assert_int_equal(image_do(&l->t, TN_DISK_WRITE, 0, 0, BYTES, data), 0);
    luks_take_model(l);
    assert_memory_equal(l->t.model, data, BYTES);
}

static int32_t make(struct luks_test *l, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *all =
        g_strdup_printf("key-secret=key0,iter-time=1,%s", options);
    struct tn_create create = {.size = sizeof create, .bytes = BYTES};

    return image_create_with(&l->t, "luks", all, &create, &error);
}

static void open_it(struct luks_test *l, const char *options, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (luks_case_open(l, flags, &error))
        fail_msg("%s: %s", options, tn_error_text(&error, 0));
}

static void made_here(const char *options, gboolean reference, guint *made)
{
    struct luks_test l;

    luks_case_begin(&l);
    if (!make(&l, options)) {
        (*made)++;
        open_it(&l, options, TN_IMAGE_WRITABLE);
        write_something(&l);
        image_test_close(&l.t);
        open_it(&l, options, 0);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        if (reference)
            luks_reference_compare(&l);
    }
    luks_case_end(&l);
}

static void test_every_cipher_made_here(void **state)
{
    guint step = (guint)image_environment("TENON_TEST_LUKS_STEP", STEP);
    guint made = 0, compared = 0, n = 0;

    (void)state;
    for (guint i = 0; i < SETS; i += step, n++) {
        guint cipher, mode;
        g_autofree char *options = options_of(i, &cipher, &mode);
        gboolean reference = (step == 1 || n % 6 == 0) &&
                             is_whole(cipher, mode) &&
                             image_test_has_reference();

        made_here(options, reference, &made);
        compared += reference ? 1 : 0;
    }
    print_message("%u of %u sets made, %u looked at by the reference\n", made,
                  n, compared);
    assert_true(made > n / 2);
}

/* Has our library the cipher? */
static gboolean is_there(struct luks_test *l, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (!luks_case_open(l, 0, &error)) {
        image_test_close(&l->t);
        return TRUE;
    }
    if (!strstr(tn_error_text(&error, 0), "libgcrypt of this system"))
        fail_msg("%s: %s", options, tn_error_text(&error, 0));
    print_message("left out: %s\n", tn_error_text(&error, 0));
    return FALSE;
}

static void made_there(const char *options, guint *made)
{
    g_autofree char *said = NULL;
    struct luks_test l;

    luks_case_begin(&l);
    said = g_build_filename(l.t.directory, "said", NULL);
    if (image_test_run("qemu-img create -q -f luks --object secret,id=s,"
                       "data='" PASSWORD "' -o key-secret=s,iter-time=10,%s "
                       "%s %u >%s 2>&1",
                       options, l.t.path, BYTES, said) == 0 &&
        is_there(&l, options)) {
        (*made)++;
        open_it(&l, options, TN_IMAGE_WRITABLE);
        write_something(&l);
        image_test_close(&l.t);
        luks_reference_compare(&l);
    }
    luks_case_end(&l);
}

/* What it refuses is not looked at: its library may lack a cipher. */
static void test_every_cipher_made_by_the_reference(void **state)
{
    guint step = (guint)image_environment("TENON_TEST_LUKS_STEP", 17);
    guint made = 0, tried = 0;

    (void)state;
    if (!image_test_has_reference()) {
        print_message("skipped: qemu-img is not installed\n");
        skip();
    }
    for (guint i = 1; i < SETS; i += step) {
        guint cipher, mode;
        g_autofree char *options = options_of(i, &cipher, &mode);

        if (!is_whole(cipher, mode))
            continue;
        tried++;
        made_there(options, &made);
    }
    print_message("%u of %u sets made by the reference\n", made, tried);
}

static uint64_t stored(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void test_each_preallocation(void **state)
{
    static const char *const modes_of_it[] = {"off", "metadata", "falloc",
                                              "full"};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(modes_of_it); i++) {
        g_autofree char *options =
            g_strdup_printf("preallocation=%s", modes_of_it[i]);
        struct luks_test l;
        struct stat st;

        luks_case_begin(&l);
        luks_case_make(&l, options, 4 * MIB);
        assert_int_equal(stat(l.t.path, &st), 0);
        assert_true(st.st_size >= 4 * MIB);
        if (i >= 2)
            assert_true(stored(l.t.path) >= 4 * MIB);
        open_it(&l, options, TN_IMAGE_WRITABLE);
        assert_int_equal(l.t.node->info.bytes, 4 * MIB);
        write_something(&l);
        image_test_close(&l.t);
        if (image_test_has_reference())
            luks_reference_compare(&l);
        luks_case_end(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cipher_made_here),
        cmocka_unit_test(test_every_cipher_made_by_the_reference),
        cmocka_unit_test(test_each_preallocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
