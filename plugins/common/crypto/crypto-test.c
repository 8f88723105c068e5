/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encryption against published vectors, and LUKS headers in memory: made,
 * opened, changed, damaged.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "crypto/crypto.h"

/* ---- a host that keeps the last error ---- */

static char last_error[512];

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    (void)host;
    (void)level;
    (void)text;
}

static void set_error(struct tn_host *host, struct tn_error *error,
                      const char *text)
{
    (void)host;
    (void)error;
    g_strlcpy(last_error, text, sizeof last_error);
}

static uint32_t enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    (void)level;
    return 0;
}

static const void *service(struct tn_host *host, const char *id)
{
    static const struct tn_log log = {.size = sizeof log,
                                      .write = log_write,
                                      .set_error = set_error,
                                      .enabled = enabled};

    (void)host;
    return strcmp(id, TN_HOST_LOG) ? NULL : &log;
}

static struct tn_host host = {service};

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

/* ---- LUKS ---- */

struct disk {
    uint8_t *data;
    uint64_t bytes;
    GArray *records; /* NULL: not kept */
};

struct record {
    uint8_t *data; /* NULL: a flush */
    uint64_t offset, bytes;
};

static int32_t disk_read(void *opaque, uint64_t offset, void *data,
                         uint64_t bytes)
{
    const struct disk *disk = opaque;

    assert_true(offset + bytes <= disk->bytes);
    memcpy(data, disk->data + offset, bytes);
    return 0;
}

static int32_t disk_write(void *opaque, uint64_t offset, const void *data,
                          uint64_t bytes)
{
    const struct disk *disk = opaque;
    struct record record = {g_memdup2(data, bytes), offset, bytes};

    assert_true(offset + bytes <= disk->bytes);
    memcpy(disk->data + offset, data, bytes);
    if (disk->records)
        g_array_append_val(disk->records, record);
    else
        g_free(record.data);
    return 0;
}

static int32_t disk_flush(void *opaque)
{
    const struct disk *disk = opaque;
    struct record record = {0};

    if (disk->records)
        g_array_append_val(disk->records, record);
    return 0;
}

static const struct luks1_options usual = {
    .spec = {.algorithm = CRYPTO_AES_256,
             .mode = CRYPTO_MODE_XTS,
             .ivgen = CRYPTO_IVGEN_PLAIN64,
             .sector_bytes = 512},
    .hash = CRYPTO_HASH_SHA256,
    .iter_milliseconds = 1,
};

static struct luks1 *make(struct disk *disk, struct luks_io *io,
                          const struct luks1_options *options)
{
    struct luks1 *luks = NULL;

    disk->bytes = luks1_header_bytes(options);
    disk->data = g_malloc0(disk->bytes);
    disk->records = NULL;
    *io = (struct luks_io){disk_read, disk_write, disk, disk_flush};
    assert_int_equal(
        luks1_create(&host, io, options, 0, "first", 5, &luks, NULL), 0);
    return luks;
}

static void test_luks_made_and_opened(void **state)
{
    struct luks1 *made, *luks = NULL;
    struct luks_io io;
    struct disk disk;

    (void)state;
    made = make(&disk, &io, &usual);
    assert_int_equal(disk.bytes, 2068480);
    assert_int_equal(luks1_open(&host, &io, disk.bytes, &luks, NULL), 0);
    assert_int_equal(luks->payload_sector, 4040);
    assert_false(luks->unlocked);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "wrong", 5, NULL),
                     -EPERM);
    assert_false(luks->unlocked);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL), 0);
    assert_memory_equal(luks->key, made->key, luks->key_bytes);
    luks1_free(luks);
    luks1_free(made);
    g_free(disk.data);
}

static void test_luks_with_every_cipher(void **state)
{
    struct luks1_options options = usual;

    (void)state;
    options.spec.mode = CRYPTO_MODE_CBC;
    options.spec.ivgen = CRYPTO_IVGEN_PLAIN64;
    options.hash = CRYPTO_HASH_SHA1;
    for (uint32_t i = 0; crypto_algorithm_name(i); i++) {
        struct luks1 *made, *luks = NULL;
        struct luks_io io;
        struct disk disk;

        options.spec.algorithm = i;
        if (crypto_spec_check(&host, &options.spec, NULL))
            continue;
        made = make(&disk, &io, &options);
        assert_int_equal(luks1_open(&host, &io, disk.bytes, &luks, NULL), 0);
        assert_int_equal(luks->spec.algorithm, i);
        assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL),
                         0);
        luks1_free(luks);
        luks1_free(made);
        g_free(disk.data);
    }
}

static void test_luks_slots(void **state)
{
    struct luks1 *luks;
    struct luks_io io;
    struct disk disk;

    (void)state;
    luks = make(&disk, &io, &usual);
    assert_int_equal(luks1_add_key(luks, 5, "five", 4, 1, NULL), 5);
    assert_int_equal(luks1_add_key(luks, 5, "six", 3, 1, NULL), -EBUSY);
    assert_int_equal(luks1_add_key(luks, LUKS1_ANY_SLOT, "", 0, 1, NULL), 1);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "five", 4, NULL), 5);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "", 0, NULL), 1);
    assert_int_equal(luks1_erase_slot(luks, 0, 0, NULL), 0);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL),
                     -EPERM);
    assert_int_equal(luks1_erase_slot(luks, 1, 0, NULL), 0);
    assert_int_equal(luks1_erase_slot(luks, 5, 0, NULL), -EPERM);
    assert_non_null(strstr(last_error, "last"));
    assert_int_equal(luks1_erase_slot(luks, 5, 1, NULL), 0);
    luks1_free(luks);
    g_free(disk.data);
}

static void test_luks_amended(void **state)
{
    struct luks1_amend add = {.activate = 1,
                              .slot = LUKS1_ANY_SLOT,
                              .new_secret = "second",
                              .new_bytes = 6,
                              .iter_milliseconds = 1};
    struct luks1_amend erase = {.slot = LUKS1_ANY_SLOT,
                                .old_secret = "first",
                                .old_bytes = 5};
    struct luks1 *luks;
    struct luks_io io;
    struct disk disk;

    (void)state;
    luks = make(&disk, &io, &usual);
    assert_int_equal(luks1_amend(luks, &erase, NULL), -EPERM);
    assert_int_equal(luks1_amend(luks, &add, NULL), 0);
    assert_int_equal(luks1_amend(luks, &erase, NULL), 0);
    assert_false(luks->slots[0].active);
    assert_int_equal(luks1_amend(luks, &erase, NULL), -EINVAL);
    erase.old_secret = NULL;
    assert_int_equal(luks1_amend(luks, &erase, NULL), -EINVAL);
    erase.slot = 1;
    assert_int_equal(luks1_amend(luks, &erase, NULL), -EPERM);
    erase.force = 1;
    assert_int_equal(luks1_amend(luks, &erase, NULL), 0);
    luks1_free(luks);
    g_free(disk.data);
}

/* Sectors of a write that reach the disk, as bits; none, all, or some. */
static void apply(struct disk *disk, const struct record *r, guint32 sectors)
{
    for (uint64_t at = 0; r->data && at < r->bytes; at += 512)
        if (sectors >> at / 512 % 32 & 1)
            memcpy(disk->data + r->offset + at, r->data + at,
                   MIN(512, r->bytes - at));
}

/* Power is lost after any write: one of the passwords opens what is left. */
static void check_crashes(const struct disk *start, GArray *records)
{
    static const guint32 reached[] = {0, ~0u, 1, ~1u, 0x55555555, 0xaaaaaaaa};
    struct disk disk = {.bytes = start->bytes};
    struct luks_io io = {disk_read, disk_write, &disk, NULL};

    disk.data = g_malloc(start->bytes);
    for (guint end = 1; end <= records->len; end++)
        for (guint i = 0; i < G_N_ELEMENTS(reached); i++) {
            struct luks1 *luks = NULL;
            guint safe = 0;

            memcpy(disk.data, start->data, start->bytes);
            for (guint n = 0; n < end; n++)
                if (!g_array_index(records, struct record, n).data)
                    safe = n;
            for (guint n = 0; n < end; n++)
                apply(&disk, &g_array_index(records, struct record, n),
                      n < safe ? ~0u : reached[i]);
            assert_int_equal(luks1_open(&host, &io, disk.bytes, &luks, NULL),
                             0);
            if (luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL) < 0 &&
                luks1_unlock(luks, LUKS1_ANY_SLOT, "second", 6, NULL) < 0)
                fail_msg("nothing opens it after %u writes", end);
            luks1_free(luks);
        }
    g_free(disk.data);
}

static void test_luks_key_replaced_in_its_slot(void **state)
{
    struct luks1_amend replace = {.activate = 1,
                                  .slot = 0,
                                  .old_secret = "first",
                                  .old_bytes = 5,
                                  .new_secret = "second",
                                  .new_bytes = 6,
                                  .iter_milliseconds = 1};
    struct disk disk, start;
    struct luks1 *luks;
    struct luks_io io;

    (void)state;
    luks = make(&disk, &io, &usual);
    assert_int_equal(luks1_amend(luks, &replace, NULL), -EBUSY);
    start = disk;
    start.data = g_memdup2(disk.data, disk.bytes);
    disk.records = g_array_new(FALSE, FALSE, sizeof(struct record));
    replace.force = 1;
    assert_int_equal(luks1_amend(luks, &replace, NULL), 0);
    for (guint i = 0; i < LUKS1_SLOTS; i++)
        assert_int_equal(luks->slots[i].active, i == 0);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "second", 6, NULL), 0);
    assert_int_equal(luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL),
                     -EPERM);
    check_crashes(&start, disk.records);
    for (guint i = 0; i < disk.records->len; i++)
        g_free(g_array_index(disk.records, struct record, i).data);
    g_array_unref(disk.records);
    luks1_free(luks);
    g_free(start.data);
    g_free(disk.data);
}

static void put_be32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, 4);
}

/* Offsets of 32-bit fields, and what they are made. */
static void test_damaged_luks_headers(void **state)
{
    static const struct {
        uint32_t at, value;
        int opens; /* but cannot be unlocked */
    } cases[] = {
        {104, 1, 0},                        /* payload inside the slots */
        {108, 0xffffffff, 0},               /* key bytes */
        {108, 0, 0},      {108, 33, 0},
        {164, 0, 1},      {164, 0xffffffff, 1}, /* digest iterations */
        {208, 0x12345, 0},                  /* slot 0: state */
        {208 + 4, 0, 1},  {208 + 4, 0xffffffff, 1}, /* iterations */
        {208 + 40, 0, 0}, {208 + 40, 0xffffffff, 0}, /* offset */
        {208 + 40, 520, 0},                 /* overlaps slot 1 */
        {208 + 44, 0, 0}, {208 + 44, 0xffffffff, 0}, /* stripes */
    };
    struct luks1 *luks;
    struct luks_io io;
    struct disk disk;

    (void)state;
    luks1_free(make(&disk, &io, &usual));
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t saved[592];
        int32_t rc;

        memcpy(saved, disk.data, sizeof saved);
        put_be32(disk.data + cases[i].at, cases[i].value);
        last_error[0] = 0;
        rc = luks1_open(&host, &io, disk.bytes, &luks, NULL);
        if (cases[i].opens) {
            assert_int_equal(rc, 0);
            rc = luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL);
            luks1_free(luks);
        }
        assert_true(rc < 0);
        assert_true(last_error[0]);
        memcpy(disk.data, saved, sizeof saved);
    }
    g_free(disk.data);
}

static void test_random_damage(void **state)
{
    GRand *random = g_rand_new_with_seed(3);
    const char *most = g_getenv("TENON_FUZZ");
    unsigned count = most ? (unsigned)atoi(most) : 20000;
    struct luks_io io;
    struct disk disk;
    unsigned opened = 0;

    (void)state;
    luks1_free(make(&disk, &io, &usual));
    for (unsigned i = 0; i < count; i++) {
        uint8_t saved[592];
        struct luks1 *luks;

        memcpy(saved, disk.data, sizeof saved);
        for (int n = g_rand_int_range(random, 1, 4); n; n--)
            disk.data[g_rand_int_range(random, 6, 592)] =
                g_rand_boolean(random) ? (uint8_t)g_rand_int(random)
                                       : g_rand_boolean(random) ? 0 : 0xff;
        if (!luks1_open(&host, &io, disk.bytes, &luks, NULL)) {
            char text[2048];

            assert_true(luks1_describe(luks, 0, text, sizeof text) > 0);
            for (unsigned k = 0; k < LUKS1_SLOTS; k++)
                luks->slots[k].iterations = MIN(luks->slots[k].iterations, 2);
            luks->digest_iterations = MIN(luks->digest_iterations, 2);
            if (opened++ % 100 == 0)
                luks1_unlock(luks, LUKS1_ANY_SLOT, "first", 5, NULL);
            luks1_free(luks);
        }
        memcpy(disk.data, saved, sizeof saved);
    }
    assert_true(opened > 0);
    g_rand_free(random);
    g_free(disk.data);
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
        cmocka_unit_test(test_luks_made_and_opened),
        cmocka_unit_test(test_luks_with_every_cipher),
        cmocka_unit_test(test_luks_slots),
        cmocka_unit_test(test_luks_amended),
        cmocka_unit_test(test_luks_key_replaced_in_its_slot),
        cmocka_unit_test(test_damaged_luks_headers),
        cmocka_unit_test(test_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
