/* SPDX-License-Identifier: Apache-2.0 */
/* A connected socket, plain or with TLS on it. Calls wait. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"

/* ---- connecting ---- */

static int wait_connected(int fd, uint32_t seconds)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t length = sizeof(int);
    int result = 0;
    int rc = poll(&p, 1, seconds ? (int)seconds * 1000 : -1);

    if (rc == 0)
        return -ETIMEDOUT;
    if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &length))
        return -errno;
    return -result;
}

static int connect_to(const struct sockaddr *address, socklen_t length,
                      uint32_t seconds)
{
    int fd = socket(address->sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, address, length))
        rc = errno == EINPROGRESS ? wait_connected(fd, seconds) : -errno;
    if (!rc && fcntl(fd, F_SETFL, 0))
        rc = -errno;
    if (rc) {
        close(fd);
        return rc;
    }
    if (address->sa_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    return fd;
}

static int32_t connect_unix(struct tn_host *host, const char *path,
                            struct tn_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return tn_fail(host, error, -ENAMETOOLONG,
                       "%s: too long for a socket's name", path);
    strcpy(address.sun_path, path);
    fd = connect_to((const struct sockaddr *)&address, sizeof address, 0);
    return fd >= 0 ? fd
                   : tn_fail(host, error, fd, "NBD server at %s: %s", path,
                             strerror(-fd));
}

static int32_t connect_inet(struct tn_host *host, const struct nbd_name *name,
                            uint32_t seconds, struct tn_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -EHOSTUNREACH;
    int rc = getaddrinfo(name->host, name->port, &hints, &found);

    if (rc)
        return tn_fail(host, error, -EHOSTUNREACH, "NBD server %s: %s",
                       name->host, gai_strerror(rc));
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = connect_to(a->ai_addr, a->ai_addrlen, seconds);
    freeaddrinfo(found);
    return fd >= 0 ? fd
                   : tn_fail(host, error, fd, "NBD server %s, port %s: %s",
                             name->host, name->port, strerror(-fd));
}

int32_t nbd_stream_connect(struct tn_host *host, struct nbd_stream *stream,
                           const struct nbd_name *name, uint32_t seconds,
                           struct tn_error *error)
{
    int32_t fd = name->path ? connect_unix(host, name->path, error)
                            : connect_inet(host, name, seconds, error);

    *stream = (struct nbd_stream){.fd = fd < 0 ? -1 : fd};
    return fd < 0 ? fd : 0;
}

void nbd_stream_timeout(struct nbd_stream *stream, uint32_t seconds)
{
    struct timeval wait = {.tv_sec = seconds};

    setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(stream->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

uint64_t nbd_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec + 1;
}

void nbd_stream_deadline(struct nbd_stream *stream, uint32_t seconds)
{
    nbd_stream_timeout(stream, seconds);
    stream->deadline = seconds ? nbd_now() + seconds : 0;
}

void nbd_stream_shutdown(struct nbd_stream *stream)
{
    if (stream->fd >= 0)
        shutdown(stream->fd, SHUT_RDWR);
}

void nbd_stream_close(struct nbd_stream *stream)
{
    nbd_tls_free(stream->tls);
    if (stream->fd >= 0)
        close(stream->fd);
    *stream = (struct nbd_stream){.fd = -1};
}

/* ---- bytes ---- */

static int32_t failed(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
}

int32_t nbd_stream_read(struct nbd_stream *stream, void *data, size_t bytes)
{
    uint8_t *at = data;

    while (bytes) {
        int64_t n;

        if (stream->deadline && nbd_now() > stream->deadline)
            return -ETIMEDOUT;
        n = stream->tls ? nbd_tls_recv(stream->tls, at, bytes)
                        : recv(stream->fd, at, bytes, 0);
        if (n == 0)
            return -EPIPE;
        if (n < 0 && stream->tls)
            return (int32_t)n;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed();
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int32_t write_tls(struct nbd_stream *stream, const struct iovec *iov,
                         uint32_t n_iov)
{
    for (uint32_t i = 0; i < n_iov; i++) {
        const uint8_t *at = iov[i].iov_base;
        size_t bytes = iov[i].iov_len;

        while (bytes) {
            int64_t n = nbd_tls_send(stream->tls, at, bytes);

            if (n < 0)
                return (int32_t)n;
            at += n;
            bytes -= (size_t)n;
        }
    }
    return 0;
}

int32_t nbd_stream_writev(struct nbd_stream *stream, struct iovec *iov,
                          uint32_t n_iov)
{
    if (stream->tls)
        return write_tls(stream, iov, n_iov);
    while (n_iov) {
        struct msghdr message = {.msg_iov = iov,
                                 .msg_iovlen = n_iov < 1024 ? n_iov : 1024};
        ssize_t n = sendmsg(stream->fd, &message, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed();
        while (n_iov && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            n_iov--;
        }
        if (n) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

int32_t nbd_stream_write(struct nbd_stream *stream, const void *data,
                         size_t bytes)
{
    struct iovec iov = {(void *)(uintptr_t)data, bytes};

    return nbd_stream_writev(stream, &iov, 1);
}
