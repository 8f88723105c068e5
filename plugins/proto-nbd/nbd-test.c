/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD client against nbdkit, the reference's server, and a server here
 * that tells lies.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "plugins/proto-nbd/nbd-wire.h"
#include "tests/image/kind.h"

#define MIB (1u << 20)

static const char *const plugins[] = {"proto-file", "proto-nbd", "fmt-raw",
                                      "fmt-qcow2", NULL};

struct server {
    struct image_test t;
    GPid pid;
    char *socket;
};

static gboolean has_program(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    if (!path)
        print_message("%s is not installed\n", name);
    return path != NULL;
}

static void begin(struct server *s, uint64_t bytes)
{
    memset(s, 0, sizeof *s);
    image_test_init(&s->t, plugins, BLOCK_IO_BEST, 21);
    s->socket = g_build_filename(s->t.directory, "sock", NULL);
    s->t.bytes = bytes;
    s->t.model = g_malloc0(bytes);
}

static void set_name(struct server *s, const char *name)
{
    g_free(s->t.path);
    s->t.path = g_strdup(name);
}

static int unix_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_strlcpy(address->sun_path, path, sizeof address->sun_path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Does a server answer, whatever it says? */
static gboolean listens(struct server *s)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc;

    if (!g_file_test(s->socket, G_FILE_TEST_EXISTS))
        return FALSE;
    rc = image_test_open(&s->t, "raw", 0, &error);
    if (!rc)
        image_test_close(&s->t);
    return rc != -ECONNREFUSED;
}

static void start(struct server *s, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* A server's command; it runs in the test's directory. */
static void start(struct server *s, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *uri = NULL;
    g_auto(GStrv) words = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    assert_true(g_shell_parse_argv(text, NULL, &words, NULL));
    unlink(s->socket);
    assert_true(g_spawn_async(s->t.directory, words, NULL,
                              G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                  G_SPAWN_STDERR_TO_DEV_NULL,
                              NULL, NULL, &s->pid, NULL));
    uri = g_strdup_printf("nbd+unix:///?socket=%s", s->socket);
    set_name(s, uri);
    while (!listens(s)) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            fail_msg("%s ended", words[0]);
        g_usleep(10000);
    }
}

static void stop(struct server *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static void end(struct server *s)
{
    image_test_close(&s->t);
    stop(s);
    g_free(s->socket);
    image_test_clear(&s->t);
}

static void open_it(struct server *s, const char *format, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (image_test_open(&s->t, format, flags, &error))
        fail_msg("%s", tn_error_text(&error, 0));
}

/* ---- servers that mean well ---- */

static void history(const char *command)
{
    struct server s;

    begin(&s, 8 * MIB);
    start(&s, command, s.socket);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(s.t.node->info.bytes, 8 * MIB);
    image_test_history(&s.t,
                       (guint)image_environment("TENON_TEST_OPERATIONS", 2000),
                       32);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    open_it(&s, "raw", 0);
    image_test_compare(&s.t);
    end(&s);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void with_nbdkit(const char *command)
{
    if (!has_program("nbdkit"))
        skip();
    history(command);
}
#pragma GCC diagnostic pop

static void test_history_with_nbdkit(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s memory 8M");
}

static void test_history_without_structured_replies(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f --no-sr -U %s memory 8M");
}

static void test_history_with_the_oldest_newstyle(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f --mask-handshake=0 -U %s memory 8M");
}

static void test_history_with_large_blocks(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s --filter=blocksize-policy memory 8M "
                "blocksize-minimum=4096 blocksize-preferred=64K "
                "blocksize-maximum=128K blocksize-error-policy=error");
}

static void test_history_without_zeroing(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s --filter=nozero memory 8M");
}

static void test_history_with_the_reference(void **state)
{
    struct server s;

    (void)state;
    if (!has_program("qemu-nbd"))
        skip();
    begin(&s, 8 * MIB);
    assert_int_equal(
        image_test_run("cd %s && qemu-img create -q -f qcow2 a.qcow2 8M",
                       s.t.directory), 0);
    start(&s, "qemu-nbd -t -e 4 -f qcow2 -k %s a.qcow2", s.socket);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 2000, 32);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    kill(s.pid, SIGTERM);
    waitpid(s.pid, NULL, 0);
    s.pid = 0;
    assert_int_equal(image_test_run("cd %s && qemu-img check -q a.qcow2",
                                    s.t.directory), 0);
    end(&s);
}

static void test_qcow2_on_nbd(void **state)
{
    struct server s;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, 4 * MIB);
    start(&s, "nbdkit -f -U %s memory 16M", s.socket);
    assert_int_equal(image_test_create(&s.t, "qcow2", 4 * MIB), 0);
    open_it(&s, NULL, TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 1000, 16);
    image_test_compare(&s.t);
    end(&s);
}

static void test_read_only_export(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct server s;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, MIB);
    start(&s, "nbdkit -f -r -U %s memory 1M", s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", TN_IMAGE_WRITABLE, &error),
                     -EROFS);
    open_it(&s, "raw", 0);
    image_test_compare(&s.t);
    end(&s);
}

static void test_holes_are_known(void **state)
{
    struct server s;
    struct block_file *file;
    uint8_t data[4096];
    uint64_t bytes, at = 0;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, 64 * MIB);
    start(&s, "nbdkit -f -U %s memory 64M", s.socket);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    memset(data, 5, sizeof data);
    assert_int_equal(image_do(&s.t, TN_DISK_WRITE, 0, 32 * MIB, 4096, data),
                     0);
    file = node_file(s.t.node, 0);
    assert_int_equal(file->ops.status(file->host.self, 0, &bytes),
                     TN_STATUS_HOLE);
    assert_int_equal(bytes, 32 * MIB);
    assert_int_equal(file->ops.status(file->host.self, 32 * MIB, &bytes),
                     TN_STATUS_DATA);
    at = 32 * MIB + bytes;
    assert_int_equal(file->ops.status(file->host.self, at, &bytes),
                     TN_STATUS_HOLE);
    assert_int_equal(at + bytes, 64 * MIB);
    end(&s);
}

static void test_no_such_export(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct server s;

    (void)state;
    if (!has_program("qemu-nbd"))
        skip();
    begin(&s, MIB);
    assert_int_equal(image_test_run("truncate -s 1M %s/a.raw", s.t.directory),
                     0);
    start(&s, "qemu-nbd -t -x good%%20name -f raw -k %s a.raw", s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -ENOENT);
    name = g_strdup_printf("nbd+unix:///good%%2520name?socket=%s", s.socket);
    set_name(&s, name);
    open_it(&s, "raw", 0);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbd:unix:%s:exportname=good%%20name", s.socket);
    set_name(&s, name);
    open_it(&s, "raw", 0);
    end(&s);
}

static void test_errors_come_through(void **state)
{
    uint8_t data[512] = {0};
    struct server s;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, MIB);
    start(&s, "nbdkit -f -U %s --filter=error memory 1M error-pwrite=ENOSPC "
              "error-pwrite-rate=100%% error-pread=EIO "
              "error-pread-rate=100%%", s.socket);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&s.t, TN_DISK_WRITE, 0, 0, 512, data), -ENOSPC);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    end(&s);
}

static void test_server_that_dies(void **state)
{
    uint8_t data[512] = {0};
    struct server s;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, MIB);
    start(&s, "nbdkit -f -U %s memory 1M", s.socket);
    open_it(&s, "raw", 0);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), 0);
    stop(&s);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    end(&s);
}

static void test_names_that_are_refused(void **state)
{
    static const char *const names[] = {
        "nbd:", "nbd:host", "nbd:host:", "nbd+unix:///x", "nbd://host/a%0",
        "nbd://host/%00", "nbd://[::1/x", "nbd+unix://host/?socket=/x",
        "nbd://h/?what=1", "nbd+unix:///?socket=/nowhere/at/all",
        "nbd:unix:/nowhere/at/all"};
    struct server s;

    (void)state;
    begin(&s, MIB);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;

        set_name(&s, names[i]);
        assert_int_not_equal(image_test_open(&s.t, "raw", 0, &error), 0);
        assert_true(tn_error_text(&error, 0)[0]);
    }
    end(&s);
}

/* ---- TLS ---- */

static void test_tls_with_a_shared_key(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct server s;

    (void)state;
    if (!has_program("nbdkit"))
        skip();
    begin(&s, 2 * MIB);
    assert_int_equal(
        image_test_run("cd %s && echo alice:00112233445566778899aabbccddeeff "
                       ">psk && echo alice:ff112233445566778899aabbccddeeff "
                       ">wrong", s.t.directory), 0);
    start(&s, "nbdkit -f --tls=require --tls-psk=%s/psk -U %s memory 2M",
          s.t.directory, s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -EACCES);
    assert_non_null(strstr(tn_error_text(&error, 0), "TLS"));
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-psk-file=%s/psk",
                           s.socket, s.t.directory);
    set_name(&s, name);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 800, 16);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-psk-file=%s/wrong",
                           s.socket, s.t.directory);
    set_name(&s, name);
    assert_int_not_equal(image_test_open(&s.t, "raw", 0, &error), 0);
    end(&s);
}

static void test_tls_with_certificates(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct server s;

    (void)state;
    if (!has_program("nbdkit") || !has_program("certtool"))
        skip();
    begin(&s, 2 * MIB);
    assert_int_equal(
        image_test_run(
            "cd %s && mkdir pki && cd pki && { "
            "echo 'cn = Test CA'; echo ca; echo cert_signing_key; } >ca.info "
            "&& { echo 'cn = disks'; echo tls_www_server; echo "
            "encryption_key; echo signing_key; echo 'dns_name = disks'; } "
            ">server.info && for k in ca server; do certtool "
            "--generate-privkey --outfile $k-key.pem 2>&1 || exit; done && "
            "certtool --generate-self-signed --load-privkey ca-key.pem "
            "--template ca.info --outfile ca-cert.pem 2>&1 && certtool "
            "--generate-certificate --load-ca-certificate ca-cert.pem "
            "--load-ca-privkey ca-key.pem --load-privkey server-key.pem "
            "--template server.info --outfile server-cert.pem 2>&1",
            s.t.directory), 0);
    start(&s, "nbdkit -f --tls=require --tls-certificates=%s/pki -U %s "
              "memory 2M", s.t.directory, s.socket);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-certificates=%s/pki"
                           "&tls-hostname=disks", s.socket, s.t.directory);
    set_name(&s, name);
    open_it(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 800, 16);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-certificates=%s/pki"
                           "&tls-hostname=others", s.socket, s.t.directory);
    set_name(&s, name);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -EACCES);
    end(&s);
}

/* ---- a server that lies ---- */

/* Speaks the protocol as it should, for one connection, but that some bytes of
 * what it sends are others. It hangs up when it does not understand. */
struct liar {
    int listener;
    int fd;
    GRand *random;
    guint lies; /* in a hundred writes */
    GThread *thread;
};

static gboolean liar_get(struct liar *liar, void *data, gsize bytes)
{
    return !bytes ||
           recv(liar->fd, data, bytes, MSG_WAITALL) == (gssize)bytes;
}

static gboolean liar_put(struct liar *liar, const void *data, gsize bytes)
{
    g_autofree uint8_t *copy = g_memdup2(data, bytes);

    if ((guint)g_rand_int_range(liar->random, 0, 100) < liar->lies)
        copy[g_rand_int_range(liar->random, 0, (gint32)MIN(bytes, 40))] =
            g_rand_boolean(liar->random) ? (uint8_t)g_rand_int(liar->random)
                                         : 0;
    return send(liar->fd, copy, bytes, MSG_NOSIGNAL) == (gssize)bytes;
}

static gboolean liar_answer(struct liar *liar, uint32_t option, uint32_t type,
                            const void *data, uint32_t bytes)
{
    uint8_t reply[20 + 64];

    nbd_put64(reply, NBD_REPLY_MAGIC);
    nbd_put32(reply + 8, option);
    nbd_put32(reply + 12, type);
    nbd_put32(reply + 16, bytes);
    memcpy(reply + 20, data, bytes);
    return liar_put(liar, reply, 20 + bytes);
}

static gboolean liar_options(struct liar *liar)
{
    uint8_t hello[18], flags[4], header[16], data[512];

    nbd_put64(hello, NBD_MAGIC);
    nbd_put64(hello + 8, NBD_OPTION_MAGIC);
    nbd_put16(hello + 16, 3);
    if (!liar_put(liar, hello, 18) || !liar_get(liar, flags, 4))
        return FALSE;
    while (liar_get(liar, header, 16)) {
        uint32_t option = nbd_get32(header + 8);
        uint32_t bytes = nbd_get32(header + 12);
        uint8_t info[12] = {0};

        if (bytes > sizeof data || !liar_get(liar, data, bytes))
            return FALSE;
        if (option == NBD_OPT_SET_META_CONTEXT) {
            uint8_t context[19];

            nbd_put32(context, 7);
            memcpy(context + 4, "base:allocation", 15);
            if (!liar_answer(liar, option, NBD_REP_META_CONTEXT, context, 19))
                return FALSE;
        }
        if (option == NBD_OPT_GO) {
            nbd_put64(info + 2, MIB);
            nbd_put16(info + 10, 0x6d);
            if (!liar_answer(liar, option, NBD_REP_INFO, info, 12))
                return FALSE;
        }
        if (!liar_answer(liar, option, NBD_REP_ACK, info, 0))
            return FALSE;
        if (option == NBD_OPT_GO)
            return TRUE;
    }
    return FALSE;
}

static gboolean liar_chunk(struct liar *liar, const uint8_t *request,
                           uint32_t type, const void *data, uint32_t bytes)
{
    g_autofree uint8_t *reply = g_malloc(20 + bytes);

    nbd_put32(reply, NBD_STRUCTURED_MAGIC);
    nbd_put16(reply + 4, NBD_CHUNK_DONE);
    nbd_put16(reply + 6, type);
    memcpy(reply + 8, request + 8, 8);
    nbd_put32(reply + 16, bytes);
    memcpy(reply + 20, data, bytes);
    return liar_put(liar, reply, 20 + bytes);
}

static void liar_serve(struct liar *liar)
{
    uint8_t request[28];

    while (liar_get(liar, request, 28)) {
        uint32_t type = nbd_get16(request + 6);
        uint32_t bytes = nbd_get32(request + 24);
        g_autofree uint8_t *data = NULL;
        gboolean ok;

        if (type == NBD_CMD_DISC || bytes > MIB)
            return;
        data = g_malloc0(bytes + 12);
        if (type == NBD_CMD_WRITE && !liar_get(liar, data, bytes))
            return;
        memcpy(data, request + 16, 8);
        if (type == NBD_CMD_BLOCK_STATUS) {
            nbd_put32(data, 7);
            nbd_put32(data + 4, bytes);
            nbd_put32(data + 8, 0);
            ok = liar_chunk(liar, request, NBD_CHUNK_BLOCK_STATUS, data, 12);
        } else if (type == NBD_CMD_READ) {
            ok = liar_chunk(liar, request, NBD_CHUNK_DATA, data, bytes + 8);
        } else {
            ok = liar_chunk(liar, request, NBD_CHUNK_NONE, data, 0);
        }
        if (!ok)
            return;
    }
}

static gpointer liar_thread(gpointer data)
{
    struct liar *liar = data;
    /* After a lie either side may wait for what does not come. */
    struct timeval wait = {.tv_sec = liar->lies ? 0 : 600,
                           .tv_usec = liar->lies ? 100000 : 0};

    while ((liar->fd = accept(liar->listener, NULL, NULL)) >= 0) {
        setsockopt(liar->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        if (liar_options(liar))
            liar_serve(liar);
        close(liar->fd);
    }
    return NULL;
}

static void liar_start(struct liar *liar, struct server *s, guint lies)
{
    g_autofree char *name =
        g_strdup_printf("nbd+unix:///?socket=%s", s->socket);
    struct sockaddr_un address;

    liar->listener = unix_socket(s->socket, &address);
    assert_int_equal(bind(liar->listener, (struct sockaddr *)&address,
                          sizeof address), 0);
    assert_int_equal(listen(liar->listener, 5), 0);
    liar->random = g_rand_new_with_seed(
        (guint32)image_environment("TENON_TEST_SEED", 1));
    liar->lies = lies;
    set_name(s, name);
    liar->thread = g_thread_new("liar", liar_thread, liar);
}

static void liar_stop(struct liar *liar)
{
    shutdown(liar->listener, SHUT_RDWR);
    close(liar->listener);
    g_thread_join(liar->thread);
    g_rand_free(liar->random);
}

static guint talk(struct server *s)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    static uint8_t data[65536];
    struct block_file *file;
    uint64_t bytes;
    guint good = 0;

    if (image_test_open(&s->t, "raw", TN_IMAGE_WRITABLE, &error))
        return 0;
    file = node_file(s->t.node, 0);
    for (guint i = 0; i < 4; i++) {
        uint64_t room = s->t.node->info.bytes;

        if (room > 65536 && room < (UINT64_C(1) << 60))
            good += !image_do(&s->t, TN_DISK_READ, 0, room / 2 / 512 * 512 -
                                                          32768, 4096, data);
        good += !image_do(&s->t, TN_DISK_READ, 0, 0, 512, data);
        file->ops.status(file->host.self, 0, &bytes);
        image_do(&s->t, TN_DISK_WRITE, 0, 0, 512, data);
    }
    node_close(s->t.node, NULL);
    s->t.node = NULL;
    return good;
}

static void test_the_liar_is_understood(void **state)
{
    struct liar liar;
    struct server s;

    (void)state;
    begin(&s, MIB);
    liar_start(&liar, &s, 0);
    assert_int_equal(talk(&s), 8);
    liar_stop(&liar);
    end(&s);
}

static void test_lies(void **state)
{
    guint count = (guint)image_environment("TENON_TEST_MUTATIONS", 400);
    struct liar liar;
    struct server s;

    (void)state;
    begin(&s, MIB);
    liar_start(&liar, &s, 12);
    for (guint i = 0; i < count; i++)
        talk(&s);
    liar_stop(&liar);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_with_nbdkit),
        cmocka_unit_test(test_history_without_structured_replies),
        cmocka_unit_test(test_history_with_the_oldest_newstyle),
        cmocka_unit_test(test_history_with_large_blocks),
        cmocka_unit_test(test_history_without_zeroing),
        cmocka_unit_test(test_history_with_the_reference),
        cmocka_unit_test(test_qcow2_on_nbd),
        cmocka_unit_test(test_read_only_export),
        cmocka_unit_test(test_holes_are_known),
        cmocka_unit_test(test_no_such_export),
        cmocka_unit_test(test_errors_come_through),
        cmocka_unit_test(test_server_that_dies),
        cmocka_unit_test(test_names_that_are_refused),
        cmocka_unit_test(test_tls_with_a_shared_key),
        cmocka_unit_test(test_tls_with_certificates),
        cmocka_unit_test(test_the_liar_is_understood),
        cmocka_unit_test(test_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
