/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: what is loaded, what is refused and as what. */
#include "core/plugin/plugin-test.h"

#include <sys/stat.h>

#include "core/plugin/loader.h"
#include "core/plugin/registry.h"

static char *directory; /* of one test */

static int enter_directory(void **state)
{
    (void)state;
    directory = g_dir_make_tmp("tenon-loader-XXXXXX", NULL);
    return directory == NULL;
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) &&
            !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            remove_tree(child);
        else
            g_unlink(child);
    }
    g_rmdir(path);
}

static int leave_directory(void **state)
{
    (void)state;
    remove_tree(directory);
    g_free(directory);
    return 0;
}

static char *path_of(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static char *put_file(const char *name, struct file_bytes file)
{
    char *path = path_of(name);

    assert_true(
        g_file_set_contents(path, (char *)file.data, (gssize)file.size, NULL));
    assert_int_equal(chmod(path, 0644), 0);
    return path;
}

static char *put_variant(const char *name, const char *variant)
{
    struct file_bytes file = read_variant(variant);
    char *path = put_file(name, file);

    g_free(file.data);
    return path;
}

/* Loading PATH fails with CODE and PATH + MESSAGE. */
static void expect_refused(const char *path, int32_t code, const char *message)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *expected = g_strconcat(path, ": ", message, NULL);
    const struct tn_plugin *plugin = NULL;

    assert_int_equal(tn_plugin_load(NULL, path, &plugin, &error), code);
    assert_string_equal(error.text, expected);
}

static void test_good_plugin_loads(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    const struct tn_plugin *plugin = NULL;

    (void)state;
    assert_int_equal(tn_plugin_load(NULL, path, &plugin, NULL), 0);
    assert_string_equal(plugin->info->id, "test-plugin");
}

static void test_entry_that_refuses(void **state)
{
    g_autofree char *path = put_variant("p.so", "refuses");

    (void)state;
    expect_refused(path, -EPROTO,
                   "refuses to work with this Tenon (its entry function "
                   "returned NULL)");
    expect_refused(path, -EPROTO, "was refused before");
}

static void test_no_entry(void **state)
{
    g_autofree char *path = put_variant("p.so", "no-entry");

    (void)state;
    expect_refused(path, -ENOEXEC,
                   "no Tenon plugin: it has notes but does not export "
                   "tenon_plugin_entry");
}

static void test_descriptor_with_another_record(void **state)
{
    g_autofree char *path = put_variant("p.so", "other-info");

    (void)state;
    expect_refused(path, -ENOEXEC,
                   "its descriptor differs from its notes: the plugin's "
                   "record");
}

static void test_descriptor_with_another_property(void **state)
{
    g_autofree char *path = put_variant("p.so", "other-property");

    (void)state;
    expect_refused(path, -ENOEXEC,
                   "its descriptor differs from its notes: a component's "
                   "properties");
}

static void test_descriptor_with_one_component_twice(void **state)
{
    g_autofree char *path = put_variant("p.so", "one-twice");

    (void)state;
    expect_refused(path, -ENOEXEC,
                   "its descriptor differs from its notes: a component "
                   "twice");
}

static void test_component_without_create(void **state)
{
    g_autofree char *path = put_variant("p.so", "no-callbacks");
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_plugin *plugin = NULL;

    (void)state;
    assert_int_equal(tn_plugin_load(NULL, path, &plugin, &error), -ENOEXEC);
    assert_non_null(
        strstr(error.text, "is unusable: no create or destroy callback"));
}

static void test_missing_library(void **state)
{
    struct file_bytes file = read_variant("good");
    g_autofree char *path = NULL;

    (void)state;
    memcpy(find_bytes(file, "libc.so.6", 10), "libq.so.6", 10);
    path = put_file("p.so", file);
    expect_refused(path, -ELIBACC,
                   "needs the library 'libq.so.6', which is missing");
    g_free(file.data);
}

static void test_file_that_is_no_plugin(void **state)
{
    struct file_bytes text = {(guint8 *)"#!/bin/sh\n", 10};
    g_autofree char *path = put_file("p.so", text);

    (void)state;
    expect_refused(path, -ENOEXEC, "not an ELF file");
}

static void test_too_old_and_too_new(void **state)
{
    struct file_bytes file = read_variant("good");
    guint8 *record = find_record(file, TN_NOTE_PLUGIN, "test-plugin");
    g_autofree char *path = NULL;

    (void)state;
    put32(record + offsetof(struct tn_plugin_info, abi_major), 0);
    path = put_file("p.so", file);
    expect_refused(path, -EPROTO,
                   "too old for this Tenon: made for ABI 0.0, this is 1.0");
    put32(record + offsetof(struct tn_plugin_info, abi_major), 7);
    g_free(put_file("p.so", file));
    expect_refused(path, -EPROTO,
                   "too new for this Tenon: made for ABI 7.0, this is 1.0");
    g_free(file.data);
}

static void test_cut_short_anywhere(void **state)
{
    struct file_bytes file = read_variant("good");
    gsize size = file.size;

    (void)state;
    for (file.size = 64; file.size < size; file.size += 64) {
        g_autofree char *path = put_file("p.so", file);
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        const struct tn_plugin *plugin = NULL;

        assert_int_equal(tn_plugin_load(NULL, path, &plugin, &error), -ENOEXEC);
        assert_non_null(strstr(error.text, "cut short"));
    }
    g_free(file.data);
}

/* ---- permissions ---- */

static void expect_unsafe(const char *path, const char *message)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_plugin *plugin = NULL;

    assert_int_equal(tn_plugin_load(NULL, path, &plugin, &error), -EACCES);
    assert_string_equal(error.text, message);
}

static void test_file_that_its_group_can_write(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    g_autofree char *message =
        g_strdup_printf("unsafe permissions: its group can write the file "
                        "'%s' (chmod g-w to mend that)",
                        path);

    (void)state;
    assert_int_equal(chmod(path, 0664), 0);
    expect_unsafe(path, message);
}

static void test_file_that_anybody_can_write(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    g_autofree char *message =
        g_strdup_printf("unsafe permissions: anybody can write the file "
                        "'%s' (chmod go-w to mend that)",
                        path);

    (void)state;
    assert_int_equal(chmod(path, 0646), 0);
    expect_unsafe(path, message);
}

static void test_directory_that_anybody_can_write(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    g_autofree char *real = g_canonicalize_filename(directory, NULL);
    g_autofree char *message =
        g_strdup_printf("unsafe permissions: anybody can write the directory "
                        "'%s' (chmod go-w to mend that)",
                        real);

    (void)state;
    assert_int_equal(chmod(directory, 0777), 0);
    expect_unsafe(path, message);
    /* Sticky helps directories above, not the one with the plugins. */
    assert_int_equal(chmod(directory, 01777), 0);
    expect_unsafe(path, message);
}

static void test_directory_above(void **state)
{
    g_autofree char *below = path_of("below");
    g_autofree char *path = path_of("below/p.so");
    const struct tn_plugin *plugin = NULL;

    (void)state;
    assert_int_equal(g_mkdir(below, 0755), 0);
    g_free(put_variant("below/p.so", "good"));
    assert_int_equal(chmod(directory, 0775), 0);
    assert_int_equal(tn_plugin_load(NULL, path, &plugin, NULL), -EACCES);
    assert_int_equal(chmod(directory, 01777), 0);
    assert_int_equal(tn_plugin_load(NULL, path, &plugin, NULL), 0);
}

static void test_other_owner(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    g_autofree char *message = g_strdup_printf(
        "unsafe permissions: the file '%s' belongs to another user (uid 12)",
        path);

    (void)state;
    if (geteuid() != 0) {
        print_message("only root can give files away\n");
        skip();
    }
    assert_int_equal(chown(path, 12, 12), 0);
    expect_unsafe(path, message);
}

static void test_symbolic_link(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    g_autofree char *alias = path_of("alias.so");
    g_autofree char *message =
        g_strdup_printf("unsafe: '%s' is a symbolic link", alias);

    (void)state;
    assert_int_equal(symlink(path, alias), 0);
    expect_unsafe(alias, message);
}

static void test_no_plain_file(void **state)
{
    g_autofree char *fifo = path_of("fifo.so");
    g_autofree char *message = g_strdup_printf("'%s' is no plain file", fifo);

    (void)state;
    assert_int_equal(mkfifo(fifo, 0644), 0);
    expect_unsafe(fifo, message);
}

/* ---- registry ---- */

static void test_registry_of_a_directory(void **state)
{
    struct tn_registry *registry = tn_registry_new();
    struct file_bytes text = {(guint8 *)"text", 4};
    struct tn_component_entry *widget;

    (void)state;
    g_free(put_variant("a.so", "good"));
    g_free(put_variant("b.so", "good")); /* the same plugin once more */
    g_free(put_file("c.so", text));
    g_free(put_file("d.txt", text));
    assert_int_equal(tn_registry_add_directory(registry, directory, NULL), 0);
    assert_int_equal(tn_registry_plugins(registry)->len, 1);
    assert_int_equal(tn_registry_components(registry)->len, 2);
    assert_int_equal(tn_registry_rejects(registry)->len, 2);
    widget = tn_registry_find(registry, TN_KIND_DEVICE, "widget");
    assert_non_null(widget);
    assert_null(tn_registry_find(registry, TN_KIND_NET, "widget"));
    assert_int_equal(tn_component_load(widget, NULL), 0);
    assert_non_null(widget->ops.create);
    assert_non_null(widget->ops.reset);
    tn_registry_free(registry);
}

static void test_two_registries(void **state)
{
    g_autofree char *path = put_variant("p.so", "good");
    struct tn_registry *one = tn_registry_new();
    struct tn_registry *two = tn_registry_new();
    struct tn_component_entry *a, *b;

    (void)state;
    assert_int_equal(tn_registry_add_file(one, path, NULL), 0);
    assert_int_equal(tn_registry_add_file(two, path, NULL), 0);
    a = tn_registry_find(one, 0, "widget");
    b = tn_registry_find(two, 0, "widget");
    assert_ptr_not_equal(a, b);
    assert_int_equal(tn_component_load(a, NULL), 0);
    assert_int_equal(tn_component_load(b, NULL), 0);
    assert_ptr_equal(a->plugin->loaded, b->plugin->loaded);
    tn_registry_free(one);
    assert_non_null(b->ops.create);
    tn_registry_free(two);
}

/* Two files one after the other must not be taken for one because their
 * descriptors had the same number. */
static void test_files_are_told_apart(void **state)
{
    g_autofree char *first = put_variant("a.so", "good");
    g_autofree char *second = put_variant("b.so", "short-ops");
    const struct tn_plugin *one = NULL, *two = NULL;

    (void)state;
    assert_int_equal(tn_plugin_load(NULL, first, &one, NULL), 0);
    assert_int_equal(tn_plugin_load(NULL, second, &two, NULL), 0);
    assert_ptr_not_equal(one, two);
}

static void test_shorter_table_has_no_later_callbacks(void **state)
{
    g_autofree char *path = put_variant("p.so", "short-ops");
    struct tn_registry *registry = tn_registry_new();
    struct tn_component_entry *widget;

    (void)state;
    assert_int_equal(tn_registry_add_file(registry, path, NULL), 0);
    widget = tn_registry_find(registry, 0, "widget");
    assert_int_equal(tn_component_load(widget, NULL), 0);
    assert_non_null(widget->ops.create);
    assert_null(widget->ops.reset);
    tn_registry_free(registry);
}

static void test_refused_plugin_is_named(void **state)
{
    struct file_bytes file = read_variant("good");
    struct tn_registry *registry = tn_registry_new();
    g_autofree char *path = NULL, *hint = NULL, *expected = NULL;

    (void)state;
    put32(find_record(file, TN_NOTE_PLUGIN, "test-plugin") +
              offsetof(struct tn_plugin_info, abi_major),
          7);
    path = put_file("p.so", file);
    expected = g_strdup_printf(" (%s: too new for this Tenon: made for ABI "
                               "7.0, this is 1.0)",
                               path);
    assert_int_equal(tn_registry_add_file(registry, path, NULL), -EPROTO);
    hint = tn_registry_hint(registry, TN_KIND_DEVICE, "widget");
    assert_string_equal(hint, expected);
    tn_registry_free(registry);
    g_free(file.data);
}

static void test_third_party_can_be_refused(void **state)
{
    struct file_bytes file = read_variant("good");
    struct tn_registry *registry = tn_registry_new();
    g_autofree char *path = NULL;

    (void)state;
    memcpy(find_record(file, TN_NOTE_PLUGIN, "test-plugin") +
               offsetof(struct tn_plugin_info, id),
           "org.example", 12);
    path = put_file("p.so", file);
    tn_registry_refuse_third_party(registry);
    assert_int_equal(tn_registry_add_file(registry, path, NULL), -EPERM);
    assert_int_equal(tn_registry_components(registry)->len, 0);
    tn_registry_free(registry);
    g_free(file.data);
}

static void test_file_replaced_since_it_was_listed(void **state)
{
    struct file_bytes file = read_variant("good");
    struct tn_registry *registry = tn_registry_new();
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *path = put_file("p.so", file);
    struct tn_component_entry *widget;

    (void)state;
    assert_int_equal(tn_registry_add_file(registry, path, NULL), 0);
    widget = tn_registry_find(registry, 0, "widget");
    memcpy(find_record(file, TN_NOTE_COMPONENT, "widget") +
               offsetof(struct tn_component_info, id),
           "gadget", 7);
    g_free(put_file("p.so", file));
    assert_int_equal(tn_component_load(widget, &error), -ENOEXEC);
    assert_non_null(strstr(error.text, "has no device 'widget' any more"));
    tn_registry_free(registry);
    g_free(file.data);
}

#define CASE(function)                                                         \
    cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_good_plugin_loads),
        CASE(test_entry_that_refuses),
        CASE(test_no_entry),
        CASE(test_descriptor_with_another_record),
        CASE(test_descriptor_with_another_property),
        CASE(test_descriptor_with_one_component_twice),
        CASE(test_component_without_create),
        CASE(test_missing_library),
        CASE(test_file_that_is_no_plugin),
        CASE(test_too_old_and_too_new),
        CASE(test_cut_short_anywhere),
        CASE(test_file_that_its_group_can_write),
        CASE(test_file_that_anybody_can_write),
        CASE(test_directory_that_anybody_can_write),
        CASE(test_directory_above),
        CASE(test_other_owner),
        CASE(test_symbolic_link),
        CASE(test_no_plain_file),
        CASE(test_registry_of_a_directory),
        CASE(test_two_registries),
        CASE(test_files_are_told_apart),
        CASE(test_shorter_table_has_no_later_callbacks),
        CASE(test_refused_plugin_is_named),
        CASE(test_third_party_can_be_refused),
        CASE(test_file_replaced_since_it_was_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
