/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See kind.h.
 */
#include "tests/image/kind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

guint64 image_environment(const char *name, guint64 otherwise)
{
    const char *text = g_getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 0) : otherwise;
}

gboolean image_wanted(const struct image_options *o)
{
    const char *text = g_getenv("TENON_TEST_OPTIONS");

    return !text || (o->ours && strstr(o->ours, text)) ||
           (o->reference && strstr(o->reference, text));
}

uint32_t image_able(const struct image_kind *kind,
                    const struct image_options *options)
{
    return (kind->abilities & ~options->without) | options->with;
}

void image_kind_init(struct image_test *t, const struct image_kind *kind,
                     guint32 seed)
{
    image_kind_init_io(t, kind, seed, BLOCK_IO_BEST);
}

void image_kind_init_io(struct image_test *t, const struct image_kind *kind,
                        guint32 seed, enum block_io io)
{
    image_test_init(t, kind->plugins, io, seed);
}

/* ---- making ---- */

static void parse_options(struct tn_value *values,
                          const struct tn_component_entry *entry,
                          const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_auto(GStrv) words = g_strsplit(options ? options : "", ",", -1);
    guint n = entry->info.n_properties;

    for (guint i = 0; i < n; i++) {
        const struct tn_property *row = &entry->properties[i];

        values[i].schema = row;
        if (row->default_value[0] &&
            tn_value_parse(&values[i], row, row->default_value, NULL, &error))
            fail_msg("%s", tn_error_text(&error, 0));
        /* A default is not what somebody has set. */
        values[i].set = FALSE;
    }
    for (guint w = 0; words[w] && words[w][0]; w++) {
        char *equals = strchr(words[w], '=');
        guint i = 0;

        assert_non_null(equals);
        *equals = 0;
        while (i < n && strcmp(entry->properties[i].name, words[w]) != 0)
            i++;
        if (i == n)
            fail_msg("%s has no option %s", entry->info.id, words[w]);
        tn_value_clear(&values[i]);
        values[i].schema = &entry->properties[i];
        if (tn_value_parse(&values[i], &entry->properties[i], equals + 1, NULL,
                           &error))
            fail_msg("%s", tn_error_text(&error, 0));
        values[i].set = TRUE;
    }
}

static struct tn_value *values_new(const struct tn_component_entry *entry,
                                   const char *options)
{
    struct tn_value *values =
        g_new0(struct tn_value, entry->info.n_properties + 1);

    parse_options(values, entry, options);
    return values;
}

static void values_free(const struct tn_component_entry *entry,
                        struct tn_value *values)
{
    for (guint i = 0; i < entry->info.n_properties; i++)
        tn_value_clear(&values[i]);
    g_free(values);
}

int32_t image_create_with(struct image_test *t, const char *format,
                          const char *options, const struct tn_create *create,
                          struct tn_error *error)
{
    struct tn_component_entry *entry =
        tn_registry_find(t->registry, TN_KIND_FORMAT, format);
    struct node_options with = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .format = entry,
    };
    struct tn_value *values;
    int32_t rc;

    assert_non_null(entry);
    with.format_values = values = values_new(entry, options);
    rc = node_create(&with, create, error);
    values_free(entry, values);
    return rc;
}

int32_t image_open_with(struct image_test *t, const char *format,
                        const char *options, uint32_t flags,
                        struct tn_error *error)
{
    struct tn_component_entry *entry =
        tn_registry_find(t->registry, TN_KIND_FORMAT, format);
    struct node_options with = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .flags = flags,
        .discard = TRUE,
        .format = entry,
    };
    struct tn_value *values;
    int32_t rc;

    assert_non_null(entry);
    with.format_values = values = values_new(entry, options);
    rc = node_open(&with, &t->node, error);
    values_free(entry, values);
    return rc;
}

int32_t image_measure_with(struct image_test *t, const char *format,
                           const char *options, const struct tn_create *create,
                           struct tn_measure *measure, struct tn_error *error)
{
    struct tn_component_entry *entry =
        tn_registry_find(t->registry, TN_KIND_FORMAT, format);
    struct tn_value *values = values_new(entry, options);
    struct plugin_host host;
    struct tn_format f;
    int32_t rc =
        plugin_host_init(&host, entry, values, "measure", NULL, error);

    assert_int_equal(rc, 0);
    assert_true(plugin_host_interface(&host, TN_FORMAT, &f, sizeof f));
    rc = f.measure(host.self, create, measure, error);
    plugin_host_clear(&host);
    values_free(entry, values);
    return rc;
}

uint8_t *image_kind_below(struct image_test *t, const char *name,
                          uint64_t bytes)
{
    uint8_t *data = g_malloc0(bytes);

    for (uint64_t i = 0; i < bytes; i++) /* words, noise, zeroes */
        data[i] = i >> 15 & 1   ? (uint8_t)g_rand_int(t->random)
                  : i >> 16 & 1 ? 0
                                : (uint8_t)"under lies this "[i % 16];
    assert_true(g_file_set_contents(name, (char *)data, (gssize)bytes, NULL));
    return data;
}

static char *make_base(struct image_test *t, uint64_t bytes)
{
    char *base = g_build_filename(t->directory, "base.raw", NULL);
    g_autofree uint8_t *data = image_kind_below(t, base, bytes);

    memcpy(t->model, data, MIN(bytes, t->bytes));
    return base;
}

static gboolean make_by_reference(struct image_test *t,
                                  const struct image_kind *kind,
                                  const struct image_options *o,
                                  const char *base)
{
    g_autofree char *under =
        base ? g_strdup_printf("-F raw -b %s", base) : g_strdup("");

    if (!o->reference || !kind->reference || !image_test_has_reference())
        return FALSE;
    assert_int_equal(
        image_test_run("cd %s && qemu-img create -q -f %s %s %s %s%s %s "
                       "%" G_GUINT64_FORMAT,
                       t->directory, kind->reference, under,
                       kind->reference_create ? kind->reference_create : "",
                       o->reference[0] ? "-o " : "", o->reference, t->path,
                       t->bytes),
        0);
    return TRUE;
}

gboolean image_kind_make(struct image_test *t, const struct image_kind *kind,
                         const struct image_options *o, enum image_maker maker,
                         uint64_t bytes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *base = NULL;
    struct tn_create create = {.size = sizeof create};
    uint64_t unit = kind->size_unit ? kind->size_unit : 512;
    int32_t rc;

    if (maker == MADE_HERE ? !o->ours : !o->reference)
        return FALSE;
    t->bytes = bytes / unit * unit;
    g_free(t->model);
    t->model = g_malloc0(t->bytes);
    if (o->backing)
        base = make_base(t, o->backing);
    if (maker == MADE_BY_REFERENCE)
        return make_by_reference(t, kind, o, base);
    create.bytes = t->bytes;
    create.backing = base;
    create.backing_format = base ? "raw" : NULL;
    create.backing_bytes = o->backing;
    rc = image_create_with(t, kind->name, o->ours, &create, &error);
    if (rc)
        fail_msg("create: %s", tn_error_text(&error, rc));
    return TRUE;
}

/* ---- opening ---- */

void image_kind_open(struct image_test *t, const struct image_kind *kind,
                     uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = t->opens ? image_open_with(t, kind->name, t->opens, flags,
                                            &error)
                          : image_test_open(t, kind->name, flags, &error);

    if (rc)
        fail_msg("open: %s", tn_error_text(&error, rc));
}

int32_t image_open_alone(struct image_test *t, const char *format,
                         uint32_t flags, struct tn_error *error)
{
    struct node_options options = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .flags = flags,
        .discard = TRUE,
        .no_backing = TRUE,
    };

    options.format = tn_registry_find(t->registry, TN_KIND_FORMAT, format);
    return node_open(&options, &t->node, error);
}

const struct tn_format *image_calls_begin(struct image_test *t)
{
    if (t->node->flags & TN_IMAGE_WRITABLE)
        node_flush_wait(t->node);
    t->node->may_block = TRUE;
    return &t->node->fmt;
}

void image_calls_end(struct image_test *t)
{
    if (t->node->flags & TN_IMAGE_WRITABLE)
        node_flush_wait(t->node);
    t->node->may_block = FALSE;
}

int32_t image_do(struct image_test *t, uint32_t op, uint32_t flags,
                 uint64_t offset, uint64_t bytes, void *data)
{
    struct iovec iov = {data, bytes};
    struct block_op o = {.node = t->node,
                         .op = op,
                         .flags = flags,
                         .offset = offset,
                         .bytes = bytes,
                         .iov = &iov,
                         .n_iov = op <= TN_DISK_WRITE ? 1 : 0};

    return block_op_wait(&o);
}

/* ---- checking ---- */

static void show_message(void *opaque, const char *text)
{
    if (*(gboolean *)opaque)
        print_message("  %s\n", text);
}

int32_t image_kind_check(struct image_test *t, uint32_t repair, gboolean show,
                    struct tn_check *result)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    const struct tn_format *f = image_calls_begin(t);
    int32_t rc;

    *result = (struct tn_check){.size = sizeof *result,
                                .repair = repair,
                                .message = show_message,
                                .opaque = &show};
    rc = f->check ? f->check(t->node->host.self, result, &error) : -ENOTSUP;
    if (rc && show)
        print_message("  check: %s\n", tn_error_text(&error, rc));
    image_calls_end(t);
    return rc;
}

void image_check_clean(struct image_test *t, gboolean leaks_allowed)
{
    struct tn_check c;

    if (!t->node->fmt.check)
        return;
    if (image_kind_check(t, 0, FALSE, &c) || c.corruptions ||
        (c.leaks && !leaks_allowed)) {
        image_kind_check(t, 0, TRUE, &c);
        fail_msg("%" G_GUINT64_FORMAT " errors, %" G_GUINT64_FORMAT " leaks",
                 c.corruptions, c.leaks);
    }
}

/* It takes the names of other files from its working directory. */
#define BESIDE "cd $(dirname %s) && "

void image_reference_check(struct image_test *t, const struct image_kind *kind,
                           gboolean leaks_allowed)
{
    if (!(kind->abilities & IMAGE_REFERENCE_CHECKS) ||
        !image_test_has_reference())
        return;
    if (leaks_allowed && kind->abilities & IMAGE_CRASH_UNCHECKED) {
        assert_int_equal(image_test_run(BESIDE "qemu-io -r -f %s -c "
                                               "'read 0 64k' %s >/dev/null",
                                        t->path, kind->reference, t->path),
                         0);
        return;
    }
    if (image_test_run(BESIDE "qemu-img check %s -f %s %s; s=$?; "
                              "test $s = 0%s",
                       t->path,
                       kind->abilities & IMAGE_REPLAYS ? "-r leaks" : "",
                       kind->reference, t->path,
                       leaks_allowed ? " -o $s = 3" : ""))
        fail_msg("the reference finds damage");
}

gboolean image_reference_encrypts(struct image_test *t, const char *arguments)
{
    g_autofree char *said = g_build_filename(t->directory, "said", NULL);
    g_autofree char *text = NULL;
    int status =
        image_test_run("qemu-img create -q %s 2>%s", arguments, said);

    assert_true(g_file_get_contents(said, &text, NULL, NULL));
    if (status && strstr(text, "accurate CPU usage")) {
        print_message("left out, the reference finds its clock too coarse: "
                      "%s\n",
                      arguments);
        return FALSE;
    }
    if (status)
        fail_msg("%s: %s", arguments, text);
    return TRUE;
}

void image_reference_compare(struct image_test *t,
                             const struct image_kind *kind)
{
    g_autofree char *raw = g_strconcat(t->path, ".raw", NULL);
    g_autofree char *data = NULL;
    gsize bytes = 0;

    if (!kind->reference || !image_test_has_reference())
        return;
    assert_int_equal(image_test_run(BESIDE "qemu-img convert -f %s -O raw %s "
                                           "%s",
                                    t->path, kind->reference, t->path, raw),
                     0);
    assert_true(g_file_get_contents(raw, &data, &bytes, NULL));
    assert_int_equal(bytes, t->bytes);
    for (gsize i = 0; i < bytes; i++)
        if ((uint8_t)data[i] != t->model[i])
            fail_msg("for the reference the image differs at %zu", i);
    unlink(raw);
}

/* ---- the program ---- */

static void run_history(void **state)
{
    image_history_test(*state);
}

static void run_power(void **state)
{
    image_power_test(*state);
}

static void run_fuzz(void **state)
{
    image_fuzz_test(*state);
}

static gboolean is_wanted(const char *name)
{
    const char *only = g_getenv("TENON_TEST_ONLY");

    return !only || !strcmp(only, name);
}

int image_kind_main(const struct image_kind *kind)
{
    void *state = (void *)(uintptr_t)kind;
    const struct CMUnitTest history[] = {
        cmocka_unit_test_prestate(run_history, state)};
    const struct CMUnitTest power[] = {
        cmocka_unit_test_prestate(run_power, state)};
    const struct CMUnitTest fuzz[] = {
        cmocka_unit_test_prestate(run_fuzz, state)};
    gboolean writes = !(kind->abilities & IMAGE_READ_ONLY);
    int failed = 0;

    if (writes && is_wanted("history"))
        failed += cmocka_run_group_tests(history, NULL, NULL);
    if (writes && is_wanted("power"))
        failed += cmocka_run_group_tests(power, NULL, NULL);
    if (is_wanted("fuzz") && cmocka_run_group_tests(fuzz, NULL, NULL)) {
        image_fuzz_failed();
        failed++;
    }
    return failed;
}
