/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.host.memory/1: physical memory as devices see it.
 *
 * A device makes regions in realize(); where they appear is the board's
 * business (the `address` list of the instance in the board file maps its
 * regions in the order they were made), or a bus's (a PCI bridge maps BARs).
 * Offsets a callback gets are always inside the region and naturally aligned
 * unless TN_REGION_UNALIGNED is set.
 */
#ifndef TENON_MEMORY_H
#define TENON_MEMORY_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tn_region;

#define TN_REGION_BIG_ENDIAN 0x1u
#define TN_REGION_UNALIGNED 0x2u /* callbacks take unaligned accesses */
/* Callbacks of this region run without the instance's lock and may be
 * concurrent (pure doorbells, free-running counters). */
#define TN_REGION_PARALLEL 0x4u

struct tn_region_ops {
    uint32_t size;
    uint32_t flags;
    /* Sizes the callbacks take, in bytes: powers of two, 1..8. Core splits
     * wider accesses and widens narrower ones (reads; a narrower write is
     * passed as the read value with the written bytes replaced). */
    uint32_t min_access;
    uint32_t max_access;
    /* [vcpu] also [io] when a device writes to it. VALUE is in host order
     * whatever the region's byte order. */
    uint64_t (*read)(void *opaque, uint64_t offset, uint32_t size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value,
                  uint32_t size);
};

#define TN_RAM_READ_ONLY 0x1u  /* the guest cannot write it: ROM, flash */
#define TN_RAM_NOT_SAVED 0x2u  /* not part of the saved state */

/* dma_map direction */
#define TN_DMA_READ 0u  /* the device reads guest memory */
#define TN_DMA_WRITE 1u /* the device writes guest memory */

#define TN_HOST_MEMORY "tenon.host.memory/1"
struct tn_memory {
    uint32_t size;
    uint32_t reserved;

    /* [control] New MMIO region. OPS is not copied. NULL: no memory. */
    struct tn_region *(*new_mmio)(struct tn_host *host, const char *name,
                                  uint64_t bytes,
                                  const struct tn_region_ops *ops,
                                  void *opaque);
    /* [control] New RAM-backed region, zero filled, of whole pages. *MEMORY is
     * its bytes, writable by the device until the region is freed. */
    struct tn_region *(*new_ram)(struct tn_host *host, const char *name,
                                 uint64_t bytes, uint32_t flags,
                                 void **memory);
    /* [control] New region with no content of its own that other regions can
     * be mapped into (a PCI address window); BYTES 0 means 2^64. */
    struct tn_region *(*new_container)(struct tn_host *host, const char *name,
                                       uint64_t bytes);
    /* [control] New window onto [OFFSET, OFFSET+BYTES) of TARGET. */
    struct tn_region *(*new_alias)(struct tn_host *host, const char *name,
                                   struct tn_region *target, uint64_t offset,
                                   uint64_t bytes);
    /* [control] Unmap and free. Waits until no callback runs. */
    void (*free_region)(struct tn_host *host, struct tn_region *region);

    /* [any] Place REGION in PARENT (NULL: the machine's physical address
     * space) at OFFSET. Where regions overlap the higher PRIORITY is seen, and
     * of equals the one mapped last. A region is mapped at most once. Changes
     * are seen by every vCPU before this returns to the guest. */
    int32_t (*map)(struct tn_host *host, struct tn_region *region,
                   struct tn_region *parent, uint64_t offset,
                   int32_t priority);
    /* [any] */
    void (*unmap)(struct tn_host *host, struct tn_region *region);
    /* [any] ROM mode on/off for a region with both RAM and MMIO views (CFI
     * flash): with ENABLED 0 reads of the RAM region go to the region's
     * mmio callbacks set with set_rom_ops; writes always do. */
    int32_t (*set_rom_ops)(struct tn_host *host, struct tn_region *ram,
                           const struct tn_region_ops *ops, void *opaque);
    void (*set_rom_readable)(struct tn_host *host, struct tn_region *ram,
                             uint32_t enabled);
    /* [any] The device changed bytes of a RAM region through its pointer:
     * marks dirty and drops translations made from them. */
    void (*ram_changed)(struct tn_host *host, struct tn_region *ram,
                        uint64_t offset, uint64_t bytes);

    /* [any] Copy from / to guest memory as the device sees it (through its
     * IOMMU if it has one). 0, or -EFAULT where part of the range is no
     * memory or the access would re-enter the calling device. A write that
     * fails may have written a part. */
    int32_t (*dma_read)(struct tn_host *host, uint64_t address, void *buffer,
                        uint64_t bytes);
    int32_t (*dma_write)(struct tn_host *host, uint64_t address,
                         const void *buffer, uint64_t bytes);
    /* [any] Direct access. Sets *BYTES to how many, at most as asked, are
     * contiguous, and returns their address, or NULL if the first is not RAM.
     * For TN_DMA_WRITE, *BYTES never spans read-only memory. Every map is
     * paired with an unmap that says how many bytes were written; the pages
     * are marked dirty then. A long-lived map (a descriptor ring) calls
     * dma_dirty after each write instead. */
    void *(*dma_map)(struct tn_host *host, uint64_t address, uint64_t *bytes,
                     uint32_t direction);
    void (*dma_unmap)(struct tn_host *host, uint64_t address, void *memory,
                      uint64_t bytes, uint32_t direction, uint64_t written);
    void (*dma_dirty)(struct tn_host *host, uint64_t address, uint64_t bytes);
    /* [any] Changes whenever the physical map does: a cached dma_map made
     * under another generation must be made again. */
    uint64_t (*generation)(struct tn_host *host);
    /* [control] Where the board maps region INDEX of this instance: 0, or
     * -ENOENT. For device tree nodes. */
    int32_t (*region_address)(struct tn_host *host, uint32_t index,
                              uint64_t *address, uint64_t *bytes);
};

#ifdef __cplusplus
}
#endif
#endif
