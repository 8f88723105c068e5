/* SPDX-License-Identifier: Apache-2.0 */
/* See crypto-case.h. */
#include "crypto/crypto-case.h"

#include <glib.h>
#include <string.h>

char last_error[512];

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    (void)host;
    (void)level;
    (void)text;
}

static void set_error(struct tn_host *host, struct tn_error *error,
                      const char *text)
{
    (void)host;
    (void)error;
    g_strlcpy(last_error, text, sizeof last_error);
}

static uint32_t enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    (void)level;
    return 0;
}

static const void *service(struct tn_host *host, const char *id)
{
    static const struct tn_log log = {.size = sizeof log,
                                      .write = log_write,
                                      .set_error = set_error,
                                      .enabled = enabled};

    (void)host;
    return strcmp(id, TN_HOST_LOG) ? NULL : &log;
}

struct tn_host host = {service};
