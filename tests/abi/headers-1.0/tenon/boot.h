/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot protocols: what is in memory and registers when the vCPUs start.
 *
 * A boot component (kind TN_KIND_BOOT, one instance a machine) offers
 * "tenon.boot/1". Its host gives it tenon.host.boot/1: files, guest memory,
 * the device tree and the vCPUs' registers. Kernel, initrd, command line,
 * firmware and the like are its own properties.
 */
#ifndef TENON_BOOT_H
#define TENON_BOOT_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_BOOT "tenon.boot/1"
struct tn_boot {
    uint32_t size;
    uint32_t reserved;
    /* [control] Load everything. Called after each reset of the machine, when
     * all instances and vCPUs have been reset (KIND is TN_RESET_*) and none
     * runs. 0 or a negative errno with ERROR's text. */
    int32_t (*boot)(void *self, uint32_t kind, struct tn_error *error);
};

/* What /chosen says; zero or NULL members are left out. */
struct tn_boot_chosen {
    uint32_t size;
    uint32_t reserved;
    const char *bootargs;
    uint64_t initrd_start; /* address of the first byte, */
    uint64_t initrd_end;   /* and of the one after the last */
    const void *rng_seed;
    uint32_t rng_seed_bytes;
    uint32_t reserved2;
};

/* What tn_boot_services.load_elf() found. */
struct tn_elf_image {
    uint32_t size;
    uint32_t machine; /* e_machine */
    uint32_t bits;    /* 32 or 64 */
    uint32_t big_endian;
    uint64_t entry;
    uint64_t low;  /* lowest address written */
    uint64_t high; /* the one after the highest */
};

#define TN_HOST_BOOT "tenon.host.boot/1"
struct tn_boot_services {
    uint32_t size;
    uint32_t reserved;
    /* [control] Read the file PATH of at most LIMIT bytes; one compressed
     * with gzip is expanded, and LIMIT holds for what comes out. *DATA is
     * freed with free_data(). */
    int32_t (*read_file)(struct tn_host *host, const char *path,
                         uint64_t limit, void **data, uint64_t *bytes,
                         struct tn_error *error);
    /* [control] The same without expanding (an initrd is the guest's). */
    int32_t (*read_raw_file)(struct tn_host *host, const char *path,
                             uint64_t limit, void **data, uint64_t *bytes,
                             struct tn_error *error);
    void (*free_data)(struct tn_host *host, void *data);
    /* [control] Write guest-physical memory, read-only memory too. -EFAULT
     * where there is none. */
    int32_t (*write)(struct tn_host *host, uint64_t address, const void *data,
                     uint64_t bytes);
    /* [control] Put the loadable segments of the ELF file DATA at their
     * physical addresses plus OFFSET, zeroing what is beyond the file. IMAGE
     * (its size set by the caller) says what it was. -ENOEXEC: no ELF file;
     * -EINVAL: damaged; -EFAULT: a segment is not in memory. */
    int32_t (*load_elf)(struct tn_host *host, const void *data,
                        uint64_t bytes, uint64_t offset,
                        struct tn_elf_image *image, struct tn_error *error);
    /* [control] The machine's device tree with CHOSEN (may be NULL) added.
     * *BLOB is freed with free_data(). */
    int32_t (*device_tree)(struct tn_host *host,
                           const struct tn_boot_chosen *chosen, void **blob,
                           uint64_t *bytes, struct tn_error *error);
    /* [control] The same additions for a device tree from elsewhere. */
    int32_t (*device_tree_from)(struct tn_host *host, const void *tree,
                                uint64_t tree_bytes,
                                const struct tn_boot_chosen *chosen,
                                void **blob, uint64_t *bytes,
                                struct tn_error *error);
    /* [control] A register of vCPU CPU by the target's name for it: 0,
     * -ENOENT or -EINVAL. */
    int32_t (*set_register)(struct tn_host *host, uint32_t cpu,
                            const char *name, uint64_t value);
    int32_t (*get_register)(struct tn_host *host, uint32_t cpu,
                            const char *name, uint64_t *value);
    /* [any] */
    uint32_t (*cpu_count)(struct tn_host *host);
    void (*main_memory)(struct tn_host *host, uint64_t *address,
                        uint64_t *bytes);
    /* [any] The target's name: "riscv64". */
    const char *(*target_name)(struct tn_host *host);
};

#ifdef __cplusplus
}
#endif
#endif
