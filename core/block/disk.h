/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block engine in a machine: tenon.host.block/1 over the nodes that the
 * machine's description has.
 */
#ifndef TENON_CORE_BLOCK_DISK_H
#define TENON_CORE_BLOCK_DISK_H

/* [any] Make the service known to machines. Once a process. */
void tn_block_register(void);

#endif
