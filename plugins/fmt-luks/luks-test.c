/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS images made here, by the reference tool and by cryptsetup, read and
 * written by both sides. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/fmt-luks/luks-case.h"

static const char *const option_sets[] = {
    "",
    "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,hash-alg=sha1",
    "cipher-alg=serpent-256,hash-alg=sha512",
    "cipher-alg=twofish-256,cipher-mode=cbc,ivgen-alg=plain,hash-alg=ripemd160",
    "cipher-alg=cast5-128,cipher-mode=cbc,ivgen-alg=plain64",
    "cipher-alg=aes-256,cipher-mode=ctr",
    /* In mode cbc its key material is no whole sectors, which ends the
     * reference tool. */
    "cipher-alg=aes-192",
    "preallocation=full",
    "preallocation=falloc",
};

static void test_history_made_here(void **state)
{
    guint count = (guint)image_environment("TENON_TEST_OPERATIONS", 400);

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(option_sets); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct luks_test l;

        luks_case_begin(&l);
        luks_case_make(&l, option_sets[i], 3 * MIB + 64 * 1024);
        assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        assert_int_equal(l.t.node->info.bytes, 3 * MIB + 64 * 1024);
        luks_take_model(&l);
        image_test_history(&l.t, count, 8);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        assert_int_equal(luks_case_open(&l, 0, &error), 0);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        if (image_test_has_reference())
            luks_reference_compare(&l);
        luks_case_end(&l);
    }
}

static void test_made_by_the_reference(void **state)
{
    static const char *const sets[] = {
        "iter-time=10",
        ("cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,"
         "ivgen-hash-alg=sha256,hash-alg=sha1"),
        "cipher-alg=twofish-256,hash-alg=sha512",
    };

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        g_autofree char *arguments = NULL;
        struct luks_test l;

        luks_case_begin(&l);
        arguments =
            g_strdup_printf("-f luks --object secret,id=s,data='" PASSWORD
                            "' -o key-secret=s,%s %s 2M",
                            sets[i], l.t.path);
        if (!image_reference_encrypts(&l.t, arguments)) {
            luks_case_end(&l);
            continue;
        }
        assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        luks_take_model(&l);
        image_test_close(&l.t);
        luks_reference_compare(&l);
        assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        image_test_history(&l.t, 200, 8);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        luks_reference_compare(&l);
        luks_case_end(&l);
    }
}

/* ---- cryptsetup ---- */

static void test_opened_by_cryptsetup(void **state)
{
    struct luks_test l;

    (void)state;
    if (!luks_has_program("cryptsetup"))
        skip();
    luks_case_begin(&l);
    luks_case_make(&l, "", MIB);
    assert_int_equal(image_test_run("cd %s && printf '" PASSWORD
                                    "' >pw && cryptsetup open "
                                    "--test-passphrase --key-file pw %s",
                                    l.t.directory, l.t.path),
                     0);
    luks_case_end(&l);
}

static void test_version_1_made_by_cryptsetup(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_case_begin(&l);
    if (!luks_cryptsetup_make(&l,
                              "--type luks1 --pbkdf-force-iterations 1000")) {
        luks_case_end(&l);
        skip();
    }
    assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    luks_take_model(&l);
    image_test_history(&l.t, 300, 8);
    image_test_compare(&l.t);
    image_test_close(&l.t);
    if (image_test_has_reference())
        luks_reference_compare(&l);
    luks_case_end(&l);
}

/* Only we can check the data of version 2 without a kernel: what version 1
 * with the same key and offset has. Here: it opens, and its content is what
 * the cipher makes of the file's noise: see the sector size. */
static void version_2(const char *options, uint32_t sector_bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    luks_case_begin(&l);
    if (!luks_cryptsetup_make(&l, options)) {
        luks_case_end(&l);
        skip();
    }
    if (luks_case_open(&l, 0, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    assert_int_equal(l.t.node->info.block_bytes, sector_bytes);
    assert_int_equal(l.t.node->info.bytes, 4 * MIB);
    image_test_close(&l.t);
    luks_set(&l, "key-secret", "wrong");
    assert_int_equal(luks_case_open(&l, 0, &error), -EPERM);
    luks_set(&l, "key-secret", "key0");
    assert_int_equal(luks_case_open(&l, TN_IMAGE_WRITABLE, &error), -EROFS);
    luks_case_end(&l);
}

static void test_version_2_with_pbkdf2(void **state)
{
    (void)state;
    version_2("--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
              "--sector-size 512",
              512);
}

static void test_version_2_with_argon2id(void **state)
{
    (void)state;
    version_2("--type luks2 --pbkdf argon2id --pbkdf-force-iterations 4 "
              "--pbkdf-memory 4096 --pbkdf-parallel 2 --sector-size 4096",
              4096);
}

static void test_version_2_with_argon2i(void **state)
{
    (void)state;
    version_2("--type luks2 --pbkdf argon2i --pbkdf-force-iterations 4 "
              "--pbkdf-memory 2048 --sector-size 512 "
              "--cipher aes-cbc-essiv:sha256",
              512);
}

/* The volume key given to cryptsetup is known, so the content can be made. */
static void test_version_2_decrypts(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test one, two;
    uint8_t *data = g_malloc(MIB);

    (void)state;
    luks_case_begin(&one);
    luks_case_begin(&two);
    if (!luks_has_program("cryptsetup")) {
        luks_case_end(&one);
        luks_case_end(&two);
        g_free(data);
        skip();
    }
    assert_int_equal(
        image_test_run("cd %s && head -c 64 /dev/urandom >vk && printf "
                       "'" PASSWORD "' >pw && "
                       "truncate -s 20M %s %s && cryptsetup -q luksFormat "
                       "--type luks1 --volume-key-file vk -s 512 "
                       "--pbkdf-force-iterations 1000 %s pw && cryptsetup -q "
                       "luksFormat --type luks2 --volume-key-file vk -s 512 "
                       "--sector-size 512 --pbkdf pbkdf2 "
                       "--pbkdf-force-iterations 1000 %s pw",
                       one.t.directory, one.t.path, two.t.path, one.t.path,
                       two.t.path),
        0);
    for (guint i = 0; i < MIB; i++)
        data[i] = (uint8_t)(i * 7 + i / 512);
    assert_int_equal(luks_case_open(&one, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(image_do(&one.t, TN_DISK_WRITE, 0, 0, MIB, data), 0);
    image_test_close(&one.t);
    /* Data begins at 2 MiB in version 1, at 16 MiB in version 2. */
    assert_int_equal(image_test_run("dd if=%s of=%s bs=1M skip=2 seek=16 "
                                    "count=1 conv=notrunc 2>/dev/null",
                                    one.t.path, two.t.path),
                     0);
    assert_int_equal(luks_case_open(&two, 0, &error), 0);
    luks_take_model(&two);
    assert_memory_equal(two.t.model, data, MIB);
    image_test_close(&two.t);
    /* The second copy of the header does when the first is gone. */
    assert_int_equal(image_test_run("dd if=/dev/zero of=%s bs=4096 count=1 "
                                    "conv=notrunc 2>/dev/null",
                                    two.t.path),
                     0);
    assert_int_equal(luks_case_open(&two, 0, &error), 0);
    luks_take_model(&two);
    assert_memory_equal(two.t.model, data, MIB);
    luks_case_end(&one);
    luks_case_end(&two);
    g_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_made_here),
        cmocka_unit_test(test_made_by_the_reference),
        cmocka_unit_test(test_opened_by_cryptsetup),
        cmocka_unit_test(test_version_1_made_by_cryptsetup),
        cmocka_unit_test(test_version_2_with_pbkdf2),
        cmocka_unit_test(test_version_2_with_argon2id),
        cmocka_unit_test(test_version_2_with_argon2i),
        cmocka_unit_test(test_version_2_decrypts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
