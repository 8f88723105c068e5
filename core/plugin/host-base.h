/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every host of a plugin's instance has, in a machine (core/machine) or
 * of an image (core/block): a name in the log and values of properties. The
 * services tenon.host.log/1 and tenon.host.props/1 need no more than that.
 */
#ifndef TENON_CORE_PLUGIN_HOST_BASE_H
#define TENON_CORE_PLUGIN_HOST_BASE_H

#include <tenon/host.h>

#include "core/plugin/schema.h"
#include "core/util/log.h"

struct host_base {
    struct tn_host host;      /* first: plugins hold its address */
    struct tn_log_source log; /* its name is the instance's id */
    /* The value of property NAME, never NULL here; NULL: there is none. */
    const struct tn_value *(*value)(struct host_base *base, const char *name);
};

/* For hosts that begin with struct host_base. */
extern const struct tn_log host_log;
extern const struct tn_props host_props;

#endif
