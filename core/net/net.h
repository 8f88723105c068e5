/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network hub: stands between devices (`tenon.host.net/1`) and network
 * back-ends (`tenon.net/1`), so that neither ever runs on the other's thread
 * or under the other's lock, and does in software what a receiver cannot.
 */
#ifndef TENON_CORE_NET_NET_H
#define TENON_CORE_NET_NET_H

/* [any] Make the service known to machines. Once a process. */
void tn_net_register(void);

#endif
