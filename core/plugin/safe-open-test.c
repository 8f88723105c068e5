/* SPDX-License-Identifier: Apache-2.0 */
/* The walk to a file that will run as us, with directories held and without. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/plugin/safe-open.h"

/* A directory with safe/a/file, safe/b/file and a link "link" to safe. */
struct tree {
    char *top, *a, *b, *file_a, *file_b, *link;
    struct tn_safe_walk *walk;
};

static int make_tree(void **state)
{
    struct tree *t = g_new0(struct tree, 1);

    t->top = g_dir_make_tmp("tenon-safe-XXXXXX", NULL);
    t->a = g_build_filename(t->top, "safe", "a", NULL);
    t->b = g_build_filename(t->top, "safe", "b", NULL);
    t->file_a = g_build_filename(t->a, "file", NULL);
    t->file_b = g_build_filename(t->b, "file", NULL);
    t->link = g_build_filename(t->top, "link", NULL);
    t->walk = tn_safe_walk_new();
    *state = t;
    umask(022);
    return g_mkdir_with_parents(t->a, 0755) || g_mkdir(t->b, 0755) ||
           !g_file_set_contents(t->file_a, "a", 1, NULL) ||
           !g_file_set_contents(t->file_b, "b", 1, NULL) ||
           chmod(t->file_a, 0644) || chmod(t->file_b, 0644) ||
           symlink("safe", t->link);
}

static int remove_tree(void **state)
{
    struct tree *t = *state;
    g_autofree char *safe = g_build_filename(t->top, "safe", NULL);

    tn_safe_walk_free(t->walk);
    g_unlink(t->file_a);
    g_unlink(t->file_b);
    g_unlink(t->link);
    g_rmdir(t->a);
    g_rmdir(t->b);
    g_rmdir(safe);
    g_rmdir(t->top);
    g_free(t->top);
    g_free(t->a);
    g_free(t->b);
    g_free(t->file_a);
    g_free(t->file_b);
    g_free(t->link);
    g_free(t);
    return 0;
}

/* PATH opens, and what is read from it is BYTE. */
static void expect_byte(struct tn_safe_walk *walk, const char *path, char byte)
{
    int32_t fd = tn_safe_open(walk, path, NULL);
    char got = 0;

    assert_true(fd >= 0);
    assert_int_equal(read(fd, &got, 1), 1);
    assert_int_equal(got, byte);
    close(fd);
}

static void expect_refused(struct tn_safe_walk *walk, const char *path,
                           const char *message)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    assert_int_equal(tn_safe_open(walk, path, &error), -EACCES);
    assert_string_equal(error.text, message);
}

static void test_neighbours(void **state)
{
    const struct tree *t = *state;

    for (int i = 0; i < 3; i++) {
        expect_byte(t->walk, t->file_a, 'a');
        expect_byte(t->walk, t->file_b, 'b');
    }
    tn_safe_walk_forget(t->walk);
    expect_byte(t->walk, t->file_a, 'a');
    expect_byte(NULL, t->file_b, 'b');
}

static void test_link_on_the_way(void **state)
{
    const struct tree *t = *state;
    g_autofree char *path = g_build_filename(t->link, "a", "file", NULL);

    expect_byte(NULL, path, 'a');
    expect_byte(t->walk, path, 'a');
    expect_byte(t->walk, path, 'a');
}

static void test_steps_back(void **state)
{
    const struct tree *t = *state;
    g_autofree char *path = g_build_filename(t->a, "..", "b", ".", "file", NULL);

    expect_byte(t->walk, path, 'b');
    expect_byte(t->walk, path, 'b');
}

/* The walk to the neighbour begins above B, and must look at B itself. */
static void test_unsafe_neighbour(void **state)
{
    const struct tree *t = *state;
    g_autofree char *message = g_strdup_printf(
        "unsafe permissions: its group can write the directory '%s' "
        "(chmod g-w to mend that)",
        t->b);

    expect_byte(t->walk, t->file_a, 'a');
    assert_int_equal(chmod(t->b, 0775), 0);
    expect_refused(t->walk, t->file_b, message);
    expect_refused(t->walk, t->file_b, message);
    expect_byte(t->walk, t->file_a, 'a');
}

/* Sticky is enough above, and not where the file is, held or not. */
static void test_sticky_only_above(void **state)
{
    const struct tree *t = *state;
    g_autofree char *safe = g_build_filename(t->top, "safe", NULL);
    g_autofree char *file = g_build_filename(safe, "file", NULL);
    g_autofree char *message = g_strdup_printf(
        "unsafe permissions: anybody can write the directory '%s' "
        "(chmod go-w to mend that)",
        safe);

    assert_int_equal(chmod(safe, 01777), 0);
    expect_byte(t->walk, t->file_a, 'a');
    expect_refused(t->walk, file, message);
    assert_int_equal(chmod(safe, 0777), 0);
    tn_safe_walk_forget(t->walk);
    expect_refused(t->walk, t->file_a, message);
}

/* What is held is the directory that was checked, not what has its name now. */
static void test_replaced_directory(void **state)
{
    const struct tree *t = *state;
    g_autofree char *safe = g_build_filename(t->top, "safe", NULL);
    g_autofree char *away = g_build_filename(t->top, "away", NULL);

    expect_byte(t->walk, t->file_a, 'a');
    assert_int_equal(g_rename(safe, away), 0);
    expect_byte(t->walk, t->file_a, 'a');
    assert_int_equal(tn_safe_open(NULL, t->file_a, NULL), -ENOENT);
    assert_int_equal(g_rename(away, safe), 0);
}

static void test_no_descriptor_is_lost(void **state)
{
    const struct tree *t = *state;
    int before = dup(0), after;
    struct tn_safe_walk *walk = tn_safe_walk_new();

    assert_true(before >= 0);
    close(before);
    expect_byte(walk, t->file_a, 'a');
    assert_int_equal(chmod(t->b, 0775), 0);
    assert_int_equal(tn_safe_open(walk, t->file_b, NULL), -EACCES);
    assert_int_equal(tn_safe_open(walk, t->top, NULL), -EACCES);
    tn_safe_walk_free(walk);
    after = dup(0);
    assert_int_equal(after, before);
    close(after);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_neighbours),        TEST(test_link_on_the_way),
        TEST(test_steps_back),        TEST(test_unsafe_neighbour),
        TEST(test_sticky_only_above), TEST(test_replaced_directory),
        TEST(test_no_descriptor_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
