/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption against published vectors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "crypto/crypto-case.h"

static void unhex(const char *text, uint8_t *bytes)
{
    for (; text[0] && text[1]; text += 2)
        *bytes++ = (uint8_t)(g_ascii_xdigit_value(text[0]) * 16 +
                             g_ascii_xdigit_value(text[1]));
}

static void assert_hex(const uint8_t *bytes, const char *text)
{
    uint8_t expected[512];

    unhex(text, expected);
    assert_memory_equal(bytes, expected, strlen(text) / 2);
}

/* ---- ciphers ---- */

/* IEEE 1619-2007, annex B, vector 10: XTS-AES-256, data unit 0xff. */
static void test_xts_aes_256(void **state)
{
    static const struct crypto_spec spec = {
        .algorithm = CRYPTO_AES_256,
        .mode = CRYPTO_MODE_XTS,
        .ivgen = CRYPTO_IVGEN_PLAIN64,
        .sector_bytes = 512,
    };
    struct crypto_cipher *cipher = NULL;
    uint8_t key[64], data[512];

    (void)state;
    unhex("2718281828459045235360287471352662497757247093699959574966967627"
          "3141592653589793238462643383279502884197169399375105820974944592",
          key);
    for (int i = 0; i < 512; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(crypto_cipher_new(&host, &spec, key, &cipher, NULL), 0);
    assert_int_equal(crypto_cipher_transform(cipher, 1, 0xff, data, 512), 0);
    assert_hex(data,
               "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e6"
               "3b5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb1"
               "88fd");
    assert_int_equal(crypto_cipher_transform(cipher, 0, 0xff, data, 512), 0);
    for (int i = 0; i < 512; i++)
        assert_int_equal(data[i], (uint8_t)i);
    crypto_cipher_free(cipher);
}

/* Each algorithm, mode and IV: decrypting undoes encrypting, sectors differ,
 * and a range is what its sectors are one by one. */
static void test_every_cipher(void **state)
{
    struct crypto_spec spec = {.sector_bytes = 512};
    unsigned tried = 0;

    (void)state;
    for (spec.algorithm = 0; crypto_algorithm_name(spec.algorithm);
         spec.algorithm++)
        for (spec.mode = 0; crypto_mode_name(spec.mode); spec.mode++)
            for (spec.ivgen = 1; crypto_ivgen_name(spec.ivgen); spec.ivgen++) {
                struct crypto_cipher *cipher = NULL;
                uint8_t key[64], plain[2048], all[2048], one[2048];

                spec.ivgen_hash = CRYPTO_HASH_SHA256;
                if (crypto_spec_check(&host, &spec, NULL))
                    continue;
                crypto_random(key, sizeof key);
                memset(plain, 7, sizeof plain);
                memcpy(all, plain, sizeof all);
                memcpy(one, plain, sizeof one);
                assert_int_equal(
                    crypto_cipher_new(&host, &spec, key, &cipher, NULL), 0);
                assert_int_equal(
                    crypto_cipher_transform(cipher, 1, 5, all, sizeof all), 0);
                for (unsigned i = 4; i--;)
                    assert_int_equal(crypto_cipher_transform(
                                         cipher, 1, 5 + i, one + 512 * i, 512),
                                     0);
                assert_memory_equal(all, one, sizeof all);
                if (spec.mode != CRYPTO_MODE_ECB)
                    assert_memory_not_equal(all, all + 512, 512);
                assert_int_equal(
                    crypto_cipher_transform(cipher, 0, 5, all, sizeof all), 0);
                assert_memory_equal(all, plain, sizeof all);
                crypto_cipher_free(cipher);
                tried++;
            }
    assert_true(tried > 60);
}

static void test_names_of_luks(void **state)
{
    static const char *const good[][2] = {
        {"aes", "xts-plain64"}, {"serpent", "cbc-essiv:sha256"},
        {"twofish", "xts-plain"}, {"aes", "ecb"}, {"aes", "ctr-plain64"}};
    static const char *const bad[][2] = {
        {"aes", "xts"}, {"aes", "cbc-essiv"}, {"aes", "cbc-essiv:crc"},
        {"aes", "xts-plain64:sha256"}, {"rot13", "cbc-plain"}, {"aes", ""},
        {"aes", "xts-"}, {"cast5", "xts-plain64"}, {"aes", "cbc-essiv:sha512"}};

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        struct crypto_spec spec = {.sector_bytes = 512};
        uint32_t bytes = strncmp(good[i][1], "xts", 3) ? 32 : 64;
        char cipher[32], mode[32];

        assert_int_equal(crypto_spec_parse(&host, &spec, good[i][0],
                                           good[i][1], bytes, NULL), 0);
        assert_int_equal(crypto_key_bytes(&spec), bytes);
        crypto_spec_print(&spec, cipher, mode);
        assert_string_equal(cipher, good[i][0]);
        assert_string_equal(mode, good[i][1]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        struct crypto_spec spec = {.sector_bytes = 512};

        assert_int_not_equal(crypto_spec_parse(&host, &spec, bad[i][0],
                                               bad[i][1], 32, NULL), 0);
    }
}

static gpointer transform_often(gpointer data)
{
    uint8_t sector[4096];

    for (unsigned i = 0; i < 500; i++) {
        memset(sector, (int)i, sizeof sector);
        g_assert_cmpint(
            crypto_cipher_transform(data, 1, i, sector, sizeof sector), ==, 0);
        g_assert_cmpint(
            crypto_cipher_transform(data, 0, i, sector, sizeof sector), ==, 0);
        for (unsigned k = 0; k < sizeof sector; k++)
            g_assert_cmpint(sector[k], ==, (uint8_t)i);
    }
    return NULL;
}

static void test_several_threads(void **state)
{
    struct crypto_cipher *cipher = NULL;
    GThread *threads[4];

    (void)state;
    assert_int_equal(
        crypto_cipher_new_legacy(&host, "swordfish", 9, &cipher, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        threads[i] = g_thread_new("transform", transform_often, cipher);
    for (unsigned i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    crypto_cipher_free(cipher);
}

/* ---- keys ---- */

/* RFC 6070. */
static void test_pbkdf2(void **state)
{
    uint8_t key[20];

    (void)state;
    assert_int_equal(crypto_pbkdf2(CRYPTO_HASH_SHA1, "password", 8, "salt", 4,
                                   4096, key, 20), 0);
    assert_hex(key, "4b007901b765489abead49d926f721d065a429c1");
}

/* RFC 9106 section 5.3 has secret and data, which LUKS has not; this is
 * argon2id with password "password", salt "somesalt", t 2, m 65536, p 1, of
 * the reference implementation's tests. */
static void test_argon2id(void **state)
{
    uint8_t key[32];

    (void)state;
    assert_int_equal(crypto_argon2(2, "password", 8, "somesalt", 8, 2, 65536,
                                   1, key, 32), 0);
    assert_hex(key, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f"
                    "61913cf7");
}

static void test_splitting_and_merging(void **state)
{
    (void)state;
    for (uint32_t hash = 0; crypto_hash_name(hash); hash++) {
        uint8_t key[64], split[64 * 7], merged[64];

        crypto_random(key, sizeof key);
        assert_int_equal(crypto_split(hash, key, 64, 7, split), 0);
        assert_int_equal(crypto_merge(hash, split, 64, 7, merged), 0);
        assert_memory_equal(key, merged, 64);
        split[64 * 3] ^= 1;
        assert_int_equal(crypto_merge(hash, split, 64, 7, merged), 0);
        assert_memory_not_equal(key, merged, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xts_aes_256),
        cmocka_unit_test(test_every_cipher),
        cmocka_unit_test(test_names_of_luks),
        cmocka_unit_test(test_several_threads),
        cmocka_unit_test(test_pbkdf2),
        cmocka_unit_test(test_argon2id),
        cmocka_unit_test(test_splitting_and_merging),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
