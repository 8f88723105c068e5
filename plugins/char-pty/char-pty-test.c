/* SPDX-License-Identifier: Apache-2.0 */
/* A pseudo-terminal, opened and left. */
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

static char directory[] = "/tmp/char-pty-XXXXXX";
static char path[64], link_property[80];
static const char *const props[] = {link_property, NULL};

static void begin(struct test_sink *s)
{
    assert_int_equal(test_sink_try(s, "char-pty", "pty", props), 0);
    test_sink_attach(s, 1000);
}

static int open_terminal(void)
{
    int fd = open(path, O_RDWR | O_NOCTTY);

    assert_true(fd >= 0);
    return fd;
}

static void carries_bytes_as_they_are(void **state)
{
    static struct test_sink s;
    char got[16] = "";
    int fd;

    (void)state;
    begin(&s);
    assert_int_equal(s.opened, 0);
    fd = open_terminal();
    assert_true(test_sink_wait(&s, &s.opened, 1));
    assert_int_equal(write(fd, "a\r\3\n", 4), 4);
    assert_true(test_sink_wait(&s, &s.bytes, 4));
    assert_memory_equal(s.data, "a\r\3\n", 4);
    assert_int_equal(test_sink_write(&s, "out\n"), 4);
    assert_int_equal(read(fd, got, sizeof got), 4);
    assert_memory_equal(got, "out\n", 4);
    close(fd);
    test_sink_end(&s);
}

static void may_be_left_and_opened_again(void **state)
{
    static struct test_sink s;
    int fd;

    (void)state;
    begin(&s);
    for (uint32_t i = 1; i <= 3; i++) {
        fd = open_terminal();
        assert_true(test_sink_wait(&s, &s.opened, i));
        close(fd);
        assert_true(test_sink_wait(&s, &s.closed, i));
    }
    test_sink_end(&s);
}

/* More than the kernel buffers: it does not hold up the guest. */
static void drops_output_while_nobody_is_there(void **state)
{
    static struct test_sink s;
    static char text[4096];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    begin(&s);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(test_sink_write(&s, text), sizeof text - 1);
    test_sink_end(&s);
}

static void waits_for_a_slow_reader(void **state)
{
    static struct test_sink s;
    static char text[4096];
    uint32_t sent = 0;
    int32_t n;
    int fd;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    begin(&s);
    fd = open_terminal();
    assert_true(test_sink_wait(&s, &s.opened, 1));
    while ((n = test_sink_write(&s, text)) > 0)
        sent += (uint32_t)n;
    assert_int_equal(n, 0);
    testhost_run(s.machine);
    assert_int_equal(s.writable, 0);
    while (sent > 0) {
        ssize_t got = read(fd, text, sizeof text);

        assert_true(got > 0 && (uint32_t)got <= sent);
        sent -= (uint32_t)got;
    }
    assert_true(test_sink_wait(&s, &s.writable, 1));
    close(fd);
    test_sink_end(&s);
}

static void removes_its_link_and_no_other_file(void **state)
{
    static struct test_sink s;
    int fd;

    (void)state;
    begin(&s);
    test_sink_end(&s);
    assert_int_not_equal(access(path, F_OK), 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_true(test_sink_try(&s, "char-pty", "pty", props) < 0);
    assert_non_null(strstr(testhost_error(s.machine), path));
    test_sink_end(&s);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_as_they_are),
        cmocka_unit_test(may_be_left_and_opened_again),
        cmocka_unit_test(drops_output_while_nobody_is_there),
        cmocka_unit_test(waits_for_a_slow_reader),
        cmocka_unit_test(removes_its_link_and_no_other_file),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/pty", directory);
    snprintf(link_property, sizeof link_property, "link=%s", path);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
