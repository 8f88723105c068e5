/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against http-server.py, which is right or wrong as told. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/secret.h"
#include "core/block/spec.h"
#include "tests/image/kind.h"

#define BYTES ((3u << 20) + 700u) /* no whole sectors */

static const char *const plugins[] = {"proto-file", "proto-http", "fmt-raw",
                                      "fmt-qcow2", NULL};

struct web {
    struct image_test t;
    GPid pid;
    int port;
    struct block_secrets *secrets;
    struct tn_component_entry *entry;
    struct tn_value *values;
};

static void begin(struct web *w)
{
    const char *top = g_getenv("TENON_TOP_SRCDIR");
    g_autofree char *script = g_build_filename(
        top ? top : ".", "plugins/proto-http/http-server.py", NULL);
    const char *argv[] = {"python3", script, NULL, NULL};
    char line[32] = "";
    g_autoptr(GError) error = NULL;
    FILE *out;
    int fd;

    memset(w, 0, sizeof *w);
    image_test_init(&w->t, plugins, BLOCK_IO_BEST, 31);
    w->secrets = block_secrets_new();
    w->t.context->secrets = w->secrets;
    block_secrets_add(w->secrets, "pw", "open sesame", 11);
    w->t.bytes = (BYTES + 511) / 512 * 512;
    w->t.model = g_malloc0(w->t.bytes);
    for (guint i = 0; i < BYTES; i++)
        w->t.model[i] = (uint8_t)g_rand_int(w->t.random);
    assert_true(g_file_set_contents(w->t.path, (char *)w->t.model, BYTES,
                                    NULL));
    argv[2] = w->t.path;
    if (!g_spawn_async_with_pipes(
            NULL, (char **)(uintptr_t)argv, NULL,
            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
            &w->pid, NULL, &fd, NULL, &error))
        fail_msg("%s", error->message);
    out = fdopen(fd, "r");
    assert_non_null(fgets(line, sizeof line, out));
    fclose(out);
    w->port = atoi(line);
    w->entry = tn_registry_find(w->t.registry, TN_KIND_PROTOCOL, "http");
    assert_non_null(w->entry);
}

static void set_value(struct web *w, const char *name, const char *text)
{
    guint n = w->entry->info.n_properties;

    if (!w->values)
        w->values = g_new0(struct tn_value, n);
    for (guint i = 0; i < n; i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        const struct tn_property *row = &w->entry->properties[i];
        const char *value = strcmp(row->name, name) ? NULL : text;

        if (!value && !w->values[i].schema)
            value = row->default_value[0] ? row->default_value : NULL;
        w->values[i].schema = row;
        if (value) {
            tn_value_clear(&w->values[i]);
            w->values[i].schema = row;
            assert_int_equal(
                tn_value_parse(&w->values[i], row, value, NULL, &error), 0);
        }
    }
}

static void end(struct web *w)
{
    image_test_close(&w->t);
    for (guint i = 0; w->values && i < w->entry->info.n_properties; i++)
        tn_value_clear(&w->values[i]);
    g_free(w->values);
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    block_secrets_free(w->secrets);
    image_test_clear(&w->t);
}

static int32_t open_path(struct web *w, const char *path,
                         struct tn_error *error)
{
    g_autofree char *name =
        g_strdup_printf("http://127.0.0.1:%d/%s", w->port, path);
    struct node_options options = {
        .registry = w->t.registry,
        .context = w->t.context,
        .image = name,
        .format = tn_registry_find(w->t.registry, TN_KIND_FORMAT, "raw"),
        .protocol = w->entry,
        .protocol_values = w->values,
    };

    return node_open(&options, &w->t.node, error);
}

static void reads(const char *path)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct web w;

    begin(&w);
    set_value(&w, "readahead", "64K");
    if (open_path(&w, path, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    image_test_compare(&w.t);
    for (guint i = 0; i < 300; i++) {
        uint64_t at = 512 * (uint64_t)g_rand_int_range(w.t.random, 0, 6000);
        uint8_t data[4096];

        assert_int_equal(image_do(&w.t, TN_DISK_READ, 0, at, 4096, data), 0);
        assert_memory_equal(data, w.t.model + at, 4096);
    }
    end(&w);
}

static void test_reads(void **state)
{
    (void)state;
    reads("good");
    reads("date");
}

static void test_follows(void **state)
{
    (void)state;
    reads("to-good");
}

static void test_tries_again(void **state)
{
    (void)state;
    reads("flaky");
}

static void refuses(const char *path, int32_t code)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct web w;
    int32_t rc;

    begin(&w);
    rc = open_path(&w, path, &error);
    if (rc != code)
        fail_msg("/%s: %d, %s", path, rc, tn_error_text(&error, 0));
    assert_true(tn_error_text(&error, 0)[0]);
    end(&w);
}

static void test_refuses(void **state)
{
    (void)state;
    refuses("gone", -ENOENT);
    refuses("no-ranges", -ENOTSUP);
    refuses("to-file", -EHOSTUNREACH);
    refuses("round", -EHOSTUNREACH);
    refuses("locked", -EACCES);
    refuses("cookie", -EACCES);
}

static void breaks(const char *path, int32_t code)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    uint8_t data[512];
    struct web w;

    begin(&w);
    assert_int_equal(open_path(&w, path, &error), 0);
    assert_int_equal(image_do(&w.t, TN_DISK_READ, 0, 512, 512, data), code);
    end(&w);
}

static void test_notices(void **state)
{
    (void)state;
    breaks("changes", -ESTALE);
    breaks("dates", -ESTALE);
    breaks("grows", -ESTALE);
    breaks("shifts", -EPROTO);
    breaks("short", -EIO);
    breaks("long", -EPROTO);
    breaks("down", -EIO);
}

static void test_empty(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct web w;

    (void)state;
    begin(&w);
    assert_int_equal(open_path(&w, "empty", &error), 0);
    assert_int_equal(w.t.node->info.bytes, 0);
    end(&w);
}

static void test_password_and_cookie(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct web w;

    (void)state;
    begin(&w);
    set_value(&w, "username", "me");
    set_value(&w, "password-secret", "pw");
    set_value(&w, "cookie", "a=1; b=2");
    assert_int_equal(open_path(&w, "locked", &error), 0);
    image_test_compare(&w.t);
    image_test_close(&w.t);
    assert_int_equal(open_path(&w, "cookie", &error), 0);
    image_test_compare(&w.t);
    end(&w);
}

static void test_is_not_written(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct web w;

    (void)state;
    begin(&w);
    g_free(w.t.path);
    w.t.path = g_strdup_printf("http://127.0.0.1:%d/good", w.port);
    assert_int_equal(image_test_open(&w.t, "raw", TN_IMAGE_WRITABLE, &error),
                     -EROFS);
    end(&w);
}

/* As other tools name them. */
static void test_names_in_json(void **state)
{
    static const char *const names[] = {
        "json:{\"driver\":\"https\",\"url\":\"https://host/x\","
        "\"sslverify\":\"off\",\"timeout\":5}",
        "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"https\","
        "\"url\":\"https://host/x\"}}",
        "json:{\"driver\":\"http\",\"url\":\"http://host/x\","
        "\"readahead\":512,\"username\":\"me\",\"cookie\":\"a=1\"}"};
    struct web w;

    (void)state;
    begin(&w);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;
        g_autoptr(image_spec) spec =
            image_spec_new(w.t.registry, names[i], &error);

        if (!spec)
            fail_msg("%s: %s", names[i], tn_error_text(&error, 0));
        assert_ptr_equal(spec->protocol, w.entry);
    }
    end(&w);
}

/* A base's relative name is one on the same server. */
static void test_chain_of_qcow2(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *there = g_find_program_in_path("qemu-img");
    g_autofree char *base = NULL;
    struct web w;

    (void)state;
    if (!there) {
        print_message("qemu-img is not installed\n");
        skip();
    }
    begin(&w);
    base = g_path_get_basename(w.t.path);
    assert_int_equal(
        image_test_run("cd %s && qemu-img convert -f raw -O qcow2 %s b.qcow2 "
                       "&& qemu-img create -q -f qcow2 -F qcow2 -b b.qcow2 "
                       "t.qcow2", w.t.directory, base), 0);
    g_free(w.t.path);
    w.t.path = g_strdup_printf("http://127.0.0.1:%d/beside/t.qcow2", w.port);
    if (image_test_open(&w.t, "qcow2", 0, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    image_test_compare(&w.t);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_password_and_cookie),
        cmocka_unit_test(test_is_not_written),
        cmocka_unit_test(test_names_in_json),
        cmocka_unit_test(test_chain_of_qcow2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
