/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LUKS images: made here and by the reference tool and cryptsetup, read and
 * written by both sides, keys changed, headers damaged.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/secret.h"
#include "tests/image/kind.h"

#define PASSWORD "correct horse"
#define MIB (1u << 20)

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-luks",
                                      NULL};

struct luks_test {
    struct image_test t;
    struct tn_component_entry *entry;
    struct block_secrets *secrets;
    struct tn_value *values; /* of the open image */
};

static void set_value(struct luks_test *l, const char *name, const char *text)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    for (guint i = 0; i < l->entry->info.n_properties; i++) {
        const struct tn_property *row = &l->entry->properties[i];

        if (strcmp(row->name, name) != 0)
            continue;
        tn_value_clear(&l->values[i]);
        l->values[i].schema = row;
        assert_int_equal(
            tn_value_parse(&l->values[i], row, text, NULL, &error), 0);
        l->values[i].set = TRUE;
        return;
    }
    fail_msg("no property %s", name);
}

static void luks_init(struct luks_test *l)
{
    memset(l, 0, sizeof *l);
    image_test_init(&l->t, plugins, BLOCK_IO_BEST, 5);
    l->entry = tn_registry_find(l->t.registry, TN_KIND_FORMAT, "luks");
    assert_non_null(l->entry);
    l->secrets = block_secrets_new();
    l->t.context->secrets = l->secrets;
    block_secrets_add(l->secrets, "key0", PASSWORD, strlen(PASSWORD));
    block_secrets_add(l->secrets, "key1", "battery staple", 14);
    block_secrets_add(l->secrets, "wrong", "wrong", 5);
    l->values = g_new0(struct tn_value, l->entry->info.n_properties);
    for (guint i = 0; i < l->entry->info.n_properties; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        const struct tn_property *row = &l->entry->properties[i];

        l->values[i].schema = row;
        if (row->default_value[0])
            assert_int_equal(tn_value_parse(&l->values[i], row,
                                            row->default_value, NULL, &error),
                             0);
        l->values[i].set = FALSE;
    }
    set_value(l, "key-secret", "key0");
}

static void luks_clear(struct luks_test *l)
{
    image_test_close(&l->t);
    for (guint i = 0; i < l->entry->info.n_properties; i++)
        tn_value_clear(&l->values[i]);
    g_free(l->values);
    block_secrets_free(l->secrets);
    image_test_clear(&l->t);
}

static int32_t luks_open(struct luks_test *l, uint32_t flags,
                         struct tn_error *error)
{
    struct node_options options = {
        .registry = l->t.registry,
        .context = l->t.context,
        .image = l->t.path,
        .flags = flags,
        .format = l->entry,
        .format_values = l->values,
    };

    return node_open(&options, &l->t.node, error);
}

static void luks_make(struct luks_test *l, const char *options, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *all =
        g_strdup_printf("key-secret=key0,iter-time=1%s%s",
                        options[0] ? "," : "", options);
    struct tn_create create = {.size = sizeof create, .bytes = bytes};

    if (image_create_with(&l->t, "luks", all, &create, &error))
        fail_msg("%s", tn_error_text(&error, 0));
}

/* The model is what the image has now. */
static void take_model(struct luks_test *l)
{
    struct image_test *t = &l->t;

    t->bytes = t->node->info.bytes;
    g_free(t->model);
    t->model = g_malloc(t->bytes);
    assert_int_equal(image_do(t, TN_DISK_READ, 0, 0, t->bytes, t->model), 0);
}

static void write_model(struct luks_test *l, const char *name)
{
    g_autofree char *path = g_build_filename(l->t.directory, name, NULL);

    assert_true(g_file_set_contents(path, (char *)l->t.model,
                                    (gssize)l->t.bytes, NULL));
}

static gboolean has_program(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    if (!path)
        print_message("%s is not installed\n", name);
    return path != NULL;
}

/* The reference tool sees what the model has. */
static void reference_compare(struct luks_test *l)
{
    write_model(l, "model.raw");
    assert_int_equal(
        image_test_run("cd %s && qemu-img convert --object "
                       "secret,id=s,data='" PASSWORD "' --image-opts "
                       "driver=luks,key-secret=s,file.filename=%s -O raw "
                       "out.raw && cmp out.raw model.raw",
                       l->t.directory, l->t.path),
        0);
}

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

        luks_init(&l);
        luks_make(&l, option_sets[i], 3 * MIB + 64 * 1024);
        assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        assert_int_equal(l.t.node->info.bytes, 3 * MIB + 64 * 1024);
        take_model(&l);
        image_test_history(&l.t, count, 8);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        assert_int_equal(luks_open(&l, 0, &error), 0);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        if (image_test_has_reference())
            reference_compare(&l);
        luks_clear(&l);
    }
}

static void test_made_by_the_reference(void **state)
{
    static const char *const sets[] = {
        "iter-time=10",
        "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,"
        "ivgen-hash-alg=sha256,hash-alg=sha1",
        "cipher-alg=twofish-256,hash-alg=sha512",
    };

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        g_autofree char *arguments = NULL;
        struct luks_test l;

        luks_init(&l);
        arguments = g_strdup_printf(
            "-f luks --object secret,id=s,data='" PASSWORD
            "' -o key-secret=s,%s %s 2M",
            sets[i], l.t.path);
        if (!image_reference_encrypts(&l.t, arguments)) {
            luks_clear(&l);
            continue;
        }
        assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        take_model(&l);
        image_test_close(&l.t);
        reference_compare(&l);
        assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
        image_test_history(&l.t, 200, 8);
        image_test_compare(&l.t);
        image_test_close(&l.t);
        reference_compare(&l);
        luks_clear(&l);
    }
}

/* ---- cryptsetup ---- */

static gboolean cryptsetup_make(struct luks_test *l, const char *options)
{
    if (!has_program("cryptsetup"))
        return FALSE;
    assert_int_equal(
        image_test_run("printf '" PASSWORD "' >%s/pw && truncate -s 20M %s && "
                       "cryptsetup -q luksFormat %s %s %s/pw",
                       l->t.directory, l->t.path, options, l->t.path,
                       l->t.directory),
        0);
    return TRUE;
}

static void test_opened_by_cryptsetup(void **state)
{
    struct luks_test l;

    (void)state;
    if (!has_program("cryptsetup"))
        skip();
    luks_init(&l);
    luks_make(&l, "", MIB);
    assert_int_equal(
        image_test_run("cd %s && printf '" PASSWORD "' >pw && cryptsetup open "
                       "--test-passphrase --key-file pw %s",
                       l.t.directory, l.t.path),
        0);
    luks_clear(&l);
}

static void test_version_1_made_by_cryptsetup(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_init(&l);
    if (!cryptsetup_make(&l, "--type luks1 --pbkdf-force-iterations 1000")) {
        luks_clear(&l);
        skip();
    }
    assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    take_model(&l);
    image_test_history(&l.t, 300, 8);
    image_test_compare(&l.t);
    image_test_close(&l.t);
    if (image_test_has_reference())
        reference_compare(&l);
    luks_clear(&l);
}

/* Only we can check the data of version 2 without a kernel: what version 1
 * with the same key and offset has. Here: it opens, and its content is what
 * the cipher makes of the file's noise: see the sector size. */
static void version_2(const char *options, uint32_t sector_bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    luks_init(&l);
    if (!cryptsetup_make(&l, options)) {
        luks_clear(&l);
        skip();
    }
    if (luks_open(&l, 0, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    assert_int_equal(l.t.node->info.block_bytes, sector_bytes);
    assert_int_equal(l.t.node->info.bytes, 4 * MIB);
    image_test_close(&l.t);
    set_value(&l, "key-secret", "wrong");
    assert_int_equal(luks_open(&l, 0, &error), -EPERM);
    set_value(&l, "key-secret", "key0");
    assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), -EROFS);
    luks_clear(&l);
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
    luks_init(&one);
    luks_init(&two);
    if (!has_program("cryptsetup")) {
        luks_clear(&one);
        luks_clear(&two);
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
    assert_int_equal(luks_open(&one, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(image_do(&one.t, TN_DISK_WRITE, 0, 0, MIB, data), 0);
    image_test_close(&one.t);
    /* Data begins at 2 MiB in version 1, at 16 MiB in version 2. */
    assert_int_equal(image_test_run("dd if=%s of=%s bs=1M skip=2 seek=16 "
                                    "count=1 conv=notrunc 2>/dev/null",
                                    one.t.path, two.t.path),
                     0);
    assert_int_equal(luks_open(&two, 0, &error), 0);
    take_model(&two);
    assert_memory_equal(two.t.model, data, MIB);
    image_test_close(&two.t);
    /* The second copy of the header does when the first is gone. */
    assert_int_equal(image_test_run("dd if=/dev/zero of=%s bs=4096 count=1 "
                                    "conv=notrunc 2>/dev/null",
                                    two.t.path),
                     0);
    assert_int_equal(luks_open(&two, 0, &error), 0);
    take_model(&two);
    assert_memory_equal(two.t.model, data, MIB);
    luks_clear(&one);
    luks_clear(&two);
    g_free(data);
}

/* ---- keys ---- */

static void test_wrong_and_missing_secrets(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_init(&l);
    luks_make(&l, "", MIB);
    set_value(&l, "key-secret", "wrong");
    assert_int_equal(luks_open(&l, 0, &error), -EPERM);
    assert_non_null(strstr(tn_error_text(&error, 0), "password is wrong"));
    set_value(&l, "key-secret", "nobody");
    assert_int_equal(luks_open(&l, 0, &error), -ENOENT);
    assert_int_equal(image_test_open(&l.t, "luks", 0, &error), -EINVAL);
    assert_non_null(strstr(tn_error_text(&error, 0), "key-secret"));
    assert_int_equal(image_test_open(&l.t, NULL, TN_IMAGE_NO_IO, &error), 0);
    assert_true(l.t.node->info.flags & TN_FORMAT_ENCRYPTED);
    luks_clear(&l);
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
    static const char *const add[] = {"state", "active", "new-secret", "key1",
                                      "keyslot", "3", "iter-time", "1", NULL};
    static const char *const erase[] = {"state", "inactive", "old-secret",
                                        "key0", NULL};
    static const char *const last[] = {"state", "inactive", "keyslot", "3",
                                       NULL};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_init(&l);
    luks_make(&l, "", MIB);
    assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(amend(&l, 0, add, &error), 0);
    assert_int_equal(amend(&l, 0, erase, &error), 0);
    assert_int_equal(amend(&l, 0, last, &error), -EPERM);
    assert_non_null(strstr(tn_error_text(&error, 0), "force"));
    image_test_close(&l.t);
    assert_int_equal(luks_open(&l, 0, &error), -EPERM);
    set_value(&l, "key-secret", "key1");
    assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    if (has_program("cryptsetup"))
        assert_int_equal(
            image_test_run("cd %s && printf 'battery staple' >pw && cryptsetup "
                           "open --disable-locks --test-passphrase "
                           "--key-slot 3 --key-file pw %s",
                           l.t.directory, l.t.path),
            0);
    assert_int_equal(amend(&l, 1, last, &error), 0);
    image_test_close(&l.t);
    assert_int_equal(luks_open(&l, 0, &error), -EPERM);
    luks_clear(&l);
}

static void test_detached_header(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *header = NULL;
    char text[4096];
    struct luks_test l;

    (void)state;
    luks_init(&l);
    luks_make(&l, "detached-header=yes", MIB);
    assert_int_equal(luks_open(&l, 0, &error), -EINVAL);
    header = g_strdup_printf("%s.header", l.t.path);
    assert_int_equal(g_rename(l.t.path, header), 0);
    assert_int_equal(image_test_run("truncate -s 1M %s", l.t.path), 0);
    set_value(&l, "header", header);
    if (luks_open(&l, TN_IMAGE_WRITABLE, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    assert_int_equal(l.t.node->info.bytes, MIB);
    take_model(&l);
    image_test_history(&l.t, 200, 4);
    image_test_compare(&l.t);
    assert_true(l.t.node->fmt.describe(l.t.node->host.self, text,
                                       sizeof text) > 0);
    assert_non_null(strstr(text, "\"detached-header\": true"));
    luks_clear(&l);
}

static void test_resized(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct luks_test l;

    (void)state;
    luks_init(&l);
    luks_make(&l, "", MIB);
    assert_int_equal(luks_open(&l, TN_IMAGE_WRITABLE, &error), 0);
    assert_int_equal(image_calls_begin(&l.t)->resize(l.t.node->host.self,
                                                     2 * MIB, &error), 0);
    image_calls_end(&l.t);
    image_test_close(&l.t);
    assert_int_equal(luks_open(&l, 0, &error), 0);
    assert_int_equal(l.t.node->info.bytes, 2 * MIB);
    luks_clear(&l);
}

/* ---- damage ---- */

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
        "-1", "\"", "{", "[", "}", "]", "99999999999999999999", "null",
        "0", "1e9", "\\u0000", "512", ",", ":", "\xff"};
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

    luks_init(&l);
    if (version == 1) {
        luks_make(&l, "", MIB / 4);
    } else if (!cryptsetup_make(&l, "--type luks2 --pbkdf pbkdf2 "
                                    "--pbkdf-force-iterations 1000")) {
        luks_clear(&l);
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
    luks_clear(&l);
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
    static const char *const lengths[] = {"0", "7", "591", "592", "4096",
                                          "2068479", "2068480"};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct luks_test l;
        int32_t rc;

        luks_init(&l);
        luks_make(&l, "", MIB);
        assert_int_equal(
            image_test_run("truncate -s %s %s", lengths[i], l.t.path), 0);
        rc = luks_open(&l, 0, &error);
        assert_int_equal(rc, i + 1 == G_N_ELEMENTS(lengths) ? 0 : -EINVAL);
        luks_clear(&l);
    }
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
        cmocka_unit_test(test_wrong_and_missing_secrets),
        cmocka_unit_test(test_keys_added_and_erased),
        cmocka_unit_test(test_detached_header),
        cmocka_unit_test(test_resized),
        cmocka_unit_test(test_damaged_version_1),
        cmocka_unit_test(test_damaged_version_2),
        cmocka_unit_test(test_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
