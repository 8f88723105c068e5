/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The character hub: stands between devices (`tenon.host.char/1`) and
 * character back-ends (`tenon.char/1`), so that neither ever runs on the
 * other's thread or under the other's lock.
 */
#ifndef TENON_CORE_CHR_H
#define TENON_CORE_CHR_H

/* [any] Make the service known to machines. Once a process. */
void tn_chr_register(void);

#endif
