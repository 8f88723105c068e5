/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.tree/1: the other instances of the machine, and the machine.
 *
 * Instances meet through interfaces asked for by string id. Locks: a call
 * into an instance that does not share the caller's lock is made between
 * enter() and leave(). Order is from bus to device to controller (parent
 * before child before interrupt controller); core refuses an enter() that
 * would re-enter an instance whose callback is running on this thread.
 */
#ifndef TENON_TREE_H
#define TENON_TREE_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_peer; /* a reference to another instance; lives as long as it */

/* Why the machine ends (request). */
#define TN_REQUEST_POWEROFF 1u /* guest switched itself off */
#define TN_REQUEST_RESET 2u    /* guest asked for a reboot */
#define TN_REQUEST_FAIL 3u     /* guest reports failure, with CODE */
#define TN_REQUEST_PAUSE 4u
#define TN_REQUEST_QUIT 5u /* the user asked (escape key) */

#define TN_HOST_TREE "tenon.host.tree/1"
struct tn_tree {
    uint32_t size;
    uint32_t reserved;
    /* [control] The instance on whose bus this one sits, or NULL. */
    struct tn_peer *(*parent)(struct tn_host *host);
    /* [control] The instance called ID, or NULL. */
    struct tn_peer *(*find)(struct tn_host *host, const char *id);
    /* [control] Instance INDEX on this instance's buses, or NULL past the
     * last. Complete once start() is called. */
    struct tn_peer *(*child)(struct tn_host *host, uint32_t index);
    /* [any] PEER's interface ID and its self pointer, or NULL. */
    const void *(*interface_)(struct tn_host *host, struct tn_peer *peer,
                              const char *id, void **self);
    /* [any] Take / release PEER's lock. enter() returns 0 or -EDEADLK if a
     * callback of PEER is running on this thread. */
    int32_t (*enter)(struct tn_host *host, struct tn_peer *peer);
    void (*leave)(struct tn_host *host, struct tn_peer *peer);
    /* [any] */
    const char *(*peer_id)(struct tn_host *host, struct tn_peer *peer);
    /* [any] Number of vCPUs, and bytes of main memory. */
    uint32_t (*cpu_count)(struct tn_host *host);
    uint64_t (*ram_size)(struct tn_host *host);
    /* [any] Ask for an end of the machine's run. Returns at once; the vCPUs
     * stop soon after. CODE is what TN_REQUEST_FAIL passes on. */
    void (*request)(struct tn_host *host, uint32_t what, uint32_t code);
    /* [any] The slot the machine file gave (`slot = 3`), or -1. */
    int32_t (*slot)(struct tn_host *host);
};

#ifdef __cplusplus
}
#endif
#endif
