/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network hub needs of a machine, for tests: two instances, each
 * with an I/O thread and a lock. It stands in for core/machine.
 */
#ifndef TENON_CORE_NET_FAKE_MACHINE_H
#define TENON_CORE_NET_FAKE_MACHINE_H

#include <glib.h>

#include <tenon/net.h>

struct tn_host *fake_host_new(const char *id, const char *backend);
void fake_host_free(struct tn_host *host);
/* HOST offers tenon.net/1. */
void fake_host_offer(struct tn_host *host, const struct tn_net *net,
                     void *self);
/* Wait until all that was invoked on HOST has run. */
void fake_host_settle(struct tn_host *host);
/* Is this HOST's thread, or one inside it? */
gboolean fake_host_is_inside(struct tn_host *host);
/* The table given to tn_machine_add_service(). */
const struct tn_nets *fake_service(void);

#endif
