/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as a character back-end, from both ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "char/test-sink.h"

static char directory[] = "/tmp/char-socket-XXXXXX";
static char path[64], path_property[80];

static struct sockaddr_un unix_address(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    strcpy(un.sun_path, path);
    return un;
}

static int connect_unix(void)
{
    struct sockaddr_un un = unix_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

static int listen_unix(void)
{
    struct sockaddr_un un = unix_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int32_t try_begin(struct test_sink *s, const char *first,
                         const char *second)
{
    const char *props[] = {first, second, NULL};

    return test_sink_try(s, "char-socket", "socket", props);
}

static void echo_once(struct test_sink *s, int fd)
{
    char got[16] = "";

    s->bytes = 0;
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_true(test_sink_wait(s, &s->bytes, 4));
    assert_memory_equal(s->data, "ping", 4);
    assert_int_equal(test_sink_write(s, "pong!"), 5);
    assert_int_equal(read(fd, got, sizeof got), 5);
    assert_memory_equal(got, "pong!", 5);
}

static void serves_one_after_the_other(void **state)
{
    static struct test_sink s;
    int fds[3];

    (void)state;
    assert_int_equal(try_begin(&s, path_property, NULL), 0);
    test_sink_attach(&s, 1000);
    assert_int_equal(test_sink_write(&s, "to nobody"), 9);
    for (uint32_t i = 0; i < 2; i++)
        fds[i] = connect_unix(); /* the second one waits */
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(test_sink_wait(&s, &s.opened, i + 1));
        echo_once(&s, fds[i]);
        close(fds[i]);
        assert_true(test_sink_wait(&s, &s.closed, i + 1));
    }
    test_sink_end(&s);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* What was sent before the end of a connection arrives, however slowly. */
static void loses_nothing_at_the_end(void **state)
{
    static struct test_sink s;
    int fd;

    (void)state;
    assert_int_equal(try_begin(&s, path_property, NULL), 0);
    test_sink_attach(&s, 0);
    fd = connect_unix();
    assert_int_equal(write(fd, "0123456789", 10), 10);
    close(fd);
    assert_true(test_sink_wait(&s, &s.opened, 1));
    testhost_run(s.machine);
    for (uint32_t i = 1; i <= 10; i++) {
        s.room = 1;
        s.ops->wanted(s.self);
        assert_true(test_sink_wait(&s, &s.bytes, i));
    }
    s.room = 1;
    s.ops->wanted(s.self);
    assert_true(test_sink_wait(&s, &s.closed, 1));
    test_sink_end(&s);
}

static void client_connects_again(void **state)
{
    static struct test_sink s;
    const char *props[] = {path_property, "server=no", "reconnect=100ms", NULL};
    int listener, fd;

    (void)state;
    assert_int_equal(test_sink_try(&s, "char-socket", "socket", props), 0);
    test_sink_attach(&s, 1000);
    testhost_advance(s.machine, 500000000);
    assert_int_equal(s.opened, 0);
    listener = listen_unix();
    for (uint32_t i = 1; i <= 2; i++) {
        assert_true(test_sink_wait(&s, &s.opened, i));
        fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        echo_once(&s, fd);
        close(fd);
        assert_true(test_sink_wait(&s, &s.closed, i));
    }
    close(listener);
    test_sink_end(&s);
    unlink(path);
}

static void client_needs_a_server(void **state)
{
    static struct test_sink s;

    (void)state;
    assert_true(try_begin(&s, path_property, "server=no") < 0);
    assert_non_null(strstr(testhost_error(s.machine), path));
    test_sink_end(&s);
}

static void replaces_a_socket_nobody_listens_on(void **state)
{
    static struct test_sink s;

    (void)state;
    close(listen_unix());
    assert_int_equal(try_begin(&s, path_property, NULL), 0);
    test_sink_end(&s);
}

static void leaves_a_socket_in_use_alone(void **state)
{
    static struct test_sink s;
    int listener = listen_unix();

    (void)state;
    assert_true(try_begin(&s, path_property, NULL) < 0);
    assert_non_null(strstr(testhost_error(s.machine), "in use"));
    test_sink_end(&s);
    assert_int_equal(access(path, F_OK), 0);
    close(listener);
    unlink(path);
}

static void serves_tcp(void **state)
{
    static struct test_sink s;
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t length = sizeof in;
    char property[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    close(fd);
    snprintf(property, sizeof property, "tcp=127.0.0.1:%u",
             ntohs(in.sin_port));
    assert_int_equal(try_begin(&s, property, NULL), 0);
    test_sink_attach(&s, 1000);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_true(test_sink_wait(&s, &s.opened, 1));
    echo_once(&s, fd);
    close(fd);
    test_sink_end(&s);
}

static void refuses_wrong_settings(void **state)
{
    static const char *const wrong[][2] = {
        {"server=yes", NULL},
        {"path=/tmp/a", "tcp=127.0.0.1:1"},
        {"tcp=127.0.0.1", NULL},
        {"tcp=:1", NULL},
        {"tcp=::1:1", NULL},
        {"path=/tmp/a", "reconnect=1s"},
    };
    static struct test_sink s;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(try_begin(&s, wrong[i][0], wrong[i][1]) < 0);
        assert_true(*testhost_error(s.machine));
        test_sink_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_one_after_the_other),
        cmocka_unit_test(loses_nothing_at_the_end),
        cmocka_unit_test(client_connects_again),
        cmocka_unit_test(client_needs_a_server),
        cmocka_unit_test(replaces_a_socket_nobody_listens_on),
        cmocka_unit_test(leaves_a_socket_in_use_alone),
        cmocka_unit_test(serves_tcp),
        cmocka_unit_test(refuses_wrong_settings),
    };
    int failed;

    if (!mkdtemp(directory))
        return 1;
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(path_property, sizeof path_property, "path=%s", path);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
