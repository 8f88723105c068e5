/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extensions, in the canonical order of an ISA naming string
 * (unprivileged manual, chapter "ISA Extension Naming Conventions"). Each is
 * one bit of a feature set, one boolean property, and one entry of
 * riscv,isa-extensions. Vector and scalar cryptography extensions take their
 * rows here, a table of patterns of their own in patterns.h, and nothing else
 * of this file.
 *
 * X(ID, name, documentation)
 */
#ifndef RISCV_FEATURES_H
#define RISCV_FEATURES_H

#include <stdint.h>

/* clang-format off */
#define RISCV_FEATURES(X) \
    X(I,           "i",           "base integer instructions") \
    X(M,           "m",           "integer multiplication and division") \
    X(A,           "a",           "atomic instructions") \
    X(F,           "f",           "single-precision floating point") \
    X(D,           "d",           "double-precision floating point") \
    X(C,           "c",           "compressed instructions") \
    X(ZICBOM,      "zicbom",      "cache-block management") \
    X(ZICBOP,      "zicbop",      "cache-block prefetch hints") \
    X(ZICBOZ,      "zicboz",      "cache-block zero") \
    X(ZICNTR,      "zicntr",      "cycle, time and instret counters") \
    X(ZICOND,      "zicond",      "integer conditional operations") \
    X(ZICSR,       "zicsr",       "control and status register access") \
    X(ZIFENCEI,    "zifencei",    "instruction-fetch fence") \
    X(ZIHINTPAUSE, "zihintpause", "pause hint") \
    X(ZIHPM,       "zihpm",       "hardware performance counters") \
    X(ZACAS,       "zacas",       "atomic compare-and-swap") \
    X(ZAWRS,       "zawrs",       "wait on reservation set") \
    X(ZFA,         "zfa",         "additional floating point") \
    X(ZFH,         "zfh",         "half-precision floating point") \
    X(ZFHMIN,      "zfhmin",      "minimal half-precision floating point") \
    X(ZCB,         "zcb",         "additional compressed instructions") \
    X(ZBA,         "zba",         "address generation") \
    X(ZBB,         "zbb",         "basic bit manipulation") \
    X(ZBC,         "zbc",         "carry-less multiplication") \
    X(ZBS,         "zbs",         "single-bit instructions") \
    X(SMAIA,       "smaia",       "advanced interrupts, machine level") \
    X(SSAIA,       "ssaia",       "advanced interrupts, supervisor level") \
    X(SSTC,        "sstc",        "supervisor timer compare") \
    X(SVADE,       "svade",       "page faults ask for A and D bits") \
    X(SVADU,       "svadu",       "hardware updates A and D bits") \
    X(SVINVAL,     "svinval",     "fine-grained TLB invalidation") \
    X(SVNAPOT,     "svnapot",     "NAPOT translation contiguity") \
    X(SVPBMT,      "svpbmt",      "page-based memory types") \
    X(SVVPTC,      "svvptc",      "new translations are seen without a fence") \
    X(S,           "s",           "supervisor mode") \
    X(U,           "u",           "user mode")
/* clang-format on */

#define RISCV_FEATURE_ENUM_(id, name, doc) FEATURE_##id,
enum { RISCV_FEATURES(RISCV_FEATURE_ENUM_) N_FEATURES };
#undef RISCV_FEATURE_ENUM_

/* A set of one: HAS(ZBA) | HAS(D). */
#define HAS(id) (1ull << FEATURE_##id)

struct riscv_feature {
    char name[16];
    uint64_t implies; /* turned on together with it */
};
extern const struct riscv_feature riscv_features[N_FEATURES];

/* A CPU model: data only. */
struct riscv_model {
    char name[16];
    uint8_t xlen;
    uint8_t mmu; /* RISCV_SV*: the largest */
    uint64_t features;
    char doc[64];
};
#define N_MODELS 4
extern const struct riscv_model riscv_models[N_MODELS];

#endif
