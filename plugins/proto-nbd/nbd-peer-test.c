/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD client and servers that mean ill: one that tells lies at random, and
 * some that do one thing wrong.
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/spec.h"
#include "plugins/proto-nbd/nbd-test.h"

/* ---- a server that lies ---- */

/* Speaks the protocol as it should, for one connection, but that some bytes of
 * what it sends are others. It hangs up when it does not understand. */
enum wrong {
    NOTHING,
    HANGS_UP,    /* on a read at BAD */
    DRIPS_LATER, /* after the answer to that, and hangs up before */
    DRIPS,       /* from the beginning */
    NEVER_DONE,  /* a read brings nothing, and more is to come */
};

#define BAD 4096u

struct liar {
    enum wrong wrong;
    gint dripping;
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

/* FALSE: hang up. */
static gboolean liar_errs(struct liar *liar, const uint8_t *request)
{
    uint8_t reply[20] = {0};

    if (nbd_get16(request + 6) != NBD_CMD_READ)
        return TRUE;
    if (liar->wrong == HANGS_UP)
        return nbd_get64(request + 16) != BAD;
    if (liar->wrong != NEVER_DONE)
        return TRUE;
    nbd_put32(reply, NBD_STRUCTURED_MAGIC);
    memcpy(reply + 8, request + 8, 8);
    return liar_put(liar, reply, sizeof reply);
}

static void liar_serve(struct liar *liar)
{
    uint8_t request[28];

    while (liar_get(liar, request, 28)) {
        uint32_t type = nbd_get16(request + 6);
        uint32_t bytes = nbd_get32(request + 24);
        g_autofree uint8_t *data = NULL;
        gboolean ok;

        if (type == NBD_CMD_DISC || bytes > MIB || !liar_errs(liar, request))
            return;
        if (type == NBD_CMD_READ && liar->wrong == NEVER_DONE)
            continue;
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
        if (liar->wrong == DRIPS_LATER && type == NBD_CMD_READ &&
            nbd_get64(request + 16) == BAD) {
            liar->wrong = DRIPS;
            return;
        }
        if (!ok)
            return;
    }
}

/* An answer of which there is always one more byte. */
static void liar_drip(struct liar *liar)
{
    uint8_t hello[18], option[20], byte = 'x';

    nbd_put64(hello, NBD_MAGIC);
    nbd_put64(hello + 8, NBD_OPTION_MAGIC);
    nbd_put16(hello + 16, 3);
    if (!liar_put(liar, hello, 18) || !liar_get(liar, option, 20))
        return;
    g_atomic_int_set(&liar->dripping, 1);
    for (;;) {
        nbd_put64(option, NBD_REPLY_MAGIC);
        nbd_put32(option + 8, NBD_OPT_STRUCTURED_REPLY);
        nbd_put32(option + 12, NBD_REP_ERR_UNSUP);
        nbd_put32(option + 16, 65536);
        if (!liar_put(liar, option, 20))
            return;
        for (guint i = 0; i < 65536; i++) {
            if (!liar_put(liar, &byte, 1))
                return;
            g_usleep(10000);
        }
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
        if (liar->wrong == DRIPS)
            liar_drip(liar);
        else if (liar_options(liar))
            liar_serve(liar);
        close(liar->fd);
    }
    return NULL;
}

static void liar_start(struct liar *liar, struct nbd_test *s, guint lies)
{
    g_autofree char *name =
        g_strdup_printf("nbd+unix:///?socket=%s", s->socket);
    struct sockaddr_un address;

    memset(liar, 0, sizeof *liar);
    liar->listener = nbd_test_socket(s->socket, &address);
    assert_int_equal(bind(liar->listener, (struct sockaddr *)&address,
                          sizeof address), 0);
    assert_int_equal(listen(liar->listener, 5), 0);
    liar->random = g_rand_new_with_seed(
        (guint32)image_environment("TENON_TEST_SEED", 1));
    liar->lies = lies;
    nbd_test_name(s, name);
    liar->thread = g_thread_new("liar", liar_thread, liar);
}

static void liar_stop(struct liar *liar)
{
    shutdown(liar->listener, SHUT_RDWR);
    close(liar->listener);
    g_thread_join(liar->thread);
    g_rand_free(liar->random);
}

static guint talk(struct nbd_test *s)
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
    struct nbd_test s;

    (void)state;
    nbd_test_begin(&s, MIB);
    liar_start(&liar, &s, 0);
    assert_int_equal(talk(&s), 8);
    liar_stop(&liar);
    nbd_test_end(&s);
}

static void test_lies(void **state)
{
    guint count = (guint)image_environment("TENON_TEST_MUTATIONS", 400);
    struct liar liar;
    struct nbd_test s;

    (void)state;
    nbd_test_begin(&s, MIB);
    liar_start(&liar, &s, 12);
    for (guint i = 0; i < count; i++)
        talk(&s);
    liar_stop(&liar);
    nbd_test_end(&s);
}

/* ---- one thing wrong ---- */

/* With options that a URI has not. */
static int32_t open_with(struct nbd_test *s, const char *options)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *text = g_strdup_printf(
        "json:{\"driver\":\"nbd\",\"server\":{\"type\":\"unix\","
        "\"path\":\"%s\"},%s}",
        s->socket, options);
    g_autoptr(image_spec) spec =
        image_spec_new(s->t.registry, text, &error);
    struct node_options node = {.registry = s->t.registry,
                                .context = s->t.context,
                                .image = s->socket};

    if (!spec)
        fail_msg("%s", tn_error_text(&error, 0));
    image_spec_apply(spec, &node);
    return node_open(&node, &s->t.node, &error);
}

static void begin_wrong(struct liar *liar, struct nbd_test *s,
                        enum wrong wrong)
{
    nbd_test_begin(s, MIB);
    liar_start(liar, s, 0);
    liar->wrong = wrong;
}

static void end_wrong(struct liar *liar, struct nbd_test *s)
{
    image_test_close(&s->t);
    liar_stop(liar);
    nbd_test_end(s);
}

static void test_a_request_that_breaks_every_connection_fails(void **state)
{
    uint8_t data[512];
    struct liar liar;
    struct nbd_test s;

    (void)state;
    begin_wrong(&liar, &s, HANGS_UP);
    assert_int_equal(open_with(&s, "\"reconnect-delay\":1"), 0);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, BAD, 512, data), -EIO);
    end_wrong(&liar, &s);
}

static void test_close_while_the_server_is_sought(void **state)
{
    uint8_t data[512];
    struct liar liar;
    struct nbd_test s;

    (void)state;
    begin_wrong(&liar, &s, DRIPS_LATER);
    assert_int_equal(open_with(&s, "\"reconnect-delay\":1"), 0);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, BAD, 512, data), 0);
    while (!g_atomic_int_get(&liar.dripping))
        g_usleep(1000);
    end_wrong(&liar, &s);
}

static void test_an_answer_that_drips(void **state)
{
    struct liar liar;
    struct nbd_test s;

    (void)state;
    begin_wrong(&liar, &s, DRIPS);
    assert_int_equal(open_with(&s, "\"open-timeout\":1"), -ETIMEDOUT);
    end_wrong(&liar, &s);
}

static void test_chunks_without_end(void **state)
{
    uint8_t data[512];
    struct liar liar;
    struct nbd_test s;

    (void)state;
    begin_wrong(&liar, &s, NEVER_DONE);
    assert_int_equal(open_with(&s, "\"reconnect-delay\":0"), 0);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    end_wrong(&liar, &s);
}

static gpointer come_late(gpointer data)
{
    struct nbd_test *s = data;
    struct liar *liar = g_new(struct liar, 1);

    g_usleep(300000);
    liar_start(liar, s, 0);
    return liar;
}

static void test_a_server_that_comes_late(void **state)
{
    struct nbd_test s;
    struct liar *liar;
    GThread *late;

    (void)state;
    nbd_test_begin(&s, MIB);
    nbd_test_name(&s, "nbd");
    assert_int_equal(open_with(&s, "\"open-timeout\":0"), -ENOENT);
    late = g_thread_new("late", come_late, &s);
    assert_int_equal(open_with(&s, "\"open-timeout\":3600"), 0);
    liar = g_thread_join(late);
    end_wrong(liar, &s);
    g_free(liar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_liar_is_understood),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_a_request_that_breaks_every_connection_fails),
        cmocka_unit_test(test_close_while_the_server_is_sought),
        cmocka_unit_test(test_an_answer_that_drips),
        cmocka_unit_test(test_chunks_without_end),
        cmocka_unit_test(test_a_server_that_comes_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
