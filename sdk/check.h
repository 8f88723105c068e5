/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of tenon-plugin-check. */
#ifndef TENON_SDK_CHECK_H
#define TENON_SDK_CHECK_H

#include <glib.h>
#include <stdint.h>

#include <tenon/host.h>

#include "core/plugin/registry.h"
#include "core/plugin/schema.h"

/* One finding; counts as failure. Safe in the forked children: it goes to
 * standard output at once. */
void check_failed(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* What the file exports and how it wants to be mapped: check-elf.c. */
void check_elf(const char *path);

/* A host with the log and the properties, and nothing else: check-host.c. */
struct check_host {
    struct tn_host host; /* first: plugins hold its address */
    const struct tn_component_entry *entry;
    struct tn_value *values; /* one for every property */
    gboolean in_create;      /* no call is allowed */
    gboolean called_then;    /* but one was made */
    struct tn_error *given;  /* the error object of the call that runs */
};

/* Properties have their defaults; required ones something of their type. */
struct check_host *check_host_new(const struct tn_component_entry *entry);
void check_host_free(struct check_host *host);

#endif
