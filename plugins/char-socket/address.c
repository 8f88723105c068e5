/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, and what is done before the machine runs. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "char-socket.h"

static const char *text_of(struct socket_char *s, const char *name)
{
    const struct tn_props *props = tn_service(s->host, TN_HOST_PROPS);
    const char *text = props->get_string(s->host, name);

    return text && *text ? text : NULL;
}

int32_t socket_configure(void *self, struct tn_error *error)
{
    struct socket_char *s = self;
    const struct tn_props *props = tn_service(s->host, TN_HOST_PROPS);
    const char *tcp = text_of(s, "tcp");

    s->path = text_of(s, "path");
    s->text = s->path ? s->path : tcp;
    s->server = (uint32_t)props->get_uint(s->host, "server");
    s->wait = (uint32_t)props->get_uint(s->host, "wait");
    s->reconnect = props->get_uint(s->host, "reconnect");
    if (!s->path == !tcp)
        return tn_fail(s->host, error, -EINVAL,
                       "one of path and tcp has to be given");
    if (s->wait && !s->server)
        return tn_fail(s->host, error, -EINVAL, "only a server can wait");
    if (s->reconnect && s->server)
        return tn_fail(s->host, error, -EINVAL, "only a client reconnects");
    if (s->path && strlen(s->path) >= sizeof s->address.un.sun_path)
        return tn_fail(s->host, error, -ENAMETOOLONG,
                       "path '%s' is longer than %zu characters", s->path,
                       sizeof s->address.un.sun_path - 1);
    return 0;
}

/* Cut "HOST:PORT" or "[HOST]:PORT" up. */
static int split(char *text, char **name, char **port)
{
    char *colon = strrchr(text, ':');

    if (!colon || !colon[1])
        return -1;
    *colon = 0;
    *name = text;
    *port = colon + 1;
    if (*text == '[' && colon > text && colon[-1] == ']') {
        colon[-1] = 0;
        *name = text + 1;
    } else if (strchr(text, ':')) {
        return -1;
    }
    return **name ? 0 : -1;
}

int32_t socket_resolve(struct socket_char *s, struct tn_error *error)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char copy[300], *name, *port;
    int result;

    memset(&s->address, 0, sizeof s->address);
    if (s->path) {
        s->address.un.sun_family = AF_UNIX;
        strcpy(s->address.un.sun_path, s->path);
        s->address_bytes = sizeof s->address.un;
        return 0;
    }
    if (strlen(s->text) >= sizeof copy || split(strcpy(copy, s->text), &name,
                                                &port))
        return tn_fail(s->host, error, -EINVAL,
                       "tcp is '%s'; it must be like 127.0.0.1:4444", s->text);
    result = getaddrinfo(name, port, &want, &found);
    if (result)
        return tn_fail(s->host, error, -EHOSTUNREACH, "tcp '%s': %s", s->text,
                       gai_strerror(result));
    memcpy(&s->address, found->ai_addr, found->ai_addrlen);
    s->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* A socket that a machine left which did not end in order: nobody answers. */
static int is_stale(struct socket_char *s)
{
    struct stat status;
    int fd, stale;

    if (!s->path || lstat(s->path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return 0;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stale = fd >= 0 &&
            connect(fd, &s->address.any, s->address_bytes) < 0 &&
            errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

int32_t socket_listen(struct socket_char *s, struct tn_error *error)
{
    int fd = socket(s->address.any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, number;

    if (fd < 0)
        return tn_fail(s->host, error, -errno, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (is_stale(s))
        unlink(s->path);
    if (bind(fd, &s->address.any, s->address_bytes) < 0 || listen(fd, 1) < 0) {
        number = errno;
        close(fd);
        return tn_fail(s->host, error, -number, "cannot listen on %s: %s",
                       s->text, strerror(number));
    }
    s->listener = fd;
    return 0;
}

int32_t socket_connect(struct socket_char *s, struct tn_error *error)
{
    int fd = socket(s->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int number;

    if (fd >= 0 && connect(fd, &s->address.any, s->address_bytes) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    number = errno;
    if (fd >= 0)
        close(fd);
    return tn_fail(s->host, error, -number, "cannot connect to %s: %s",
                   s->text, strerror(number));
}
