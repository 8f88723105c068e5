/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of a user-mode network. libslirp trusts its configuration
 * (some mistakes end the process), so all that it asserts is checked here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net-user.h"

static const struct tn_props *props_of(struct user *u)
{
    return tn_service(u->host, TN_HOST_PROPS);
}

static const char *text(struct user *u, const char *name)
{
    const char *value = props_of(u)->get_string(u->host, name);

    return value && *value ? value : NULL;
}

static int32_t bad(struct user *u, struct tn_error *error, const char *name,
                   const char *must)
{
    const char *value = text(u, name);

    return tn_fail(u->host, error, -EINVAL, "%s is '%s'; %s", name,
                   value ? value : "", must);
}

/* "10.0.2.0/24" */
static int32_t read_network(struct user *u, struct tn_error *error)
{
    const char *value = text(u, "network");
    char address[32] = "", *slash;
    unsigned long bits = 24;
    char *end = NULL;

    if (value && strlen(value) < sizeof address)
        strcpy(address, value);
    slash = strchr(address, '/');
    if (slash) {
        *slash = 0;
        bits = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || *end)
            bits = 0;
    }
    if (inet_pton(AF_INET, address, &u->config.vnetwork) != 1 || bits < 4 ||
        bits > 29)
        return bad(u, error, "network",
                   "it must be like 10.0.2.0/24, 4 to 29 bits long");
    u->config.vnetmask.s_addr = htonl(UINT32_MAX << (32 - bits));
    if (u->config.vnetwork.s_addr & ~u->config.vnetmask.s_addr)
        return bad(u, error, "network", "bits after the mask are set");
    return 0;
}

/* An address of the network: NUMBER in it if the property is not set. */
static int32_t read_address(struct user *u, const char *name, uint32_t number,
                            struct in_addr *address, struct tn_error *error)
{
    const char *value = text(u, name);
    uint32_t mask = u->config.vnetmask.s_addr;

    address->s_addr = u->config.vnetwork.s_addr | htonl(number);
    if (!value)
        return 0;
    if (inet_pton(AF_INET, value, address) != 1)
        return bad(u, error, name, "it must be an IPv4 address");
    if ((address->s_addr & mask) != u->config.vnetwork.s_addr ||
        !(address->s_addr & ~mask) || !~(address->s_addr | mask))
        return bad(u, error, name, "it must be a host of the network");
    return 0;
}

static int32_t read_ipv4(struct user *u, struct tn_error *error)
{
    SlirpConfig *c = &u->config;
    int32_t code = read_network(u, error);
    /* A network of 8 addresses has no number 15. */
    uint32_t last = ntohl(~c->vnetmask.s_addr) - 1;

    if (!code)
        code = read_address(u, "host", 2, &c->vhost, error);
    if (!code)
        code = read_address(u, "dns", 3, &c->vnameserver, error);
    if (!code)
        code = read_address(u, "dhcp-start", last < 15 ? 4 : 15,
                            &c->vdhcp_start, error);
    if (code)
        return code;
    if (c->vhost.s_addr == c->vnameserver.s_addr)
        return bad(u, error, "dns", "the host has this address");
    if (c->vdhcp_start.s_addr == c->vhost.s_addr ||
        c->vdhcp_start.s_addr == c->vnameserver.s_addr)
        return bad(u, error, "dhcp-start",
                   "the host or the name server has this address");
    return 0;
}

/* The address with the PREFIX and LAST as its last byte, or the property. */
static int32_t read_address6(struct user *u, const char *name, uint8_t last,
                             struct in6_addr *address, struct tn_error *error)
{
    const char *value = text(u, name);

    *address = u->config.vprefix_addr6;
    address->s6_addr[15] = last;
    if (!value)
        return 0;
    if (inet_pton(AF_INET6, value, address) != 1)
        return bad(u, error, name, "it must be an IPv6 address");
    if (memcmp(address, &u->config.vprefix_addr6, 8) != 0)
        return bad(u, error, name, "it must begin with ipv6-prefix");
    return 0;
}

static int32_t read_ipv6(struct user *u, struct tn_error *error)
{
    static const uint8_t zero[8];
    SlirpConfig *c = &u->config;
    const char *prefix = text(u, "ipv6-prefix");
    int32_t code;

    c->vprefix_len = 64;
    if (!prefix || inet_pton(AF_INET6, prefix, &c->vprefix_addr6) != 1 ||
        memcmp(c->vprefix_addr6.s6_addr + 8, zero, 8) != 0)
        return bad(u, error, "ipv6-prefix",
                   "it must be a network of 64 bits, like fec0::");
    code = read_address6(u, "ipv6-host", 2, &c->vhost6, error);
    if (!code)
        code = read_address6(u, "ipv6-dns", 3, &c->vnameserver6, error);
    if (!code && memcmp(&c->vhost6, &c->vnameserver6, 16) == 0)
        return bad(u, error, "ipv6-dns", "the host has this address");
    return code;
}

static int32_t read_search(struct user *u, struct tn_error *error)
{
    uint32_t n = props_of(u)->count(u->host, "dns-search");

    if (n > MAX_SEARCH)
        return tn_fail(u->host, error, -E2BIG,
                       "dns-search has %u domains; at most %u are allowed", n,
                       MAX_SEARCH);
    for (uint32_t i = 0; i < n; i++)
        u->search[i] = props_of(u)->get_item(u->host, "dns-search", i);
    u->config.vdnssearch = n ? u->search : NULL;
    return 0;
}

/* A DHCP field of BYTES takes it, with a final zero. */
static int32_t check_length(struct user *u, const char *name, size_t bytes,
                            struct tn_error *error)
{
    const char *value = text(u, name);

    if (value && strlen(value) >= bytes)
        return tn_fail(u->host, error, -EINVAL,
                       "%s has %zu characters; at most %zu are allowed", name,
                       strlen(value), bytes - 1);
    return 0;
}

static uint32_t truth(struct user *u, const char *name)
{
    return props_of(u)->get_uint(u->host, name) ? 1 : 0;
}

int32_t user_read_settings(struct user *u, struct tn_error *error)
{
    SlirpConfig *c = &u->config;
    int32_t code;

    c->version = 4;
    c->restricted = (int)truth(u, "restrict");
    c->in_enabled = truth(u, "ipv4");
    c->in6_enabled = truth(u, "ipv6");
    c->disable_host_loopback = !truth(u, "host-loopback");
    c->vhostname = text(u, "hostname");
    c->vdomainname = text(u, "domain");
    c->tftp_path = text(u, "tftp");
    c->tftp_server_name = text(u, "tftp-server-name");
    c->bootfile = text(u, "bootfile");
    c->if_mtu = c->if_mru = props_of(u)->get_uint(u->host, "mtu");
    if (!c->in_enabled && !c->in6_enabled)
        return tn_fail(u->host, error, -EINVAL,
                       "neither ipv4 nor ipv6 is on");
    code = read_ipv4(u, error);
    if (!code)
        code = read_ipv6(u, error);
    if (!code)
        code = read_search(u, error);
    if (!code)
        code = check_length(u, "hostname", 33, error);
    if (!code)
        code = check_length(u, "domain", 256, error);
    if (!code)
        code = check_length(u, "bootfile", 128, error);
    if (!code)
        code = check_length(u, "tftp-server-name", 128, error);
    return code;
}
