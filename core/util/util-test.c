/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, the log, nearest names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>

#include "core/util/error.h"
#include "core/util/log.h"
#include "core/util/nearest.h"

static void test_error_may_quote_itself(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    (void)state;
    assert_int_equal(tn_error_set(&error, -EIO, "%s", "lost"), -EIO);
    tn_error_set(&error, -EIO, "disk: %s", error.text);
    tn_error_prefix(&error, "%s: ", "vm");
    assert_string_equal(tn_error_text(&error, -EIO), "vm: disk: lost");
}

static void test_error_without_text_or_object(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    (void)state;
    assert_string_equal(tn_error_text(&error, -ENOENT), g_strerror(ENOENT));
    assert_int_equal(tn_error_set(NULL, -EIO, "nobody reads this"), -EIO);
    tn_error_prefix(&error, "nothing");
    assert_null(error.text);
}

/* What the log says while WRITE runs. */
static char *logged(void (*write_something)(void))
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char *text;
    off_t size;

    assert_true(fd >= 0);
    tn_log_set_fd(fd);
    write_something();
    tn_log_set_fd(-1);
    size = lseek(fd, 0, SEEK_END);
    text = g_malloc0((gsize)size + 1);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    close(fd);
    return text;
}

static void write_levels(void)
{
    struct tn_log_source source = {.name = "disk.root"};

    tn_log_set_level(TN_LOG_WARNING);
    tn_info("not seen");
    tn_warning("seen %d", 1);
    tn_log_write(&source, TN_LOG_ERROR, "seen too\n");
    tn_log_write(&source, TN_LOG_GUEST, "a guest");
    tn_status("no terminal, no status");
    tn_log_set_level(TN_LOG_ERROR);
    tn_log_write(&source, TN_LOG_GUEST, "not seen");
    tn_log_set_level(TN_LOG_INFO);
}

static void test_levels(void **state)
{
    g_autofree char *text = logged(write_levels);

    (void)state;
    assert_string_equal(text, "tenon: warning: seen 1\n"
                              "tenon: error: disk.root: seen too\n"
                              "tenon: guest: disk.root: a guest\n");
}

static void write_controls(void)
{
    tn_log_write(NULL, TN_LOG_INFO, "a\033[2Jb\nc\x7f");
}

static void test_controls_do_not_reach_the_terminal(void **state)
{
    g_autofree char *text = logged(write_controls);

    (void)state;
    assert_string_equal(text, "tenon: a\\x1b[2Jb\\x0ac\\x7f\n");
}

static void write_too_much(void)
{
    struct tn_log_source noisy = {.name = "noisy"}, calm = {.name = "calm"};

    for (guint i = 0; i < TN_LOG_GUEST_BURST + 20; i++)
        tn_log_write(&noisy, TN_LOG_GUEST, "again");
    tn_log_write(&calm, TN_LOG_GUEST, "once");
    /* As if the window were over. */
    noisy.window_start -= TN_LOG_GUEST_WINDOW_US;
    tn_log_write(&noisy, TN_LOG_GUEST, "later");
}

static void test_guest_messages_are_limited_per_source(void **state)
{
    g_autofree char *text = logged(write_too_much);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    (void)state;
    assert_int_equal(g_strv_length(lines), TN_LOG_GUEST_BURST + 3);
    assert_string_equal(lines[TN_LOG_GUEST_BURST], "tenon: guest: calm: once");
    assert_string_equal(lines[TN_LOG_GUEST_BURST + 1],
                        "tenon: guest: noisy: (20 messages left out) later");
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        guint distance;
    } rows[] = {
        {"image", "image", 0}, {"imge", "image", 1}, {"iamge", "image", 1},
        {"", "abc", 3},        {"abc", "", 3},       {"kitten", "sitting", 3},
    };

    (void)state;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_int_equal(tn_edit_distance(rows[i].a, rows[i].b, 99),
                         rows[i].distance);
    assert_int_equal(tn_edit_distance("abcdef", "uvwxyz", 2), 2);
}

static void test_nearest(void **state)
{
    struct tn_nearest nearest;
    g_autofree char *hint = NULL, *none = NULL;

    (void)state;
    tn_nearest_init(&nearest, "memry");
    tn_nearest_offer(&nearest, "name");
    tn_nearest_offer(&nearest, "memory");
    tn_nearest_offer(&nearest, "merry-go-round");
    hint = tn_nearest_hint(&nearest);
    assert_string_equal(hint, "; did you mean 'memory'?");
    tn_nearest_init(&nearest, "x");
    tn_nearest_offer(&nearest, "y"); /* nothing in common */
    none = tn_nearest_hint(&nearest);
    assert_string_equal(none, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_may_quote_itself),
        cmocka_unit_test(test_error_without_text_or_object),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_controls_do_not_reach_the_terminal),
        cmocka_unit_test(test_guest_messages_are_limited_per_source),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
