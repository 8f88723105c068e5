/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address translation: Sv32, Sv39, Sv48, Sv57 with Svnapot, Svpbmt, Svade and
 * Svadu. Privileged manual, section "Virtual Address Translation Process";
 * the step numbers below are its.
 */
#include <errno.h>

#include "riscv.h"

#define PTE_V 0x001ull
#define PTE_R 0x002ull
#define PTE_W 0x004ull
#define PTE_X 0x008ull
#define PTE_U 0x010ull
#define PTE_G 0x020ull
#define PTE_A 0x040ull
#define PTE_D 0x080ull
#define PTE_RESERVED (0x7full << 54)
#define PTE_PBMT (3ull << 61)
#define PTE_N (1ull << 63)
#define PTE_PPN_SHIFT 10
#define PTE_PPN_64 ((1ull << 44) - 1)
#define PAGE_BITS 12
#define PHYS_BITS_64 56
#define NAPOT_BITS 16 /* the one NAPOT size: 64 KiB */

/* What an MMU mode stands for. */
static const struct mmu_mode {
    uint8_t machine, translated, user, sum, mxr;
} mmu_modes[] = {
    [MMU_M] = {1, 0, 0, 0, 0},     [MMU_BARE] = {0, 0, 0, 0, 0},
    [MMU_U] = {0, 1, 1, 0, 0},     [MMU_S] = {0, 1, 0, 0, 0},
    [MMU_S_SUM] = {0, 1, 0, 1, 0}, [MMU_U_MXR] = {0, 1, 1, 0, 1},
    [MMU_S_MXR] = {0, 1, 0, 0, 1}, [MMU_S_SUM_MXR] = {0, 1, 0, 1, 1},
};
#define N_MMU_MODES (sizeof mmu_modes / sizeof mmu_modes[0])

/* satp.MODE: the shape of a table. */
struct scheme {
    uint8_t levels, index_bits, pte_bytes, va_bits;
};

static const struct scheme *scheme_of(const struct riscv_cpu *c,
                                      uint64_t *root)
{
    static const struct scheme sv32 = {2, 10, 4, 32};
    static const struct scheme sv39 = {3, 9, 8, 39};
    static const struct scheme sv48 = {4, 9, 8, 48};
    static const struct scheme sv57 = {5, 9, 8, 57};

    if (c->t->xlen == 32) {
        *root = c->satp & 0x3fffff;
        return &sv32;
    }
    *root = c->satp & PTE_PPN_64;
    switch (c->satp >> 60) {
    case RISCV_SV48:
        return &sv48;
    case RISCV_SV57:
        return &sv57;
    default:
        return &sv39;
    }
}

/* The address space: ASID and scheme, which differ in what is mapped. */
uint64_t riscv_space(const struct riscv_cpu *c)
{
    if (c->t->xlen == 32)
        return c->satp >> 22 & 0x1ff;
    return c->satp >> 44; /* MODE and ASID */
}

static int32_t fail(const struct riscv_cpu *c, struct tn_walk *w,
                    uint32_t page_fault)
{
    static const uint8_t access[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS,
                                     CAUSE_FETCH_ACCESS};
    static const uint8_t page[] = {CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE,
                                   CAUSE_FETCH_PAGE};

    w->exception.size = sizeof w->exception;
    w->exception.code = page_fault ? page[w->access] : access[w->access];
    w->exception.access = w->access;
    w->exception.value = xext(c->t, w->va);
    return -EFAULT;
}

static uint32_t wanted(const struct tn_walk *w)
{
    return w->access == TN_ACCESS_LOAD    ? TN_PROT_READ
           : w->access == TN_ACCESS_STORE ? TN_PROT_WRITE
                                          : TN_PROT_EXEC;
}

/* The end of every walk: PMP on the physical address. */
static int32_t finish(const struct riscv_cpu *c, struct tn_walk *w,
                      uint32_t machine)
{
    if (c->t->xlen == 64 && w->pa >> PHYS_BITS_64)
        return fail(c, w, 0);
    w->prot &= pmp_check(c, w->pa, machine, &w->page_bits);
    if (w->page_bits < PAGE_BITS && pmp_divides(c, w->pa, w->bytes))
        return fail(c, w, 0);
    return w->prot & wanted(w) ? 0 : fail(c, w, 0);
}

/* Step 3 and the reserved encodings: is this a pointer or leaf that means
 * something? */
static uint32_t pte_valid(const struct riscv_cpu *c, uint64_t pte,
                          uint32_t level, uint32_t leaf)
{
    uint64_t never = PTE_RESERVED;

    if (!(pte & PTE_V) || (!(pte & PTE_R) && (pte & PTE_W)))
        return 0;
    if (!has(c->t, HAS(SVNAPOT)))
        never |= PTE_N;
    if (!has(c->t, HAS(SVPBMT)) || !(c->menvcfg & ENVCFG_PBMTE))
        never |= PTE_PBMT;
    if (!leaf)
        never |= PTE_N | PTE_PBMT | PTE_U | PTE_A | PTE_D;
    if (c->t->xlen == 32)
        never &= 0xffffffff;
    if ((pte & never) || (pte & PTE_PBMT & ~never) == PTE_PBMT)
        return 0;
    /* NAPOT: level 0 only, and PPN[3:0] = 1000. */
    if ((pte & PTE_N) && (level != 0 || (pte >> PTE_PPN_SHIFT & 0xf) != 8))
        return 0;
    return 1;
}

/* Steps 5 and 6: what the leaf lets this mode do. */
static uint32_t leaf_prot(uint64_t pte, const struct mmu_mode *m)
{
    uint32_t prot = 0, user_page = (pte & PTE_U) != 0;

    if (pte & PTE_R || (m->mxr && (pte & PTE_X)))
        prot |= TN_PROT_READ;
    if (pte & PTE_W)
        prot |= TN_PROT_WRITE;
    if (pte & PTE_X)
        prot |= TN_PROT_EXEC;
    if (m->user)
        return user_page ? prot : 0;
    if (user_page)
        return m->sum ? prot & ~TN_PROT_EXEC : 0;
    return prot;
}

/* Step 9: A and D. Returns 0, 1 to walk again, or a negative errno. */
static int32_t update_bits(struct riscv_cpu *c, struct tn_walk *w,
                           const struct scheme *s, uint64_t pte_pa,
                           uint64_t *pte)
{
    uint64_t need = PTE_A | (w->access == TN_ACCESS_STORE ? PTE_D : 0);
    uint64_t expected = *pte;
    uint32_t bits = 2;
    int32_t r;

    if ((*pte & need) == need || (w->flags & TN_WALK_DEBUG))
        return 0;
    if (!(c->menvcfg & ENVCFG_ADUE))
        return fail(c, w, 1);
    if (!(pmp_check(c, pte_pa, 0, &bits) & TN_PROT_WRITE))
        return fail(c, w, 0);
    r = c->head.services->phys_cas(&c->head, pte_pa, s->pte_bytes, &expected,
                                   *pte | need);
    if (r == -EAGAIN)
        return 1;
    if (r)
        return fail(c, w, 0);
    *pte |= need;
    return 0;
}

static int32_t found_leaf(struct riscv_cpu *c, struct tn_walk *w,
                          const struct scheme *s, uint32_t level,
                          uint64_t pte_pa, uint64_t pte)
{
    uint32_t bits = PAGE_BITS + level * s->index_bits;
    uint64_t ppn = pte >> PTE_PPN_SHIFT;
    uint64_t inside;
    int32_t r;

    if (s->pte_bytes == 8)
        ppn &= PTE_PPN_64;
    w->prot = leaf_prot(pte, &mmu_modes[w->mode]);
    if (!(w->prot & wanted(w)))
        return fail(c, w, 1);
    if (ppn & ((1ull << (bits - PAGE_BITS)) - 1)) /* misaligned superpage */
        return fail(c, w, 1);
    r = update_bits(c, w, s, pte_pa, &pte);
    if (r)
        return r;
    if (!(pte & PTE_D))
        w->prot &= ~TN_PROT_WRITE;
    if (s->pte_bytes == 8 && (pte & PTE_N))
        bits = NAPOT_BITS;
    inside = (1ull << bits) - 1;
    w->pa = (ppn << PAGE_BITS & ~inside) | (w->va & inside);
    w->page_bits = bits;
    return finish(c, w, 0);
}

/* One walk; 1: the table changed meanwhile. */
static int32_t walk_once(struct riscv_cpu *c, struct tn_walk *w)
{
    uint64_t ppn, pte = 0, global = 0;
    const struct scheme *s = scheme_of(c, &ppn);
    int64_t sign = (int64_t)(w->va << (64 - s->va_bits)) >> (64 - s->va_bits);

    if (c->t->xlen == 64 && (uint64_t)sign != w->va)
        return fail(c, w, 1);
    for (uint32_t level = s->levels; level-- > 0;) {
        uint32_t shift = PAGE_BITS + level * s->index_bits;
        uint64_t index = w->va >> shift & ((1ull << s->index_bits) - 1);
        uint64_t pa = (ppn << PAGE_BITS) + index * s->pte_bytes;
        uint32_t bits = 2, leaf;

        if (!(pmp_check(c, pa, 0, &bits) & TN_PROT_READ) ||
            c->head.services->phys_load(&c->head, pa, s->pte_bytes, &pte))
            return fail(c, w, 0);
        leaf = (pte & (PTE_R | PTE_W | PTE_X)) != 0;
        if (!pte_valid(c, pte, level, leaf))
            return fail(c, w, 1);
        global |= pte & PTE_G;
        w->global = global != 0;
        if (leaf)
            return found_leaf(c, w, s, level, pa, pte);
        ppn = pte >> PTE_PPN_SHIFT & PTE_PPN_64;
    }
    return fail(c, w, 1);
}

int32_t riscv_walk(void *self, struct tn_cpu *cpu, struct tn_walk *w)
{
    struct riscv_cpu *c = riscv_cpu(cpu);
    int32_t r;

    (void)self;
    if (w->mode >= N_MMU_MODES || w->access > TN_ACCESS_FETCH)
        return -EFAULT;
    w->va = xext(c->t, w->va);
    w->global = 0;
    if (!mmu_modes[w->mode].translated) {
        w->pa = w->va;
        w->prot = TN_PROT_READ | TN_PROT_WRITE | TN_PROT_EXEC;
        w->page_bits = PAGE_BITS; /* a fence's address never means these */
        w->global = 1;
        return finish(c, w, mmu_modes[w->mode].machine);
    }
    do
        r = walk_once(c, w);
    while (r == 1);
    return r;
}
