/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port forwarding from the host to the guest. One rule is
 *   PROTOCOL:[ADDRESS:]PORT:[GUEST-ADDRESS:]GUEST-PORT
 * with IPv6 addresses in brackets. A listening socket without an address is
 * bound to the loopback address: nobody but this host is let in unasked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net-user.h"

#define MAX_PARTS 5u

struct rule {
    int flags; /* SLIRP_HOSTFWD_* */
    union end {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } host, guest;
};

/* Split TEXT at colons outside brackets; returns how many parts. */
static uint32_t split(char *text, char *parts[MAX_PARTS])
{
    uint32_t n = 0, inside = 0;

    parts[n++] = text;
    for (; *text; text++) {
        inside = *text == '[' ? 1 : *text == ']' ? 0 : inside;
        if (*text != ':' || inside)
            continue;
        if (n == MAX_PARTS)
            return 0;
        *text = 0;
        parts[n++] = text + 1;
    }
    return n;
}

static int is_port(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n < 6 && strspn(text, "0123456789") == n;
}

static int set_port(union end *end, const char *text)
{
    unsigned long port = is_port(text) ? strtoul(text, NULL, 10) : 0;

    if (port < 1 || port > 65535)
        return -1;
    end->in.sin_port = htons((uint16_t)port); /* where in6 has it too */
    return 0;
}

static int set_address(union end *end, char *text)
{
    size_t n = strlen(text);

    if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
        text[n - 1] = 0;
        end->in6.sin6_family = AF_INET6;
        return inet_pton(AF_INET6, text + 1, &end->in6.sin6_addr) == 1 ? 0 : -1;
    }
    end->in.sin_family = AF_INET;
    return inet_pton(AF_INET, text, &end->in.sin_addr) == 1 ? 0 : -1;
}

/* TEXT is cut up. */
static int parse(struct user *u, char *text, struct rule *r)
{
    char *parts[MAX_PARTS], *part;
    uint32_t n = split(text, parts), at = 1;

    memset(r, 0, sizeof *r);
    if (n < 3)
        return -1;
    if (!strcmp(parts[0], "udp"))
        r->flags = SLIRP_HOSTFWD_UDP;
    else if (strcmp(parts[0], "tcp"))
        return -1;
    r->host.in.sin_family = AF_INET;
    r->host.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    part = parts[at++];
    if (!is_port(part)) {
        if (set_address(&r->host, part) || at == n)
            return -1;
        part = parts[at++];
    }
    if (set_port(&r->host, part))
        return -1;
    r->guest.in.sin_family = AF_INET;
    r->guest.in.sin_addr = u->config.vdhcp_start;
    if (at + 2 == n && set_address(&r->guest, parts[at++]))
        return -1;
    return at + 1 == n ? set_port(&r->guest, parts[at]) : -1;
}

static socklen_t length_of(const union end *end)
{
    return end->any.sa_family == AF_INET6 ? sizeof end->in6 : sizeof end->in;
}

static int32_t listen_failed(struct user *u, const char *text,
                             const struct rule *r, int number,
                             struct tn_error *error)
{
    char address[INET6_ADDRSTRLEN] = "?";
    const void *raw = r->host.any.sa_family == AF_INET6
                          ? (const void *)&r->host.in6.sin6_addr
                          : (const void *)&r->host.in.sin_addr;

    inet_ntop(r->host.any.sa_family, raw, address, sizeof address);
    return tn_fail(u->host, error, -number,
                   "forward '%s': cannot listen on %s port %u of %s: %s", text,
                   r->flags & SLIRP_HOSTFWD_UDP ? "UDP" : "TCP",
                   ntohs(r->host.in.sin_port), address, strerror(number));
}

static int32_t add_forward(struct user *u, const char *text,
                           struct tn_error *error)
{
    struct rule r;
    char copy[160];
    int failed;

    if (strlen(text) >= sizeof copy)
        return tn_fail(u->host, error, -EINVAL, "forward '%s' is too long",
                       text);
    strcpy(copy, text);
    if (parse(u, copy, &r))
        return tn_fail(u->host, error, -EINVAL,
                       "forward '%s' is not like tcp:2222:22 or "
                       "udp:127.0.0.1:5353:10.0.2.15:53", text);
    errno = 0;
    failed = slirp_add_hostxfwd(u->slirp, &r.host.any, length_of(&r.host),
                                &r.guest.any, length_of(&r.guest), r.flags);
    return failed ? listen_failed(u, text, &r, errno ? errno : EIO, error) : 0;
}

int32_t user_add_forwards(struct user *u, struct tn_error *error)
{
    const struct tn_props *props = tn_service(u->host, TN_HOST_PROPS);
    uint32_t n = props->count(u->host, "forward");
    int32_t code = 0;

    for (uint32_t i = 0; i < n && !code; i++)
        code = add_forward(u, props->get_item(u->host, "forward", i), error);
    return code;
}
