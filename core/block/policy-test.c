/* SPDX-License-Identifier: Apache-2.0 */
/* What images may be based on where a caller has allowed one directory only. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/block-test.h"
#include "core/block/policy.h"

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

struct place {
    struct image_test t;
    struct block_policy *policy;
    char *inside, *outside; /* directories */
};

static char *directory(struct place *p, const char *name)
{
    char *path = g_build_filename(p->t.directory, name, NULL);
    g_autofree char *raw = g_build_filename(path, "disk.raw", NULL);
    g_autofree char *content = g_strnfill(65536, 'x');

    assert_int_equal(g_mkdir(path, 0700), 0);
    assert_true(g_file_set_contents(raw, content, 65536, NULL));
    return path;
}

static void begin(struct place *p)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    image_test_init(&p->t, plugins, BLOCK_IO_BEST, 1);
    p->inside = directory(p, "inside");
    p->outside = directory(p, "outside");
    p->policy = block_policy_new();
    assert_int_equal(
        block_policy_add_directory(p->policy, p->inside, &error), 0);
    g_free(p->t.path);
    p->t.path = g_build_filename(p->inside, "top.qcow2", NULL);
}

static void end(struct place *p)
{
    p->t.context->policy = NULL;
    image_test_clear(&p->t);
    block_policy_free(p->policy);
    g_free(p->inside);
    g_free(p->outside);
}

static void make(struct place *p, const char *path, const char *backing)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct node_options options = {
        .registry = p->t.registry,
        .context = p->t.context,
        .image = path,
        .format = tn_registry_find(p->t.registry, TN_KIND_FORMAT, "qcow2"),
    };
    struct tn_create create = {.size = sizeof create,
                               .bytes = 65536,
                               .backing = backing,
                               .backing_format = backing ? "raw" : NULL,
                               .backing_bytes = backing ? 65536 : 0};
    int32_t rc;

    p->t.context->policy = NULL;
    rc = node_create(&options, &create, &error);
    if (rc)
        fail_msg("%s", tn_error_text(&error, rc));
}

/* Opens the image with the policy. */
static int32_t opened(struct place *p)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    p->t.context->policy = p->policy;
    rc = image_test_open(&p->t, "qcow2", 0, &error);
    if (!rc)
        image_test_close(&p->t);
    else
        assert_non_null(strstr(tn_error_text(&error, rc), "allowed"));
    return rc;
}

static void test_only_the_directory(void **state)
{
    g_autofree char *name = NULL;
    struct place p;

    (void)state;
    begin(&p);
    make(&p, p.t.path, "disk.raw");
    assert_int_equal(opened(&p), 0);
    name = g_build_filename(p.outside, "disk.raw", NULL);
    make(&p, p.t.path, name);
    assert_int_equal(opened(&p), -EPERM);
    make(&p, p.t.path, "../outside/disk.raw");
    assert_int_equal(opened(&p), -EPERM);
    end(&p);
}

/* What is named inside of what an image names is not the caller's word. */
static void test_a_chain_in_a_name(void **state)
{
    g_autofree char *name = NULL, *middle = NULL;
    struct place p;

    (void)state;
    begin(&p);
    middle = g_build_filename(p.inside, "middle.qcow2", NULL);
    make(&p, middle, "disk.raw");
    for (guint i = 0; i < 2; i++) {
        g_free(name);
        name = g_strdup_printf(
            "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\","
            "\"filename\":\"%s\"},\"backing\":{\"driver\":\"raw\",\"file\":"
            "{\"driver\":\"file\",\"filename\":\"%s/disk.raw\"}}}",
            middle, i ? p.outside : p.inside);
        make(&p, p.t.path, name);
        assert_int_equal(opened(&p), i ? -EPERM : 0);
    }
    end(&p);
}

/* A directory that is called "file:" stands where the check would look. */
static void test_a_prefix_in_a_name(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL, *decoy = NULL, *raw = NULL, *was = NULL;
    struct place p;

    (void)state;
    begin(&p);
    decoy = g_strdup_printf("%s/file:%s", p.inside, p.outside);
    assert_int_equal(g_mkdir_with_parents(decoy, 0700), 0);
    raw = g_build_filename(decoy, "disk.raw", NULL);
    assert_true(g_file_set_contents(raw, "decoy", 5, NULL));
    name = g_strdup_printf("file:%s/disk.raw", p.outside);
    was = g_get_current_dir();
    assert_int_equal(g_chdir(p.inside), 0);
    assert_int_equal(
        block_policy_file(p.policy, p.t.path, name, "file", &error), -EPERM);
    assert_int_equal(
        block_policy_file(p.policy, p.t.path, "disk.raw", "nbd", &error),
        -EPERM);
    assert_int_equal(
        block_policy_file(p.policy, p.t.path, "disk.raw", "file", &error), 0);
    assert_int_equal(g_chdir(was), 0);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_directory),
        cmocka_unit_test(test_a_chain_in_a_name),
        cmocka_unit_test(test_a_prefix_in_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
