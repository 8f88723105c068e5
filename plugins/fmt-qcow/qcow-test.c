/* SPDX-License-Identifier: Apache-2.0 */
/* What the shared tests do not reach: compressed clusters and encryption. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/block/secret.h"
#include "tests/image/kind.h"

#define BYTES ((2u << 20) + 1536)
#define CLUSTER 4096u
#define PASSWORD "quite secret"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow",
                                      NULL};
static const struct image_kind qcow = {
    .name = "qcow",
    .plugins = plugins,
    .reference = "qcow",
};
static const struct image_options plain = {.ours = "", .reference = ""};

/* Words, noise and zeroes by turns: some of it does not get smaller. */
static void fill(struct image_test *t)
{
    for (uint64_t i = 0; i < t->bytes; i++)
        t->model[i] = i >> 12 & 1   ? (uint8_t) "words and words "[i % 16]
                      : i >> 13 & 1 ? 0
                                    : (uint8_t)g_rand_int(t->random);
}

static void write_all(struct image_test *t, uint32_t flags)
{
    for (uint64_t at = 0; at < t->bytes; at += CLUSTER)
        assert_int_equal(image_do(t, TN_DISK_WRITE, flags, at,
                                  MIN(CLUSTER, t->bytes - at), t->model + at),
                         0);
}

static void test_compressed_clusters(void **state)
{
    struct image_test t;

    (void)state;
    image_kind_init(&t, &qcow, 1);
    assert_true(image_kind_make(&t, &qcow, &plain, MADE_HERE, BYTES));
    fill(&t);
    image_kind_open(&t, &qcow, TN_IMAGE_WRITABLE);
    assert_int_equal(t.node->info.compress_bytes, CLUSTER);
    write_all(&t, BLOCK_OP_COMPRESS);
    image_test_compare(&t);
    image_test_close(&t);
    image_reference_compare(&t, &qcow);
    image_kind_open(&t, &qcow, TN_IMAGE_WRITABLE);
    assert_true(node_file(t.node, 0)->length < BYTES * 2 / 3);
    image_test_history(&t, 400, 4); /* over compressed clusters */
    image_test_compare(&t);
    image_test_close(&t);
    image_reference_compare(&t, &qcow);
    image_test_clear(&t);
}

static void open_encrypted(struct image_test *t)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct tn_component_entry *entry =
        tn_registry_find(t->registry, TN_KIND_FORMAT, "qcow");
    struct tn_value *values =
        g_new0(struct tn_value, entry->info.n_properties + 1);
    struct node_options options = {.registry = t->registry,
                                   .context = t->context,
                                   .image = t->path,
                                   .format = entry,
                                   .format_values = values,
                                   .flags = TN_IMAGE_WRITABLE};

    for (guint i = 0; i < entry->info.n_properties; i++) {
        const struct tn_property *row = &entry->properties[i];
        gboolean key = !strcmp(row->name, "encrypt-key-secret");

        values[i].schema = row;
        if (key || row->default_value[0])
            assert_int_equal(tn_value_parse(&values[i], row,
                                            key ? "key" : row->default_value,
                                            NULL, &error),
                             0);
        values[i].set = key;
    }
    if (node_open(&options, &t->node, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    for (guint i = 0; i < entry->info.n_properties; i++)
        tn_value_clear(&values[i]);
    g_free(values);
}

static void compare_with_reference(struct image_test *t)
{
    g_autofree char *raw = g_strconcat(t->path, ".raw", NULL);

    assert_true(
        g_file_set_contents(raw, (char *)t->model, (gssize)t->bytes, NULL));
    assert_int_equal(
        image_test_run("qemu-img compare -q --object secret,id=k,data='%s' "
                       "--image-opts driver=qcow,encrypt.key-secret=k,"
                       "file.filename=%s driver=raw,file.filename=%s",
                       PASSWORD, t->path, raw),
        0);
}

static void test_encrypted_image(void **state)
{
    struct image_test t;
    struct block_secrets *secrets = block_secrets_new();
    struct tn_create create = {.size = sizeof create, .bytes = BYTES};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    (void)state;
    image_kind_init(&t, &qcow, 2);
    block_secrets_add(secrets, "key", PASSWORD, strlen(PASSWORD));
    t.context->secrets = secrets;
    rc = image_create_with(&t, "qcow",
                           "encrypt-format=aes,encrypt-key-secret=key", &create,
                           &error);
    if (rc == -ENOTSUP) {
        print_message("built without libgcrypt\n");
        skip();
    }
    assert_int_equal(rc, 0);
    t.bytes = BYTES;
    t.model = g_malloc0(BYTES);
    open_encrypted(&t);
    image_test_history(&t, 400, 4);
    image_test_close(&t);
    open_encrypted(&t);
    image_test_compare(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        compare_with_reference(&t);
    image_test_clear(&t);
    block_secrets_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compressed_clusters),
        cmocka_unit_test(test_encrypted_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
