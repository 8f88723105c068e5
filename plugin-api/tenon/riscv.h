/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenon.riscv.harts/1: what the RISC-V target offers to parts of a board that
 * belong to its harts.
 *
 * An incoming-MSI controller (RISC-V Advanced Interrupt Architecture 1.0,
 * chapter "IMSIC") has its registers in the harts' CSRs: they reach it through
 * the table it gives to attach_imsic(). The target is the instance "cpu".
 */
#ifndef TENON_RISCV_H
#define TENON_RISCV_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Privilege levels, as the architecture numbers them. */
#define TN_RISCV_S 1u
#define TN_RISCV_M 3u

/* Interrupt files of the harts. LEVEL is TN_RISCV_*; HART a vCPU's index. */
struct tn_riscv_imsic {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] Is there an interrupt file of LEVEL? Constant while attached. */
    uint32_t (*has_level)(void *self, uint32_t level);
    /* [vcpu] The register that NUMBER, the value of *iselect, 0x70..0xff,
     * selects, BITS (32 or 64) of it. Of 64 bits NUMBER is even from 0x80
     * on. */
    uint64_t (*read)(void *self, uint32_t hart, uint32_t level,
                     uint32_t number, uint32_t bits);
    /* [vcpu] The bits of MASK become those of VALUE; the others are left, also
     * if a message changes them at this moment. */
    void (*write)(void *self, uint32_t hart, uint32_t level, uint32_t number,
                  uint32_t bits, uint64_t value, uint64_t mask);
    /* [vcpu] *topei: the identity in bits 26:16 and 10:0, or 0. */
    uint32_t (*top)(void *self, uint32_t hart, uint32_t level);
    /* [vcpu] IDENTITY is no longer pending. */
    void (*claim)(void *self, uint32_t hart, uint32_t level,
                  uint32_t identity);
};

#define TN_RISCV_HARTS "tenon.riscv.harts/1"
struct tn_riscv_harts {
    uint32_t size;
    uint32_t reserved;
    /* [control] No vCPU runs. All harts have the interrupt files of IMSIC,
     * which lives until it is detached. -EBUSY if they have others,
     * -ENOTSUP if they lack the extensions Smaia and Ssaia. The files drive
     * the harts' lines "mei" and "sei" themselves. */
    int32_t (*attach_imsic)(void *self, const struct tn_riscv_imsic *imsic,
                            void *imsic_self);
    /* [control] */
    void (*detach_imsic)(void *self);
};

#ifdef __cplusplus
}
#endif
#endif
