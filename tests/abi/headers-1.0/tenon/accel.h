/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accelerators: what runs vCPUs, and what core gives them. Fast tier.
 *
 * An accelerator is a component of kind TN_KIND_ACCEL with one instance a
 * machine; it offers "tenon.accel/1". Core creates one thread a vCPU and calls
 * run() on it again and again.
 */
#ifndef TENON_ACCEL_H
#define TENON_ACCEL_H

#include "host.h"
#include "target.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a 4 KiB page of RAM: one byte a page, changed atomically. */
#define TN_PAGE_CODE 0x1u  /* translations were made from it: writes by others
                              than the accelerator call code_written() */
#define TN_PAGE_CLEAN 0x2u /* dirty logging is on and it was not written yet:
                              a writer clears the bit */

/* What is behind a physical address: a part of the flat memory map. */
struct tn_backing {
    uint32_t size;
    uint32_t flags;      /* TN_BACKING_* */
    uint64_t start;      /* first and last address it holds for */
    uint64_t last;
    uint8_t *memory;     /* byte at `start`, or NULL: device or nothing */
    uint8_t *page_flags; /* flags of the page of `start`, NULL if device */
    uint64_t ram_offset; /* of `start` in a number space of all RAM: names a
                            page of RAM uniquely whatever its address */
};
#define TN_BACKING_READ_ONLY 0x1u
#define TN_BACKING_DEVICE 0x2u
#define TN_BACKING_NONE 0x4u

#define TN_HOST_GUESTMEM "tenon.host.guestmem/1"
struct tn_guestmem {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] What is behind PA. Lock free. Holds until map_changed(). */
    void (*resolve)(struct tn_host *host, uint64_t pa,
                    struct tn_backing *backing);
    /* [vcpu] Device access of 1, 2, 4 or 8 bytes, value in host order for a
     * little-endian guest view. 0, or -EFAULT: nothing there. Takes the
     * device's lock. Writes to read-only memory are ignored (0). */
    int32_t (*io_read)(struct tn_host *host, uint64_t pa, uint32_t bytes,
                       uint64_t *value);
    int32_t (*io_write)(struct tn_host *host, uint64_t pa, uint32_t bytes,
                        uint64_t value);
    /* [any] The range of ram_offset: above every RAM there is or will be.
     * Constant. */
    uint64_t (*ram_bytes)(struct tn_host *host);
};

/* Why run() returned. */
#define TN_RUN_STOPPED 0 /* TN_CPU_STOP was set */
#define TN_RUN_FAILED 1  /* the accelerator cannot go on; it logged why */

#define TN_ACCEL "tenon.accel/1"
struct tn_accel {
    uint32_t size;
    uint32_t reserved;
    /* [control] Once, after the target is realized. -ENOTSUP with a reason if
     * this accelerator cannot run that target here: core tries the next. */
    int32_t (*attach)(void *self, const struct tn_target *target,
                      void *target_self, uint32_t n_cpus,
                      struct tn_error *error);
    /* [control] Make / free vCPU INDEX; calls the target's cpu_init. */
    int32_t (*vcpu_new)(void *self, uint32_t index, struct tn_cpu **cpu,
                        struct tn_error *error);
    void (*vcpu_free)(void *self, struct tn_cpu *cpu);
    /* [control] The CPU's registers were changed from outside (reset, boot,
     * restore): drop what was derived from them (TLB, key). Not running. */
    void (*vcpu_changed)(void *self, struct tn_cpu *cpu);
    /* [vcpu] Run until TN_CPU_STOP is set in request, which run() clears as it
     * returns; sleeps while halted. */
    int32_t (*run)(void *self, struct tn_cpu *cpu);
    /* [any] OR BITS into request and wake the vCPU if it sleeps. */
    void (*request)(void *self, struct tn_cpu *cpu, uint32_t bits);
    /* [any] RAM [ram_offset, +bytes) with TN_PAGE_CODE was written by a
     * device; translations of it must not be used any more on return to the
     * writer (vCPUs may finish the unit they are in). */
    void (*code_written)(void *self, uint64_t ram_offset, uint64_t bytes);
    /* [any] The memory map changed: cached backings are stale. Returns when
     * no vCPU uses them any more. Called from a vCPU's device access too. */
    void (*map_changed)(void *self);
    /* [any] Dirty logging was turned on or its bits were set again: writable
     * cached backings are stale. */
    void (*dirty_log_started)(void *self);
    /* [control] Optional: text about its state ("translations: 1234 ..."). */
    int32_t (*statistics)(void *self, char *text, uint32_t bytes);
};

#ifdef __cplusplus
}
#endif
#endif
