/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host as an instance sees it: how services are obtained, and the ones
 * nearly every plugin uses (errors, log, properties).
 *
 * A service is a table obtained by a string id that ends in its revision. A
 * host that lacks it returns NULL. Tables live as long as the instance. Every
 * function takes the instance's own handle first, so that the host knows who
 * calls. Vendor services use reverse-domain ids.
 */
#ifndef TENON_HOST_H
#define TENON_HOST_H

#include <stdarg.h>
#include <stdio.h>

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only this member is public; the rest of the object is the host's. */
struct tn_host {
    /* [any] The service called ID, or NULL. */
    const void *(*service)(struct tn_host *host, const char *id);
};

static inline const void *tn_service(struct tn_host *host, const char *id)
{
    return host->service(host, id);
}

/* ---- tenon.host.log/1: messages and error texts ---- */

#define TN_LOG_DEBUG 0u
#define TN_LOG_INFO 1u
#define TN_LOG_WARNING 2u
#define TN_LOG_ERROR 3u
/* The guest did what no correct driver does. Rate limited by the host. */
#define TN_LOG_GUEST 4u

#define TN_HOST_LOG "tenon.host.log/1"
struct tn_log {
    uint32_t size;
    uint32_t reserved;
    /* [any] Write one line (no newline needed). TEXT is copied. */
    void (*write)(struct tn_host *host, uint32_t level, const char *text);
    /* [any] Give ERROR its text, replacing an earlier one. Copied. ERROR may
     * be NULL: then nothing happens. */
    void (*set_error)(struct tn_host *host, struct tn_error *error,
                      const char *text);
    /* [any] Would a message of LEVEL be seen? To skip costly formatting. */
    uint32_t (*enabled)(struct tn_host *host, uint32_t level);
};

/* [any] printf into the log. */
__attribute__((format(printf, 3, 4))) static inline void
tn_logf(struct tn_host *host, uint32_t level, const char *format, ...)
{
    const struct tn_log *log =
        (const struct tn_log *)tn_service(host, TN_HOST_LOG);
    char text[512];
    va_list ap;

    if (!log || !log->enabled(host, level))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    log->write(host, level, text);
}

/* [any] Set an error's text and return CODE (a negative errno), so that one
 * statement reports and returns. */
__attribute__((format(printf, 4, 5))) static inline int32_t
tn_fail(struct tn_host *host, struct tn_error *error, int32_t code,
        const char *format, ...)
{
    const struct tn_log *log =
        (const struct tn_log *)tn_service(host, TN_HOST_LOG);
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (log)
        log->set_error(host, error, text);
    return code;
}

/* ---- tenon.host.props/1: the instance's own properties ---- */

#define TN_HOST_PROPS "tenon.host.props/1"
struct tn_props {
    uint32_t size;
    uint32_t reserved;
    /* Values were checked against the schema before create(). A property of
     * the schema that the machine file does not set has its default. Asking
     * for a name that is not in the schema is a plugin error: it is logged
     * and reads as 0 / NULL. */
    /* [control] 1 if the machine file (or --set) gives it. */
    uint32_t (*is_set)(struct tn_host *host, const char *name);
    /* [control] UINT, SIZE, TIME, BOOL (0/1), ENUM (index of the choice). */
    uint64_t (*get_uint)(struct tn_host *host, const char *name);
    int64_t (*get_int)(struct tn_host *host, const char *name);
    /* [control] The text; paths are made absolute. NULL if unset. Valid until
     * destroy. */
    const char *(*get_string)(struct tn_host *host, const char *name);
    /* [control] Lists: the number of values, and value INDEX. */
    uint32_t (*count)(struct tn_host *host, const char *name);
    const char *(*get_item)(struct tn_host *host, const char *name,
                            uint32_t index);
    uint64_t (*get_item_uint)(struct tn_host *host, const char *name,
                              uint32_t index);
    /* [control] MAC addresses: 0, or -ENOENT if unset. */
    int32_t (*get_mac)(struct tn_host *host, const char *name, uint8_t mac[6]);
    /* [any] The instance's id in the machine ("disk.root", "plic"). */
    const char *(*instance_id)(struct tn_host *host);
};

#ifdef __cplusplus
}
#endif
#endif
