/* SPDX-License-Identifier: Apache-2.0 */
/* What the NBD client's tests share. */
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

#include "plugins/proto-nbd/nbd-test.h"

static const char *const plugins[] = {"proto-file", "proto-nbd", "fmt-raw",
                                      "fmt-qcow2", NULL};

gboolean nbd_test_has(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    if (!path)
        print_message("%s is not installed\n", name);
    return path != NULL;
}

void nbd_test_begin(struct nbd_test *s, uint64_t bytes)
{
    memset(s, 0, sizeof *s);
    image_test_init(&s->t, plugins, BLOCK_IO_BEST, 21);
    s->socket = g_build_filename(s->t.directory, "sock", NULL);
    s->t.bytes = bytes;
    s->t.model = g_malloc0(bytes);
}

void nbd_test_name(struct nbd_test *s, const char *name)
{
    g_free(s->t.path);
    s->t.path = g_strdup(name);
}

int nbd_test_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_strlcpy(address->sun_path, path, sizeof address->sun_path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Does a server answer, whatever it says? */
static gboolean listens(struct nbd_test *s)
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

/* A server's command; it runs in the test's directory. */
void nbd_test_start(struct nbd_test *s, const char *format, ...)
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
    nbd_test_name(s, uri);
    while (!listens(s)) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            fail_msg("%s ended", words[0]);
        g_usleep(10000);
    }
}

void nbd_test_stop(struct nbd_test *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

void nbd_test_end(struct nbd_test *s)
{
    image_test_close(&s->t);
    nbd_test_stop(s);
    g_free(s->socket);
    image_test_clear(&s->t);
}

void nbd_test_open(struct nbd_test *s, const char *format, uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (image_test_open(&s->t, format, flags, &error))
        fail_msg("%s", tn_error_text(&error, 0));
}
