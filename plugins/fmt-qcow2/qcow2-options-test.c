/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2: what only it has, both directions: facts as the reference tool shows
 * them, encryption, machine state, bitmaps, amend, measure, compressed clusters
 * and the repair of named damage.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/block/secret.h"
#include "tests/image/kind.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};
static const struct image_kind qcow2 = {
    .name = "qcow2",
    .plugins = plugins,
    .reference = "qcow2",
    .abilities = IMAGE_REFERENCE_CHECKS,
};

#define BYTES (3u << 20)

static void begin(struct image_test *t, guint32 seed)
{
    image_kind_init(t, &qcow2, seed);
    t->bytes = BYTES;
    t->model = g_malloc0(BYTES);
}

static void make(struct image_test *t, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_create create = {.size = sizeof create, .bytes = t->bytes};
    int32_t rc = image_create_with(t, "qcow2", options, &create, &error);

    if (rc)
        fail_msg("%s: %s", options, tn_error_text(&error, rc));
}

static void need_reference(void)
{
    if (!image_test_has_reference()) {
        print_message("skipped: qemu-img is not installed\n");
        skip();
    }
}

/* Both find nothing wrong, and the content is what it should be. */
static void verify(struct image_test *t)
{
    if (t->node)
        image_test_close(t);
    image_kind_open(t, &qcow2, 0);
    image_check_clean(t, FALSE);
    image_test_compare(t);
    image_test_close(t);
    image_reference_check(t, &qcow2, FALSE);
    image_reference_compare(t, &qcow2);
}

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
    need_reference();
    if (image_test_run("python3 -c 0")) {
        print_message("skipped: python3 is not installed\n");
        skip();
    }
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autofree char *text = g_malloc0(65536);
        g_autofree char *ours = NULL;
        struct image_test t;
        int32_t n;

        begin(&t, i);
        make(&t, options[i]);
        if (i == 0)
            assert_int_equal(image_test_run("qemu-img bitmap --add %s one && "
                                            "qemu-img bitmap --add --disable "
                                            "-g 131072 %s two",
                                            t.path, t.path),
                             0);
        image_kind_open(&t, &qcow2, 0);
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
    need_reference();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_measure m = {.size = sizeof m};
        struct tn_create create = {.size = sizeof create};
        struct image_test t;

        begin(&t, i);
        assert_int_equal(tn_parse_size(rows[i].size, &create.bytes), 0);
        make(&t, "");
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
    begin(&t, 3);
    t.context->secrets = secrets;
    arguments = g_strdup_printf(
        "-f qcow2 --object secret,id=key,data=open-sesame -o %s %s %u", theirs,
        t.path, BYTES);
    if (made_here)
        make(&t, ours);
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
    need_reference();
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
    begin(&t, 4);
    t.context->secrets = secrets;
    make(&t, "encrypt-format=luks,encrypt-key-secret=key,"
             "encrypt-iter-time=100");
    block_secrets_add(secrets, "key", "wrong", 5);
    assert_int_equal(image_open_with(&t, "qcow2", "encrypt-key-secret=key", 0,
                                     &error),
                     -EPERM);
    image_kind_open(&t, &qcow2, TN_IMAGE_NO_IO);
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
    begin(&t, 5);
    make(&t, "cluster-size=4K");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
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
    verify(&t);
    image_kind_open(&t, &qcow2, 0);
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
    verify(&t);
    image_test_clear(&t);
}

/* ---- bitmaps ---- */

static void change_bitmap(struct image_test *t, uint32_t what,
                          const char *name, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc;

    b->size = sizeof *b;
    b->flags = flags;
    g_strlcpy(b->name, name, sizeof b->name);
    rc = f->bitmap(t->node->host.self, what, b, &error);
    if (rc)
        fail_msg("%s: %s", name, tn_error_text(&error, rc));
    image_calls_end(t);
}

static guint bits_set(struct image_test *t, const char *name)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    uint8_t bits[6] = {0}; /* 3 MiB at 64 KiB a bit */
    guint n = 0;

    for (uint32_t i = 0;; i++) {
        b->size = sizeof *b;
        assert_int_equal(f->bitmap_info(t->node->host.self, i, b), 0);
        if (strcmp(b->name, name) != 0)
            continue;
        assert_int_equal(b->flags & TN_BITMAP_IN_USE, 0);
        assert_int_equal(
            f->bitmap_bits(t->node->host.self, i, 0, 0, bits, 6), 0);
        break;
    }
    image_calls_end(t);
    for (guint i = 0; i < 48; i++)
        n += bits[i / 8] >> (i % 8) & 1;
    return n;
}

static void write_at(struct image_test *t, uint64_t offset, uint64_t bytes)
{
    memset(t->model + offset, 0x42, bytes);
    assert_int_equal(
        image_do(t, TN_DISK_WRITE, 0, offset, bytes, t->model + offset), 0);
}

static void test_bitmaps_follow_writes(void **state)
{
    struct image_test t;

    (void)state;
    begin(&t, 6);
    make(&t, "");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    change_bitmap(&t, TN_BITMAP_ADD, "on", TN_BITMAP_ENABLED);
    change_bitmap(&t, TN_BITMAP_ADD, "off", 0);
    image_test_close(&t);
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    write_at(&t, 65536 - 512, 1024); /* two */
    write_at(&t, 1 << 20, 65536);    /* one */
    image_test_close(&t);
    verify(&t);
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "on"), 3);
    assert_int_equal(bits_set(&t, "off"), 0);
    change_bitmap(&t, TN_BITMAP_ENABLE, "off", 0);
    change_bitmap(&t, TN_BITMAP_DISABLE, "on", 0);
    write_at(&t, 2 << 20, 65536);
    image_test_close(&t);
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "on"), 3);
    assert_int_equal(bits_set(&t, "off"), 1);
    change_bitmap(&t, TN_BITMAP_CLEAR, "on", 0);
    assert_int_equal(bits_set(&t, "on"), 0);
    change_bitmap(&t, TN_BITMAP_REMOVE, "off", 0);
    verify(&t);
    image_test_clear(&t);
}

static void test_bitmaps_with_the_reference(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t, 7);
    make(&t, "");
    assert_int_equal(image_test_run("qemu-img bitmap --add %s theirs && "
                                    "qemu-io -f qcow2 -c 'write -P 7 0 192k' "
                                    "%s >/dev/null",
                                    t.path, t.path),
                     0);
    memset(t.model, 7, 192 << 10);
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    assert_int_equal(bits_set(&t, "theirs"), 3);
    write_at(&t, 1 << 20, 512);
    change_bitmap(&t, TN_BITMAP_ADD, "ours", TN_BITMAP_ENABLED);
    image_test_close(&t);
    verify(&t);
    assert_int_equal(image_test_run("qemu-img bitmap --merge theirs %s ours "
                                    "&& qemu-img bitmap --remove %s theirs",
                                    t.path, t.path),
                     0);
    image_kind_open(&t, &qcow2, 0);
    assert_int_equal(bits_set(&t, "ours"), 4);
    verify(&t);
    image_test_clear(&t);
}

/* Bits of 512 bytes set in bitmap NAME, which must be whole. */
static guint small_bits_set(struct image_test *t, const char *name)
{
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);
    uint64_t bytes = (t->bytes / 512 + 7) / 8;
    g_autofree uint8_t *bits = g_malloc0(bytes);
    guint n = 0;

    for (uint32_t i = 0;; i++) {
        b->size = sizeof *b;
        assert_int_equal(f->bitmap_info(t->node->host.self, i, b), 0);
        if (!strcmp(b->name, name)) {
            assert_int_equal(b->flags & TN_BITMAP_IN_USE, 0);
            assert_int_equal(
                f->bitmap_bits(t->node->host.self, i, 0, 0, bits, bytes), 0);
            break;
        }
    }
    image_calls_end(t);
    for (uint64_t i = 0; i < bytes * 8; i++)
        n += bits[i / 8] >> (i % 8) & 1;
    return n;
}

static void resize_to(struct image_test *t, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc = f->resize(t->node->host.self, bytes, &error);

    if (rc)
        fail_msg("resize: %s", tn_error_text(&error, rc));
    t->node->info.bytes = bytes;
    image_calls_end(t);
    t->model = g_realloc(t->model, bytes);
    if (bytes > t->bytes)
        memset(t->model + t->bytes, 0, bytes - t->bytes);
    t->bytes = bytes;
}

static void reopen(struct image_test *t)
{
    image_test_close(t);
    image_kind_open(t, &qcow2, TN_IMAGE_WRITABLE);
}

static void add_small(struct image_test *t, const char *name, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree struct tn_image_bitmap *b = g_new0(struct tn_image_bitmap, 1);
    const struct tn_format *f = image_calls_begin(t);

    b->size = sizeof *b;
    b->flags = flags;
    b->granularity = 512;
    g_strlcpy(b->name, name, sizeof b->name);
    assert_int_equal(
        f->bitmap(t->node->host.self, TN_BITMAP_ADD, b, &error), 0);
    image_calls_end(t);
}

/* Clusters of 512 bytes: 2 MiB of the disk in each piece of a bitmap. */
static void test_bitmaps_are_resized(void **state)
{
    struct image_test t;

    (void)state;
    for (guint saved = 0; saved < 2; saved++) {
        begin(&t, 8);
        make(&t, "cluster-size=512");
        image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
        add_small(&t, "on", TN_BITMAP_ENABLED);
        reopen(&t);
        write_at(&t, 100 << 10, 1024);
        add_small(&t, "off", TN_BITMAP_ENABLED);
        write_at(&t, 5u << 19, 2048);
        write_at(&t, (9u << 18) - 512, 1024); /* half is cut off */
        if (saved) /* else the bits are in memory */
            reopen(&t);
        change_bitmap(&t, TN_BITMAP_DISABLE, "off", 0);
        assert_int_equal(small_bits_set(&t, "on"), 8);
        resize_to(&t, 9u << 18);
        assert_int_equal(small_bits_set(&t, "on"), 3);
        assert_int_equal(small_bits_set(&t, "off"), 1);
        resize_to(&t, 9u << 20);
        assert_int_equal(small_bits_set(&t, "on"), 3);
        write_at(&t, 8u << 20, 512);
        assert_int_equal(small_bits_set(&t, "on"), 4);
        verify(&t);
        image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
        assert_int_equal(small_bits_set(&t, "on"), 4);
        assert_int_equal(small_bits_set(&t, "off"), 1);
        resize_to(&t, 2u << 20); /* whole pieces go */
        assert_int_equal(small_bits_set(&t, "on"), 2);
        verify(&t);
        image_test_clear(&t);
    }
}

static void test_the_reference_resizes_bitmaps(void **state)
{
    struct image_test t;

    (void)state;
    need_reference();
    begin(&t, 9);
    make(&t, "cluster-size=512");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    add_small(&t, "on", TN_BITMAP_ENABLED);
    reopen(&t);
    write_at(&t, 100 << 10, 1024);
    resize_to(&t, 9u << 20);
    write_at(&t, 8u << 20, 512);
    image_test_close(&t);
    assert_int_equal(
        image_test_run("qemu-img resize -q --shrink %s 7M", t.path), 0);
    t.bytes = 7u << 20;
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    assert_int_equal(small_bits_set(&t, "on"), 2);
    resize_to(&t, 8u << 20);
    assert_int_equal(small_bits_set(&t, "on"), 2);
    verify(&t);
    image_test_clear(&t);
}

static void test_no_snapshot_is_applied_to_bitmaps(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_image_snapshot s = {.size = sizeof s, .name = "s"};
    struct image_test t;
    const struct tn_format *f;

    (void)state;
    begin(&t, 10);
    make(&t, "");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    change_bitmap(&t, TN_BITMAP_ADD, "on", TN_BITMAP_ENABLED);
    f = image_calls_begin(&t);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error), 0);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_APPLY, &s, &error), -EBUSY);
    image_calls_end(&t);
    verify(&t);
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
    begin(&t, 11);
    make(&t, "refcount-bits=4,cluster-size=8K");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    write_at(&t, 1 << 20, 65536);
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
    write_at(&t, 0, 4 * 8192); /* six are left */
    f = image_calls_begin(&t);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_CREATE, &s, &error), 0);
    assert_int_equal(
        f->snapshot(t.node->host.self, TN_SNAPSHOT_APPLY, &s, &error),
        -ERANGE);
    image_calls_end(&t);
    image_check_clean(&t, FALSE);
    verify(&t);
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

    image_kind_open(t, &qcow2, TN_IMAGE_WRITABLE);
    f = image_calls_begin(t);
    rc = f->amend(t->node->host.self, &a, &error);
    if (rc)
        fail_msg("%s=%s: %s", name, value, tn_error_text(&error, rc));
    image_calls_end(t);
    verify(t);
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
    begin(&t, 8);
    make(&t, "cluster-size=4K");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    image_test_history(&t, 300, 4);
    image_test_close(&t);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        amend(&t, steps[i][0], steps[i][1]);
        image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
        image_test_history(&t, 50, 4);
        image_test_close(&t);
    }
    image_test_clear(&t);
}

/* Zeroes over a backing image have no mark in version 2. */
static void test_downgrade_writes_zeroes(void **state)
{
    static const struct image_options o = {.ours = "cluster-size=4K",
                                           .backing = BYTES};
    struct image_test t;

    (void)state;
    begin(&t, 9);
    assert_true(image_kind_make(&t, &qcow2, &o, MADE_HERE, BYTES));
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
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
    begin(&t, 10);
    make(&t, "cluster-size=512");
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

/* ---- named damage ---- */

static void poke(struct image_test *t, uint64_t offset, const void *data,
                 gsize bytes)
{
    int fd = open(t->path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, (off_t)offset), bytes);
    close(fd);
}

static void peek(struct image_test *t, uint64_t offset, void *data, gsize n)
{
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, n, (off_t)offset), n);
    close(fd);
}

static uint64_t peek64(struct image_test *t, uint64_t offset)
{
    uint64_t v;

    peek(t, offset, &v, 8);
    return GUINT64_FROM_BE(v);
}

static void poke64(struct image_test *t, uint64_t offset, uint64_t v)
{
    v = GUINT64_TO_BE(v);
    poke(t, offset, &v, 8);
}

#define PLACE 0x00fffffffffffe00ull

/* NUMBER: which damage. FALSE past the last. */
static gboolean damage(struct image_test *t, guint number)
{
    uint64_t l1 = peek64(t, 40), table = peek64(t, 48);
    uint64_t l2 = peek64(t, l1) & PLACE, block = peek64(t, table) & PLACE;

    switch (number) {
    case 0: /* a count too low */
        poke(t, block + 20, "\0\0", 2);
        break;
    case 1: /* beyond the end */
        poke64(t, l2, 0x80000fff00000000ull);
        break;
    case 2: /* not aligned */
        poke64(t, l2, peek64(t, l2) | 512);
        break;
    case 3: /* into the header, the table of counts, the L1 table */
        poke64(t, l2 + 8, 0x8000000000000000ull | table);
        poke64(t, l2 + 16, 0x8000000000000000ull | l1);
        break;
    case 4: /* twice the same, both marked as the only one */
        poke64(t, l2 + 8, peek64(t, l2));
        break;
    case 5: /* no block of counts */
        poke64(t, table, 0);
        break;
    case 6:
        poke64(t, table, block | 512);
        break;
    case 7: /* the table of counts is nowhere */
        poke64(t, 48, 0x1000000000ull);
        break;
    case 8: /* an L1 entry to nowhere */
        poke64(t, l1, 0x8000100000000000ull);
        break;
    case 9: /* the tables of counts are the L1 table */
        poke64(t, table, l1);
        break;
    case 10: /* marked corrupt and dirty */
        poke64(t, 72, 3);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

static void test_damage_is_repaired(void **state)
{
    (void)state;
    for (guint i = 0;; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        struct tn_check c;
        struct image_test t;
        gboolean more;

        begin(&t, 11);
        make(&t, "cluster-size=4K");
        image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
        write_at(&t, 0, 1 << 20);
        image_test_close(&t);
        more = damage(&t, i);
        if (more) {
            assert_int_equal(image_open_alone(&t, "qcow2",
                                              TN_IMAGE_CHECK |
                                                  TN_IMAGE_WRITABLE,
                                              &error),
                             0);
            assert_int_equal(image_check(&t, 0, FALSE, &c), 0);
            if (i < 10 && !c.corruptions)
                fail_msg("damage %u is not found", i);
            assert_int_equal(image_check(&t, 2, FALSE, &c), 0);
            assert_int_equal(c.corruptions, c.corruptions_fixed);
            image_test_close(&t);
            image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
            image_check_clean(&t, FALSE);
            image_test_close(&t);
            image_reference_check(&t, &qcow2, FALSE);
        }
        image_test_clear(&t);
        if (!more)
            break;
    }
}

/* Leaks are given back; nothing else changes. */
static void test_leaks_are_given_back(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct image_test t;
    struct tn_check c;
    uint64_t block;

    (void)state;
    begin(&t, 12);
    make(&t, "cluster-size=4K");
    image_kind_open(&t, &qcow2, TN_IMAGE_WRITABLE);
    write_at(&t, 0, 1 << 20);
    image_test_close(&t);
    block = peek64(&t, peek64(&t, 48)) & PLACE;
    poke(&t, block + 1000, "\0\1\0\2", 4); /* of nothing */
    poke(&t, block + 20, "\0\0", 2);       /* damage, which stays */
    assert_int_equal(image_open_alone(&t, "qcow2",
                                      TN_IMAGE_CHECK | TN_IMAGE_WRITABLE,
                                      &error),
                     0);
    assert_int_equal(image_check(&t, 1, FALSE, &c), 0);
    assert_int_equal(c.leaks, 2);
    assert_int_equal(c.leaks_fixed, 2);
    assert_int_equal(c.corruptions, 1);
    assert_int_equal(c.corruptions_fixed, 0);
    assert_int_equal(image_check(&t, 0, FALSE, &c), 0);
    assert_int_equal(c.leaks, 0);
    assert_int_equal(c.corruptions, 1);
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
        cmocka_unit_test(test_bitmaps_follow_writes),
        cmocka_unit_test(test_bitmaps_with_the_reference),
        cmocka_unit_test(test_bitmaps_are_resized),
        cmocka_unit_test(test_the_reference_resizes_bitmaps),
        cmocka_unit_test(test_no_snapshot_is_applied_to_bitmaps),
        cmocka_unit_test(test_no_room_in_the_counts),
        cmocka_unit_test(test_amend),
        cmocka_unit_test(test_downgrade_writes_zeroes),
        cmocka_unit_test(test_backing_name),
        cmocka_unit_test(test_damage_is_repaired),
        cmocka_unit_test(test_leaks_are_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
