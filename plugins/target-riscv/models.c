/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU models and features: which instructions and modes a hart has. A model
 * is a row; properties of the features' names change it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "riscv.h"

#define FEATURE_ROW_(id, name_, doc_)                                          \
    [FEATURE_##id] = {.name = name_, .implies = IMPLIES_##id},
#define IMPLIES_I 0
#define IMPLIES_M 0
#define IMPLIES_A 0
#define IMPLIES_F HAS(ZICSR)
#define IMPLIES_D (HAS(F) | HAS(ZICSR))
#define IMPLIES_C 0
#define IMPLIES_ZICBOM 0
#define IMPLIES_ZICBOP 0
#define IMPLIES_ZICBOZ 0
#define IMPLIES_ZICNTR HAS(ZICSR)
#define IMPLIES_ZICOND 0
#define IMPLIES_ZICSR 0
#define IMPLIES_ZIFENCEI 0
#define IMPLIES_ZIHINTPAUSE 0
#define IMPLIES_ZIHPM HAS(ZICSR)
#define IMPLIES_ZACAS HAS(A)
#define IMPLIES_ZAWRS 0
#define IMPLIES_ZFA (HAS(F) | HAS(ZICSR))
#define IMPLIES_ZFH (HAS(ZFHMIN) | HAS(F) | HAS(ZICSR))
#define IMPLIES_ZFHMIN (HAS(F) | HAS(ZICSR))
#define IMPLIES_ZCB HAS(C)
#define IMPLIES_ZBA 0
#define IMPLIES_ZBB 0
#define IMPLIES_ZBC 0
#define IMPLIES_ZBS 0
#define IMPLIES_SMAIA HAS(ZICSR)
#define IMPLIES_SSAIA (HAS(S) | HAS(U) | HAS(ZICSR))
#define IMPLIES_SSTC (HAS(S) | HAS(U))
#define IMPLIES_SVADE (HAS(S) | HAS(U))
#define IMPLIES_SVADU (HAS(S) | HAS(U))
#define IMPLIES_SVINVAL (HAS(S) | HAS(U))
#define IMPLIES_SVNAPOT (HAS(S) | HAS(U))
#define IMPLIES_SVPBMT (HAS(S) | HAS(U))
#define IMPLIES_SVVPTC (HAS(S) | HAS(U))
#define IMPLIES_S HAS(U)
#define IMPLIES_U 0
const struct riscv_feature riscv_features[N_FEATURES] = {
    RISCV_FEATURES(FEATURE_ROW_)};

#define RVG                                                                    \
    (HAS(I) | HAS(M) | HAS(A) | HAS(F) | HAS(D) | HAS(ZICSR) | HAS(ZIFENCEI))
#define RVA20                                                                  \
    (RVG | HAS(C) | HAS(ZICNTR) | HAS(S) | HAS(U) | HAS(SVADE))
#define USUAL                                                                  \
    (RVG | HAS(C) | HAS(S) | HAS(U) | HAS(ZICNTR) | HAS(ZIHPM) |               \
     HAS(ZICBOM) | HAS(ZICBOP) | HAS(ZICBOZ) | HAS(ZIHINTPAUSE) | HAS(ZAWRS) | \
     HAS(ZFA) | HAS(ZBA) | HAS(ZBB) | HAS(ZBC) | HAS(ZBS) | HAS(SSTC) |        \
     HAS(SVADU) | HAS(SVINVAL) | HAS(SVVPTC))
#define EVERYTHING (((1ull << N_FEATURES) - 1) & ~HAS(SVADE))

const struct riscv_model riscv_models[N_MODELS] = {
    {"rv64", 64, RISCV_SV57, USUAL | HAS(SVNAPOT) | HAS(SVPBMT),
     "64 bits, what current systems have"},
    {"rva20", 64, RISCV_SV39, RVA20, "64 bits, profile RVA20S64"},
    {"rv32", 32, RISCV_SV32, USUAL, "32 bits, what current systems have"},
    {"max", 64, RISCV_SV57, EVERYTHING, "64 bits, all that is there"},
};

static uint64_t apply_implied(uint64_t features)
{
    for (uint32_t i = 0; i < N_FEATURES; i++)
        if (features & 1ull << i)
            features |= riscv_features[i].implies;
    return features;
}

static int32_t check_features(struct riscv_target *t, uint64_t off,
                              struct tn_error *error)
{
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        uint64_t lacking = riscv_features[i].implies & off;
        if (!(t->features & 1ull << i) || !lacking)
            continue;
        uint32_t first = (uint32_t)__builtin_ctzll(lacking);
        return tn_fail(t->host, error, -EINVAL,
                       "RISC-V extension \"%s\" needs \"%s\", which is "
                       "switched off",
                       riscv_features[i].name, riscv_features[first].name);
    }
    if (t->xlen == 32 && (t->features & (HAS(SVNAPOT) | HAS(SVPBMT))))
        return tn_fail(t->host, error, -EINVAL,
                       "svnapot and svpbmt need a 64-bit model");
    return 0;
}

static int32_t choose_mmu(struct riscv_target *t, uint32_t choice,
                          struct tn_error *error)
{
    static const uint8_t modes[] = {RISCV_BARE, RISCV_SV32, RISCV_SV39,
                                    RISCV_SV48, RISCV_SV57};
    uint32_t mode = choice < sizeof modes ? modes[choice] : RISCV_BARE;

    if (mode && (mode == RISCV_SV32) != (t->xlen == 32))
        return tn_fail(t->host, error, -EINVAL,
                       "this MMU is not one of a %u-bit hart", t->xlen);
    t->mmu = mode;
    return 0;
}

int32_t riscv_configure(struct riscv_target *t, struct tn_error *error)
{
    const struct tn_props *props = tn_service(t->host, TN_HOST_PROPS);
    uint64_t on = 0, off = 0;
    const struct riscv_model *model;

    uint64_t chosen = props->get_uint(t->host, "model");
    model = &riscv_models[chosen < N_MODELS ? chosen : 0];
    t->xlen = model->xlen;
    t->mmu = model->mmu;
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        if (!props->is_set(t->host, riscv_features[i].name))
            continue;
        if (props->get_uint(t->host, riscv_features[i].name))
            on |= 1ull << i;
        else
            off |= 1ull << i;
    }
    /* What a feature of the model needs and the user took away takes that
     * feature away too; only a contradiction of the user's is an error. */
    t->features = model->features & ~off;
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < N_FEATURES; i++)
            if (riscv_features[i].implies & off & ~on)
                off |= (1ull << i) & ~on, t->features &= ~(1ull << i);
    t->features = apply_implied(t->features | on);
    int32_t r = check_features(t, off, error);
    if (r == 0 && props->is_set(t->host, "mmu"))
        r = choose_mmu(t, (uint32_t)props->get_uint(t->host, "mmu"), error);
    if (!has(t, HAS(S)))
        t->mmu = RISCV_BARE;
    t->n_pmp = (uint32_t)props->get_uint(t->host, "pmp-regions");
    if (t->n_pmp > MAX_PMP)
        t->n_pmp = MAX_PMP;
    t->timebase = (uint32_t)props->get_uint(t->host, "timebase");
    if (t->timebase == 0)
        t->timebase = 10000000;
    riscv_isa_string(t);
    return r;
}

/* "rv64imafdc_zicsr_...": single letters first, then the others. S and U are
 * modes, not part of it. */
void riscv_isa_string(struct riscv_target *t)
{
    size_t n = (size_t)snprintf(t->isa, sizeof t->isa, "rv%u", t->xlen);

    for (uint32_t i = 0; i < N_FEATURES; i++) {
        const char *name = riscv_features[i].name;
        if (!(t->features & 1ull << i) || i == FEATURE_S || i == FEATURE_U)
            continue;
        n += (size_t)snprintf(t->isa + n, sizeof t->isa - n, "%s%s",
                              name[1] ? "_" : "", name);
    }
}
