/* SPDX-License-Identifier: Apache-2.0 */
/* See luks-case.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/fmt-luks/luks-case.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-luks",
                                      NULL};

void luks_set(struct luks_test *l, const char *name, const char *text)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    for (guint i = 0; i < l->entry->info.n_properties; i++) {
        const struct tn_property *row = &l->entry->properties[i];

        if (strcmp(row->name, name) != 0)
            continue;
        tn_value_clear(&l->values[i]);
        l->values[i].schema = row;
        assert_int_equal(tn_value_parse(&l->values[i], row, text, NULL, &error),
                         0);
        l->values[i].set = TRUE;
        return;
    }
    fail_msg("no property %s", name);
}

void luks_case_begin(struct luks_test *l)
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
    luks_set(l, "key-secret", "key0");
}

void luks_case_end(struct luks_test *l)
{
    image_test_close(&l->t);
    for (guint i = 0; i < l->entry->info.n_properties; i++)
        tn_value_clear(&l->values[i]);
    g_free(l->values);
    block_secrets_free(l->secrets);
    image_test_clear(&l->t);
}

int32_t luks_case_open(struct luks_test *l, uint32_t flags,
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

void luks_case_make(struct luks_test *l, const char *options, uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *all = g_strdup_printf("key-secret=key0,iter-time=1%s%s",
                                           options[0] ? "," : "", options);
    struct tn_create create = {.size = sizeof create, .bytes = bytes};

    if (image_create_with(&l->t, "luks", all, &create, &error))
        fail_msg("%s", tn_error_text(&error, 0));
}

void luks_take_model(struct luks_test *l)
{
    struct image_test *t = &l->t;

    t->bytes = t->node->info.bytes;
    g_free(t->model);
    t->model = g_malloc(t->bytes);
    assert_int_equal(image_do(t, TN_DISK_READ, 0, 0, t->bytes, t->model), 0);
}

void luks_write_model(struct luks_test *l, const char *name)
{
    g_autofree char *path = g_build_filename(l->t.directory, name, NULL);

    assert_true(g_file_set_contents(path, (char *)l->t.model,
                                    (gssize)l->t.bytes, NULL));
}

gboolean luks_has_program(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    if (!path)
        print_message("%s is not installed\n", name);
    return path != NULL;
}

void luks_reference_compare(struct luks_test *l)
{
    luks_write_model(l, "model.raw");
    assert_int_equal(
        image_test_run("cd %s && qemu-img convert --object "
                       "secret,id=s,data='" PASSWORD "' --image-opts "
                       "driver=luks,key-secret=s,file.filename=%s -O raw "
                       "out.raw && cmp out.raw model.raw",
                       l->t.directory, l->t.path),
        0);
}

gboolean luks_cryptsetup_make(struct luks_test *l, const char *options)
{
    if (!luks_has_program("cryptsetup"))
        return FALSE;
    assert_int_equal(image_test_run("printf '" PASSWORD
                                    "' >%s/pw && truncate -s 20M %s && "
                                    "cryptsetup -q luksFormat %s %s %s/pw",
                                    l->t.directory, l->t.path, options,
                                    l->t.path, l->t.directory),
                     0);
    return TRUE;
}
