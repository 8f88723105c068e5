/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `tenon-img serve` listens: TCP, a unix socket, or sockets that the
 * process was started with (sd_listen_fds(3): LISTEN_PID and LISTEN_FDS). And
 * the server's URL (doc/uri.md of the NBD protocol).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/img-serve.h"
#include "tools/tenon-img.h"

#define NBD_PORT 10809u
#define BACKLOG 64
#define FIRST_INHERITED 3
#define MAX_INHERITED 16u

static void add(struct serve_place *place, int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    g_array_append_val(place->fds, fd);
}

/* ---- inherited ---- */

static gboolean inherit(struct serve_place *place)
{
    const char *pid = g_getenv("LISTEN_PID"), *n = g_getenv("LISTEN_FDS");
    guint64 count;

    if (!pid || !n || g_ascii_strtoull(pid, NULL, 10) != (guint64)getpid())
        return FALSE;
    count = MIN(g_ascii_strtoull(n, NULL, 10), MAX_INHERITED);
    for (guint i = 0; i < count; i++)
        add(place, FIRST_INHERITED + (int)i);
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    place->inherited = count > 0;
    return place->inherited;
}

/* ---- unix ---- */

/* A socket that nobody listens on any more is in the way. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    int fd;

    if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static int listen_unix(struct serve_place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(place->socket) >= sizeof address.sun_path)
        return img_fail("%s: a socket's path has at most %zu bytes",
                        place->socket, sizeof address.sun_path - 1);
    strcpy(address.sun_path, place->socket);
    remove_stale(&address);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) ||
        listen(fd, BACKLOG)) {
        int status = img_fail("Failed to listen on %s: %s", place->socket,
                              g_strerror(errno));

        if (fd >= 0)
            close(fd);
        return status;
    }
    add(place, fd);
    return 0;
}

/* ---- TCP ---- */

static guint *port_of(struct sockaddr_storage *address, guint *port)
{
    *port = address->ss_family == AF_INET6
                ? ntohs(((struct sockaddr_in6 *)address)->sin6_port)
                : ntohs(((struct sockaddr_in *)address)->sin_port);
    return port;
}

static int listen_tcp_at(struct serve_place *place, const struct addrinfo *to)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int one = 1;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    memcpy(&address, to->ai_addr, to->ai_addrlen);
    /* "Any port" is the same one for all addresses. */
    if (place->bound_port && to->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)&address)->sin6_port =
            htons((uint16_t)place->bound_port);
    else if (place->bound_port)
        ((struct sockaddr_in *)&address)->sin_port =
            htons((uint16_t)place->bound_port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (to->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, to->ai_addrlen) ||
        listen(fd, BACKLOG)) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    if (!getsockname(fd, (struct sockaddr *)&address, &length))
        port_of(&address, &place->bound_port);
    add(place, fd);
    return 0;
}

static int listen_tcp(struct serve_place *place)
{
    const char *host = place->bind ? place->bind : "localhost";
    const char *port = place->port ? place->port : G_STRINGIFY(NBD_PORT);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int last = -EADDRNOTAVAIL, rc;

    if (!strcmp(host, "*") || !*host)
        host = NULL;
    rc = getaddrinfo(host, port, &hints, &list);
    if (rc)
        return img_fail("%s port %s: %s", host ? host : "*", port,
                        gai_strerror(rc));
    for (const struct addrinfo *to = list; to; to = to->ai_next) {
        rc = listen_tcp_at(place, to);
        last = rc ? rc : last;
    }
    freeaddrinfo(list);
    /* A host without one of the IP versions is no reason to fail. */
    if (!place->fds->len)
        return img_fail("Failed to listen on %s port %s: %s",
                        host ? host : "*", port, g_strerror(-last));
    return 0;
}

int serve_listen(struct serve_place *place)
{
    place->fds = g_array_new(FALSE, FALSE, sizeof(int));
    if (inherit(place))
        return 0;
    return place->socket ? listen_unix(place) : listen_tcp(place);
}

void serve_forget(const struct serve_place *place)
{
    if (place->socket && place->fds && place->fds->len && !place->inherited)
        unlink(place->socket);
}

/* ---- what to say about it ---- */

static const char *host_of(const struct serve_place *place)
{
    return !place->bind || !*place->bind || !strcmp(place->bind, "*") ||
                   !strcmp(place->bind, "0.0.0.0") ||
                   !strcmp(place->bind, "::")
               ? "localhost"
               : place->bind;
}

char *serve_url(const struct serve_place *place, const char *export_name,
                gboolean tls)
{
    g_autofree char *name = g_uri_escape_string(export_name, "/", FALSE);
    const char *s = tls ? "s" : "";
    const char *host = host_of(place);
    const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";
    g_autofree char *port = g_strdup_printf(":%u", place->bound_port);

    if (place->inherited)
        return NULL;
    if (place->socket) {
        g_autofree char *absolute = g_canonicalize_filename(place->socket,
                                                            NULL);
        g_autofree char *path = g_uri_escape_string(absolute, "/", FALSE);

        return g_strdup_printf("nbd%s+unix:///%s?socket=%s", s, name, path);
    }
    return g_strdup_printf("nbd%s://%s%s%s%s%s%s", s, open, host, close,
                           place->bound_port == NBD_PORT ? "" : port,
                           *name ? "/" : "", name);
}

/* libguestfs takes a socket with the scheme nbd only. */
static void print_guestmount(const char *url, gboolean is_unix,
                             gboolean writable)
{
    g_autofree char *plain =
        is_unix ? g_strconcat("nbd", url + strlen("nbd+unix"), NULL)
                : g_strdup(url);
    g_autofree char *quoted = g_shell_quote(plain);

    img_say("Its file systems:   guestmount %s--format=raw -a %s -i /mnt\n",
            writable ? "" : "--ro ", quoted);
}

void serve_print_hints(const struct serve_place *place, const char *url,
                       const char *export_name, gboolean tls,
                       gboolean writable)
{
    g_autofree char *quoted = g_shell_quote(url);
    g_autofree char *quoted_name = g_shell_quote(export_name);
    g_autofree char *name =
        g_strconcat(*export_name ? " -N " : "",
                    *export_name ? quoted_name : "", NULL);
    g_autofree char *socket =
        place->socket ? g_canonicalize_filename(place->socket, NULL) : NULL;
    g_autofree char *where =
        socket ? g_shell_quote(socket) : g_strdup(host_of(place));
    const char *ro = writable ? "" : " -o ro";

    img_say("%s\n", url);
    img_say("To look at it:      nbdinfo %s\n", quoted);
    if (!tls && socket)
        img_say("As a block device:  nbd-client -unix %s /dev/nbd0%s && "
                "mount%s /dev/nbd0 /mnt\n",
                where, name, ro);
    else if (!tls)
        img_say("As a block device:  nbd-client %s %u /dev/nbd0%s && "
                "mount%s /dev/nbd0 /mnt\n",
                where, place->bound_port, name, ro);
    img_say("As a file:          nbdfuse%s DIR %s\n", writable ? "" : " -r",
            quoted);
    if (!tls)
        print_guestmount(url, socket != NULL, writable);
    fflush(stdout);
}
