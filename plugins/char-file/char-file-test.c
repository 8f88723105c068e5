/* SPDX-License-Identifier: Apache-2.0 */
/* Files as a character back-end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "char/test-sink.h"

static char directory[] = "/tmp/char-file-XXXXXX";
static char path[64], input[64];

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_content(const char *name, const char *text)
{
    char got[256] = "";
    FILE *file = fopen(name, "r");

    assert_non_null(file);
    got[fread(got, 1, sizeof got - 1, file)] = 0;
    fclose(file);
    assert_string_equal(got, text);
}

static void begin(struct test_sink *s, const char *first, const char *second,
                  uint32_t room)
{
    char where[80];
    const char *props[] = {where, first, second, NULL};

    snprintf(where, sizeof where, "path=%s", path);
    assert_int_equal(test_sink_try(s, "char-file", "file", props), 0);
    test_sink_attach(s, room);
}

static void writes_a_file(void **state)
{
    static struct test_sink s;

    (void)state;
    put(path, "old");
    begin(&s, NULL, NULL, 0);
    assert_int_equal(s.opened, 1);
    assert_int_equal(test_sink_write(&s, "hello "), 6);
    assert_int_equal(test_sink_write(&s, "file"), 4);
    test_sink_end(&s);
    assert_content(path, "hello file");
}

static void appends(void **state)
{
    static struct test_sink s;

    (void)state;
    put(path, "old ");
    begin(&s, "append=yes", NULL, 0);
    assert_int_equal(test_sink_write(&s, "new"), 3);
    test_sink_end(&s);
    assert_content(path, "old new");
}

/* As much as there is room for, and the rest when there is. */
static void reads_a_file_in_pieces(void **state)
{
    static struct test_sink s;
    char from[80];

    (void)state;
    put(input, "0123456789");
    snprintf(from, sizeof from, "input=%s", input);
    begin(&s, from, NULL, 4);
    assert_int_equal(s.bytes, 4);
    s.room = 100;
    s.ops->wanted(s.self);
    testhost_run(s.machine);
    assert_int_equal(s.bytes, 10);
    assert_memory_equal(s.data, "0123456789", 10);
    test_sink_end(&s);
}

static void names_what_it_cannot_open(void **state)
{
    const char *props[] = {"path=/nowhere/at/all", NULL};
    static struct test_sink s;

    (void)state;
    assert_true(test_sink_try(&s, "char-file", "file", props) < 0);
    assert_non_null(strstr(testhost_error(s.machine), "/nowhere/at/all"));
    test_sink_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_file),
        cmocka_unit_test(appends),
        cmocka_unit_test(reads_a_file_in_pieces),
        cmocka_unit_test(names_what_it_cannot_open),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/out", directory);
    snprintf(input, sizeof input, "%s/in", directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    unlink(input);
    rmdir(directory);
    return failed;
}
