/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS headers in memory: made, opened, changed, damaged. */
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
