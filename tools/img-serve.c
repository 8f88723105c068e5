/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon-img serve: an image for NBD clients. The server itself is img-nbd.c;
 * this is the command, its process and its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/img-nbd.h"
#include "tools/img-serve.h"
#include "tools/tenon-img.h"

#define DEFAULT_CLIENTS 16
#define DEFAULT_HANDSHAKE 30 /* seconds */
#define MAX_BITMAP (256u << 20)
#define MAX_NAME 4096 /* of the protocol's strings */

static const char *snapshot, *export_name = "", *description, *pid_file,
                             *certificates, *psk_file, *discard;
static gboolean read_only, persistent, fork_off, depth, verify_peer;
static uint64_t shared = DEFAULT_CLIENTS, handshake = DEFAULT_HANDSHAKE,
                offset, length;
static GPtrArray *bitmaps;
static struct serve_place place;
static struct nbd_server server;

static const struct img_option options[] = {
    {'k', "socket", "PATH", IMG_TEXT, &place.socket,
     "listen on a unix socket"},
    {'b', "bind", "ADDRESS", IMG_TEXT, &place.bind,
     "listen on it (default: localhost; '*': on all)"},
    {'p', "port", "PORT", IMG_TEXT, &place.port,
     "TCP port (default: 10809; 0: any that is free)"},
    {'x', "export-name", "NAME", IMG_TEXT, &export_name,
     "name of the export (default: the empty one)"},
    {'D', "description", "TEXT", IMG_TEXT, &description,
     "what clients are told about it"},
    {'r', "read-only", NULL, IMG_FLAG, &read_only, "nobody may write"},
    {'l', "load-snapshot", "SNAPSHOT", IMG_TEXT, &snapshot,
     "serve an internal snapshot, read-only"},
    {'o', "offset", "OFFSET", IMG_SIZE, &offset,
     "serve what begins there in the image"},
    {0, "length", "LENGTH", IMG_SIZE, &length, "serve so much of it"},
    {'t', "persistent", NULL, IMG_FLAG, &persistent,
     "go on when the last client has gone"},
    {'e', "shared", "N", IMG_NUMBER, &shared,
     "clients at a time (default 16; 0: no limit)"},
    {'A', "allocation-depth", NULL, IMG_FLAG, &depth,
     "offer the context qemu:allocation-depth"},
    {'B', "bitmap", "NAME", IMG_LIST, &bitmaps,
     "offer a dirty bitmap (again for more); with -r"},
    {0, "tls-certificates", "DIR", IMG_TEXT, &certificates,
     "TLS: ca-cert.pem, server-cert.pem and server-key.pem"},
    {0, "tls-psk", "FILE", IMG_TEXT, &psk_file, "TLS with pre-shared keys"},
    {0, "tls-verify-peer", NULL, IMG_FLAG, &verify_peer,
     "only clients whose certificate the CA signed"},
    {0, "handshake-timeout", "SECONDS", IMG_NUMBER, &handshake,
     "for a client's handshake (default 30)"},
    {0, "fork", NULL, IMG_FLAG, &fork_off,
     "go into the background when it is ready"},
    {0, "pid-file", "FILE", IMG_TEXT, &pid_file, "store the process's id"},
    {0, "discard", "unmap|ignore", IMG_TEXT, &discard,
     "what discards do (default: unmap)"},
    {0, "cache", "CACHE", IMG_TEXT, &img.cache,
     "none, writeback, unsafe, directsync or writethrough"},
    IMG_FORMAT,
    IMG_IMAGE_OPTS,
    IMG_SHARE,
    IMG_QUIET,
    IMG_OBJECT,
    IMG_JOBS,
    IMG_POLICY,
    IMG_END,
};

/* ---- the process ---- */

static sigset_t ends; /* signals that end us */

/* The first one ends us in order, the second at once. */
static void *await_signal(void *unused)
{
    int which;

    (void)unused;
    if (!sigwait(&ends, &which))
        nbd_stop(&server);
    if (!sigwait(&ends, &which))
        _exit(128 + which);
    return NULL;
}

/* Before there is another thread. Who ignores a signal goes on to. */
static void block_signals(void)
{
    static const int list[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction now;

    sigemptyset(&ends);
    for (gsize i = 0; i < G_N_ELEMENTS(list); i++)
        if (list[i] == SIGTERM || sigaction(list[i], NULL, &now) ||
            now.sa_handler != SIG_IGN)
            sigaddset(&ends, list[i]);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* -1: go on, as the child if that was asked for; else the exit status.
 * READY is where the child says that it is. */
static int begin_fork(int *ready)
{
    int ends_of_pipe[2];
    pid_t child;
    char word;
    ssize_t n;

    *ready = -1;
    if (!fork_off)
        return -1;
    fflush(stdout);
    if (pipe(ends_of_pipe) || (child = fork()) < 0)
        return img_fail("Failed to fork: %s", g_strerror(errno));
    close(ends_of_pipe[child ? 1 : 0]);
    if (!child) {
        *ready = ends_of_pipe[1];
        fcntl(*ready, F_SETFD, FD_CLOEXEC);
        setsid();
        return -1;
    }
    do
        n = read(ends_of_pipe[0], &word, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : 1; /* the child has said why */
}

static void say_ready(int ready)
{
    int null;

    if (ready < 0)
        return;
    fflush(stdout);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    while (write(ready, "+", 1) < 0 && errno == EINTR)
        ;
    close(ready);
}

static int write_pid(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (!pid_file)
        return 0;
    text = g_strdup_printf("%ld\n", (long)getpid());
    return g_file_set_contents(pid_file, text, -1, &error)
               ? 0
               : img_fail("%s", error->message);
}

/* ---- what is served ---- */

static int add_bitmap(struct block_node *node, const char *name)
{
    struct tn_image_bitmap found;
    struct nbd_bitmap bitmap = {0};
    uint64_t bytes;
    int32_t rc;

    if (image_bitmap_find(node, name, &found))
        return img_fail("%s has no bitmap '%s'", node->name, name);
    if (found.flags & TN_BITMAP_IN_USE)
        return img_fail("bitmap '%s' of %s was not saved: it means nothing",
                        name, node->name);
    bitmap.granularity = MAX(found.granularity, NBD_SECTOR);
    bitmap.n_bits =
        img_round_up(node->info.bytes, bitmap.granularity) /
        bitmap.granularity;
    bytes = (bitmap.n_bits + 7) / 8;
    if (bytes > MAX_BITMAP)
        return img_fail("bitmap '%s' of %s is too fine to be served", name,
                        node->name);
    bitmap.bits = g_malloc0(bytes);
    bitmap.name = g_strdup(name);
    g_array_append_val(server.bitmaps, bitmap);
    rc = image_bitmap_bits(node, found.index, 0, 0, bitmap.bits, bytes);
    return rc ? img_fail("bitmap '%s' of %s: %s", name, node->name,
                         g_strerror(-rc))
              : 0;
}

static int choose_part(const struct block_node *node)
{
    uint64_t bytes = node->info.bytes;

    if (offset > bytes || (length && length > bytes - offset))
        return img_fail("%s has only %" G_GUINT64_FORMAT " bytes", node->name,
                        bytes);
    server.offset = offset;
    server.bytes = length ? length : bytes - offset;
    return 0;
}

static int start_tls(void)
{
    g_autofree char *why = NULL;

    if (!certificates && !psk_file)
        return 0;
    server.tls = stream_tls_new(certificates, psk_file, verify_peer, &why);
    return server.tls ? 0 : img_fail("TLS: %s", why);
}

static int prepare(struct block_node *node)
{
    int status = snapshot ? img_view_snapshot(node, snapshot) : 0;

    if (discard && strcmp(discard, "unmap") && strcmp(discard, "on"))
        node->discard = FALSE;
    server.node = node;
    server.export_name = export_name;
    server.description = description;
    server.writable = !read_only;
    server.depth = depth;
    server.max_clients = (guint)shared;
    server.handshake_seconds = (guint)handshake;
    server.once = !persistent;
    if (!status)
        status = choose_part(node);
    for (guint i = 0; !status && bitmaps && i < bitmaps->len; i++)
        status = add_bitmap(node, g_ptr_array_index(bitmaps, i));
    return status ? status : start_tls();
}

static int serve(int ready)
{
    g_autofree char *url = NULL;
    pthread_t thread;
    int status = serve_listen(&place);

    if (!status)
        status = write_pid();
    if (!status && pthread_create(&thread, NULL, await_signal, NULL))
        status = img_fail("Failed to start a thread");
    if (status)
        return status;
    pthread_detach(thread);
    for (guint i = 0; i < place.fds->len; i++)
        nbd_listen(&server, g_array_index(place.fds, int, i));
    url = serve_url(&place, export_name, server.tls != NULL);
    if (url)
        serve_print_hints(&place, url, export_name, server.tls != NULL,
                          server.writable);
    say_ready(ready);
    nbd_run(&server);
    if (pid_file)
        unlink(pid_file);
    return 0;
}

/* ---- the command ---- */

static int check_options(int argc)
{
    static const char *const discards[] = {"unmap", "on", "ignore", "off",
                                           NULL};

    if (argc != 1)
        return img_usage("Expecting one image file name");
    if (place.socket && (place.bind || place.port))
        return img_usage("--socket listens on no address and no port");
    if (strlen(export_name) > MAX_NAME)
        return img_usage("export name too long");
    if (description && strlen(description) > MAX_NAME)
        return img_usage("description too long");
    if (discard && !g_strv_contains(discards, discard))
        return img_usage("Invalid discard mode: %s", discard);
    if (offset % NBD_SECTOR)
        return img_usage("--offset must be a multiple of 512");
    if (shared > G_MAXINT32 || !handshake || handshake > 86400)
        return img_usage("a number is out of range");
    if (verify_peer && !certificates)
        return img_usage("--tls-verify-peer needs --tls-certificates");
    read_only |= snapshot != NULL;
    if (bitmaps && !read_only)
        return img_usage("--bitmap needs --read-only: writes would make it "
                         "untrue");
    if (bitmaps && bitmaps->len > NBD_MAX_CONTEXTS - NBD_FIRST_BITMAP)
        return img_usage("too many bitmaps");
    if (img.shared && !read_only)
        return img_usage("--force-share needs --read-only: two that write "
                         "destroy an image");
    return 0;
}

static int run(int argc, char **argv)
{
    struct img_open open = {.format = img.format,
                            .options = img.image_opts,
                            .cache = img.cache};
    struct block_node *node;
    int ready, status;

    if (check_options(argc))
        return 1;
    status = begin_fork(&ready);
    if (status >= 0)
        return status;
    block_signals();
    if (img_begin())
        return 1;
    open.name = argv[0];
    open.flags = read_only ? 0 : TN_IMAGE_WRITABLE;
    node = img_open(&open);
    if (!node)
        return 1;
    nbd_server_init(&server);
    status = prepare(node);
    if (!status)
        status = serve(ready);
    serve_forget(&place);
    if (place.fds)
        g_array_unref(place.fds);
    stream_tls_free(server.tls);
    nbd_server_clear(&server);
    return img_close(node) || status;
}

const struct img_command img_serve = {
    "serve", "FILE", "Serve an image to NBD clients", options, run, FALSE};
