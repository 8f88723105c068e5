/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2: what only it has, both directions: facts as the reference tool shows
 * them, encryption, machine state, narrow reference counts, amend, measure.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/block/secret.h"
#include "plugins/fmt-qcow2/qcow2-case.h"

/* ---- facts ---- */

static void test_describe(void **state)
{
    static const char *const options[] = {
        "",
        "compat=0.10",
        "compression-type=zstd,refcount-bits=32",
        "extended-l2=on",
        "lazy-refcounts=on",
        "data-file=d,data-file-raw=on",
    };
    static const char script[] =
        "import json,sys; a=json.load(open(sys.argv[1])); "
        "b=json.load(open(sys.argv[2]))[\"format-specific\"][\"data\"]; "
        "a == b or sys.exit(str(a)+\"\\n\"+str(b))";

    (void)state;
    case_need_reference();
    if (image_test_run("python3 -c 0")) {
        print_message("skipped: python3 is not installed\n");
        skip();
    }
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *text = g_malloc0(65536);
        g_autofree char *ours = NULL;
        struct image_test t;
        int32_t n;

        case_begin(&t, i);
        case_make(&t, options[i]);
        if (i == 0)
            assert_int_equal(image_test_run("qemu-img bitmap --add %s one && "
                                            "qemu-img bitmap --add --disable "
                                            "-g 131072 %s two",
                                            t.path, t.path),
                             0);
        image_kind_open(&t, &case_kind, 0);
        n = t.node->fmt.describe(t.node->host.self, text, 65536);
        assert_true(n > 0 && strlen(text) == (gsize)n);
        image_test_close(&t);
        ours = g_strconcat(t.path, ".ours", NULL);
        assert_true(g_file_set_contents(ours, text, -1, NULL));
        assert_int_equal(image_test_run("cd %s && qemu-img info --output=json "
                                        "%s >%s.theirs && python3 -c '%s' %s "
                                        "%s.theirs",
                                        t.directory, t.path, t.path, script,
                                        ours, t.path),
                         0);
        image_test_clear(&t);
    }
}

static void test_measure(void **state)
{
    static const struct {
        const char *ours, *theirs;
        const char *size;
    } rows[] = {
        {"", "", "1T"},
        {"", "", "10000000000"},
        {"cluster-size=4K,refcount-bits=64", "cluster_size=4k,refcount_bits=64",
         "3G"},
        {"extended-l2=on", "extended_l2=on", "100G"},
        {"preallocation=full", "preallocation=full", "7G"},
        {"cluster-size=2M,refcount-bits=1", "cluster_size=2M,refcount_bits=1",
         "64T"},
    };
    (void)state;
    case_need_reference();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_measure m = {.size = sizeof m};
        struct tn_create create = {.size = sizeof create};
        struct image_test t;

        case_begin(&t, i);
        assert_int_equal(tn_parse_size(rows[i].size, &create.bytes), 0);
        case_make(&t, "");
        assert_int_equal(
            image_measure_with(&t, "qcow2", rows[i].ours, &create, &m, &error),
            0);
        if (image_test_run("qemu-img measure -O qcow2 --size %s %s%s | "
                           "tr -d '\\n' | grep -q '^required size: "
                           "%" G_GUINT64_FORMAT "fully allocated size: "
                           "%" G_GUINT64_FORMAT "$'",
                           rows[i].size, rows[i].theirs[0] ? "-o " : "",
                           rows[i].theirs, m.required, m.fully_allocated))
            fail_msg("%s %s: %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                     rows[i].size, rows[i].ours, m.required,
                     m.fully_allocated);
        image_test_clear(&t);
    }
}

/* ---- encryption ---- */

static void open_encrypted(struct image_test *t, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = image_open_with(t, "qcow2", "encrypt-key-secret=key", flags,
                                 &error);

    if (rc)
        fail_msg("open: %s", tn_error_text(&error, rc));
}

static void reference_reads(struct image_test *t, const char *password)
{
    g_autofree char *raw = g_strconcat(t->path, ".raw", NULL);
    g_autofree char *data = NULL;
    gsize bytes;

    assert_int_equal(
        image_test_run("qemu-img convert --object secret,id=key,data=%s "
                       "--image-opts driver=qcow2,encrypt.key-secret=key,"
                       "file.filename=%s -O raw %s",
                       password, t->path, raw),
        0);
    assert_true(g_file_get_contents(raw, &data, &bytes, NULL));
    assert_int_equal(bytes, t->bytes);
    assert_memory_equal(data, t->model, bytes);
}

static void use_encrypted(struct image_test *t)
{
    open_encrypted(t, TN_IMAGE_WRITABLE);
    image_test_history(t, 300, 8);
    image_test_compare(t);
    image_test_close(t);
    reference_reads(t, "open-sesame");
    open_encrypted(t, 0);
    image_check_clean(t, FALSE);
    image_test_compare(t);
    image_test_close(t);
}

static void encrypted(const char *ours, const char *theirs, gboolean made_here)
{
    struct block_secrets *secrets = block_secrets_new();
    g_autofree char *arguments = NULL;
    gboolean there = TRUE;
    struct image_test t;

    block_secrets_add(secrets, "key", "open-sesame", 11);
    case_begin(&t, 3);
    t.context->secrets = secrets;
    arguments = g_strdup_printf(
        "-f qcow2 --object secret,id=key,data=open-sesame -o %s %s %u", theirs,
        t.path, CASE_BYTES);
    if (made_here)
        case_make(&t, ours);
    else
        there = image_reference_encrypts(&t, arguments);
    if (there)
        use_encrypted(&t);
    image_test_clear(&t);
    block_secrets_free(secrets);
}

static void test_encryption(void **state)
{
    static const char *const rows[][2] = {
        {"encrypt-format=luks,encrypt-key-secret=key,encrypt-iter-time=100",
         "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=100"},
        {"encrypt-format=luks,encrypt-key-secret=key,encrypt-iter-time=100,"
         "encrypt-cipher-mode=cbc,encrypt-ivgen-alg=essiv,cluster-size=4K",
         "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=100,"
         "encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,cluster_size=4k"},
        {"encrypt-format=aes,encrypt-key-secret=key",
         "encrypt.format=aes,encrypt.key-secret=key"},
        {"encrypt-format=luks,encrypt-key-secret=key,encrypt-iter-time=100,"
         "extended-l2=on",
         "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=100,"
         "extended_l2=on"},
    };
    (void)state;
    case_need_reference();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        encrypted(rows[i][0], rows[i][1], TRUE);
        encrypted(rows[i][0], rows[i][1], FALSE);
    }
}

static void test_wrong_password(void **state)
{
    struct block_secrets *secrets = block_secrets_new();
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;

    (void)state;
    block_secrets_add(secrets, "key", "right", 5);
    case_begin(&t, 4);
    t.context->secrets = secrets;
    case_make(&t, "encrypt-format=luks,encrypt-key-secret=key,"
             "encrypt-iter-time=100");
    block_secrets_add(secrets, "key", "wrong", 5);
    assert_int_equal(image_open_with(&t, "qcow2", "encrypt-key-secret=key", 0,
                                     &error),
                     -EPERM);
    image_kind_open(&t, &case_kind, TN_IMAGE_NO_IO);
    image_test_clear(&t);
    block_secrets_free(secrets);
}

/* ---- machine state ---- */

static void test_machine_state(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree uint8_t *memory = g_malloc(700000);
    g_autofree uint8_t *back = g_malloc0(700000);
    struct tn_image_snapshot s = {.size = sizeof s,
                                  .name = "with-state",
                                  .state_bytes = 700000};
    const struct tn_format *f;
    struct image_test t;

    (void)state;
    case_begin(&t, 5);
    case_make(&t, "cluster-size=4K");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    image_test_history(&t, 200, 4);
    for (guint i = 0; i < 700000; i++)
        memory[i] = (uint8_t)(i * 7 + i / 1000);
    f = image_calls_begin(&t);
    for (guint i = 0; i < 7; i++)
        assert_int_equal(f->state_io(t.node->host.self, 1, i * 100000,
                                     memory + i * 100000, 100000),
                         0);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error), 0);
    image_calls_end(&t);
    image_test_history(&t, 200, 4);
    case_verify(&t);
    image_kind_open(&t, &case_kind, 0);
    f = image_calls_begin(&t);
    assert_int_equal(f->snapshot_info(t.node->host.self, 0, &s), 0);
    assert_int_equal(s.state_bytes, 700000);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_VIEW, &s, &error), 0);
    assert_int_equal(f->state_io(t.node->host.self, 0, 0, back, 700000), 0);
    assert_memory_equal(back, memory, 700000);
    image_calls_end(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        assert_int_equal(image_test_run("qemu-img snapshot -d with-state %s",
                                        t.path),
                         0);
    case_verify(&t);
    image_test_clear(&t);
}

/* ---- narrow reference counts ---- */

/* Ten compressed clusters share one: with 4 bits they cannot be there twice. */
static void test_no_room_in_the_counts(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot s = {.size = sizeof s, .name = "s"};
    struct image_test t;
    const struct tn_format *f;

    (void)state;
    case_begin(&t, 11);
    case_make(&t, "refcount-bits=4,cluster-size=8K");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    case_write(&t, 1 << 20, 65536);
    for (guint i = 0; i < 10; i++) {
        uint8_t *data = t.model + i * 8192;

        memset(data, (int)i + 1, 8192);
        assert_int_equal(image_do(&t, TN_DISK_WRITE, BLOCK_OP_COMPRESS,
                                  i * 8192, 8192, data),
                         0);
    }
    f = image_calls_begin(&t);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error),
        -ERANGE);
    assert_non_null(strstr(tn_error_text(&error, -ERANGE), "4 bits"));
    image_calls_end(&t);
    image_check_clean(&t, FALSE);
    case_write(&t, 0, 4 * 8192); /* six are left */
    f = image_calls_begin(&t);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error), 0);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_APPLY, &s, &error),
        -ERANGE);
    image_calls_end(&t);
    image_check_clean(&t, FALSE);
    case_verify(&t);
    image_test_clear(&t);
}

/* ---- amend ---- */

static void amend(struct image_test *t, const char *name, const char *value)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_amend a = {.size = sizeof a,
                         .n = 1,
                         .names = &name,
                         .values = &value};
    const struct tn_format *f;
    int32_t rc;

    image_kind_open(t, &case_kind, TN_IMAGE_WRITABLE);
    f = image_calls_begin(t);
    rc = f->amend(t->node->host.self, &a, &error);
    if (rc)
        fail_msg("%s=%s: %s", name, value, tn_error_text(&error, rc));
    image_calls_end(t);
    case_verify(t);
}

static void test_amend(void **state)
{
    static const char *const steps[][2] = {
        {"refcount-bits", "64"},   {"refcount-bits", "2"},
        {"lazy-refcounts", "on"},  {"refcount-bits", "16"},
        {"lazy-refcounts", "off"}, {"compat", "0.10"},
        {"compat", "1.1"},         {"refcount-bits", "8"},
    };
    struct image_test t;

    (void)state;
    case_begin(&t, 8);
    case_make(&t, "cluster-size=4K");
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    image_test_history(&t, 300, 4);
    image_test_close(&t);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        amend(&t, steps[i][0], steps[i][1]);
        image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
        image_test_history(&t, 50, 4);
        image_test_close(&t);
    }
    image_test_clear(&t);
}

/* Zeroes over a backing image have no mark in version 2. */
static void test_downgrade_writes_zeroes(void **state)
{
    static const struct image_options o = {.ours = "cluster-size=4K",
                                           .backing = CASE_BYTES};
    struct image_test t;

    (void)state;
    case_begin(&t, 9);
    assert_true(image_kind_make(&t, &case_kind, &o, MADE_HERE, CASE_BYTES));
    image_kind_open(&t, &case_kind, TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&t, TN_DISK_ZERO, TN_DISK_UNMAP, 8192, 1 << 20,
                              NULL),
                     0);
    memset(t.model + 8192, 0, 1 << 20);
    image_test_close(&t);
    amend(&t, "compat", "0.10");
    image_test_clear(&t);
}

static void test_backing_name(void **state)
{
    static const char name[] = "json:{\"driver\":\"null-co\"}";
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *longest = g_strnfill(1024, 'x');
    struct image_test t;
    const struct tn_format *f;

    (void)state;
    case_begin(&t, 10);
    case_make(&t, "cluster-size=512");
    assert_int_equal(
        image_open_alone(&t, "qcow2", TN_IMAGE_WRITABLE, &error), 0);
    f = image_calls_begin(&t);
    assert_int_equal(
        f->set_backing(t.node->host.self, name, "null-co", &error), 0);
    assert_true(f->set_backing(t.node->host.self, longest, "raw", &error) < 0);
    longest[500] = 0; /* more than the cluster of the header holds */
    assert_true(f->set_backing(t.node->host.self, longest, "raw", &error) < 0);
    image_calls_end(&t);
    image_test_close(&t);
    assert_int_equal(image_open_alone(&t, "qcow2", 0, &error), 0);
    assert_string_equal(t.node->info.backing, name);
    assert_string_equal(t.node->info.backing_format, "null-co");
    image_test_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_encryption),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_machine_state),
        cmocka_unit_test(test_no_room_in_the_counts),
        cmocka_unit_test(test_amend),
        cmocka_unit_test(test_downgrade_writes_zeroes),
        cmocka_unit_test(test_backing_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
