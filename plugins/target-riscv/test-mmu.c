/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page walks and PMP against models that are written for reading: one access
 * at a time, in the manual's own steps, no ranges.
 */
#include "test-riscv.h"

#include "pmp.h"

/* ---- physical memory protection ---- */

/* Does ENTRY match the byte at PA? */
static uint32_t pmp_matches(const struct riscv_cpu *c, uint32_t entry,
                            uint64_t pa)
{
    uint64_t a = c->pmpaddr[entry], below = entry ? c->pmpaddr[entry - 1] : 0;
    uint64_t mask = 3;

    switch (c->pmpcfg[entry] & PMP_A) {
    case PMP_A_TOR:
        return pa >= below << 2 && pa < a << 2;
    case PMP_A_NA4:
        return pa >> 2 == a;
    case PMP_A_NAPOT:
        mask = 7;
        for (uint32_t bit = 0; bit < 54 && (a >> bit & 1); bit++)
            mask = mask << 1 | 1;
        return ((pa ^ a << 2) & ~mask) == 0;
    default:
        return 0;
    }
}

static uint32_t model_pmp(const struct riscv_cpu *c, uint64_t pa,
                          uint32_t machine)
{
    for (uint32_t i = 0; i < c->t->n_pmp; i++) {
        if (!pmp_matches(c, i, pa))
            continue;
        if (machine && !(c->pmpcfg[i] & PMP_L))
            return 7;
        return c->pmpcfg[i] & 7;
    }
    return machine ? 7 : 0;
}

/* PMP's R W X and TN_PROT_* have the same bits. */
static void pmp_agrees_with_the_model(void **state)
{
    struct hart *h = hart_new("rv64");
    struct riscv_cpu *c = h->c;
    uint64_t seed = 3;

    (void)state;
    for (uint32_t round = 0; round < 3000; round++) {
        for (uint32_t i = 0; i < 16; i++) {
            uint64_t r = test_random(&seed);
            c->pmpcfg[i] = (uint8_t)(r & (i < 6 ? 0x9f : 0x80));
            c->pmpaddr[i] = (r >> 16 & 0xfff) | (r >> 40 & 1 ? 0x1ff : 0);
        }
        pmp_changed(c);
        for (uint32_t n = 0; n < 20; n++) {
            uint64_t pa = test_random(&seed) & 0x3fff;
            uint32_t machine = test_random(&seed) & 1, bits = 12;
            uint32_t prot = pmp_check(c, pa, machine, &bits);
            uint64_t start = pa & ~((1ull << bits) - 1);

            assert_in_range(bits, 2, 12);
            for (uint64_t at = start; at < start + (1ull << bits); at++)
                assert_int_equal(prot, model_pmp(c, at, machine));
        }
    }
    hart_free(h);
}

static void pmp_all_of_memory(void **state)
{
    struct hart *h = hart_new("rv64");
    uint32_t bits = 30;

    (void)state;
    assert_int_equal(pmp_check(h->c, MEM_BASE, 1, &bits), 7);
    assert_int_equal(pmp_check(h->c, MEM_BASE, 0, &bits), 0);
    h->c->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    h->c->pmpaddr[0] = (1ull << 54) - 1;
    pmp_changed(h->c);
    assert_int_equal(pmp_check(h->c, MEM_BASE, 0, &bits), 7);
    assert_int_equal(bits, 30);
    hart_free(h);
}

/* ---- page walks ---- */

#define V 1u
#define R 2u
#define W 4u
#define X 8u
#define U 16u
#define A 64u
#define D 128u

struct outcome {
    uint32_t cause; /* 0: translated */
    uint64_t pa;
};

static struct outcome page_fault(uint32_t access)
{
    return (struct outcome){access == TN_ACCESS_FETCH   ? 12
                            : access == TN_ACCESS_LOAD ? 13
                                                       : 15,
                            0};
}

static struct outcome access_fault(uint32_t access)
{
    return (struct outcome){access == TN_ACCESS_FETCH   ? 1
                            : access == TN_ACCESS_LOAD ? 5
                                                       : 7,
                            0};
}

/* The manual's "Virtual Address Translation Process" for Sv39/48/57, with
 * hardware A/D if ADUE. Changes no memory. */
static struct outcome model_walk(struct hart *h, uint64_t va, uint32_t access,
                                 uint32_t user, uint32_t sum, uint32_t mxr)
{
    struct riscv_cpu *c = h->c;
    int levels = (int)(c->satp >> 60) - 5, i = levels - 1;
    int width = 12 + 9 * levels;
    uint64_t a = (c->satp & ((1ull << 44) - 1)) * 4096, pte;

    if ((int64_t)(va << (64 - width)) >> (64 - width) != (int64_t)va)
        return page_fault(access);
    for (;; i--) {
        uint64_t *p;
        if (i < 0)
            return page_fault(access);
        p = hart_word(h, a + (va >> (12 + 9 * i) & 511) * 8);
        if (!p)
            return access_fault(access);
        pte = *p;
        if (!(pte & V) || (!(pte & R) && (pte & W)) || (pte >> 54 & 0x7f))
            return page_fault(access);
        if (!(c->menvcfg & ENVCFG_PBMTE) ? (pte >> 61 & 3) != 0
                                         : (pte >> 61 & 3) == 3)
            return page_fault(access);
        if (pte & (R | X))
            break;
        if (pte & (U | A | D) || pte >> 61)
            return page_fault(access);
        a = (pte >> 10 & ((1ull << 44) - 1)) * 4096;
    }
    if (pte >> 63 && (i > 0 || (pte >> 10 & 15) != 8))
        return page_fault(access);
    if (user && !(pte & U))
        return page_fault(access);
    if (!user && (pte & U) && (access == TN_ACCESS_FETCH || !sum))
        return page_fault(access);
    if (access == TN_ACCESS_LOAD && !(pte & R) && !(mxr && (pte & X)))
        return page_fault(access);
    if (access == TN_ACCESS_STORE && !(pte & W))
        return page_fault(access);
    if (access == TN_ACCESS_FETCH && !(pte & X))
        return page_fault(access);
    uint64_t ppn = pte >> 10 & ((1ull << 44) - 1);
    uint64_t low = (1ull << 9 * i) - 1;
    if (ppn & low)
        return page_fault(access);
    if ((!(pte & A) || (access == TN_ACCESS_STORE && !(pte & D))) &&
        !(c->menvcfg & ENVCFG_ADUE))
        return page_fault(access);
    if (pte >> 63)
        low = 15;
    ppn = (ppn & ~low) | (va >> 12 & low);
    return (struct outcome){0, ppn << 12 | (va & 4095)};
}

/* A table entry that is often nearly right. */
static uint64_t random_pte(uint64_t *seed)
{
    uint64_t r = test_random(seed);
    uint64_t ppn = (MEM_BASE >> 12) + (r >> 32) % MEM_PAGES;
    uint64_t pte = ppn << 10 | V;

    if (r & 1)
        pte |= (r >> 1 & (R | W | X | U)) | A | D;
    if (!(r >> 8 & 7))
        pte ^= 1ull << (r >> 11 & 7);
    if (!(r >> 16 & 31))
        pte ^= 1ull << (54 + (r >> 21) % 10);
    if (!(r >> 26 & 7)) /* superpages are aligned seldom by chance */
        pte &= ~(0x3ffffull << 10);
    if (!(r >> 29 & 7)) /* NAPOT */
        pte = (pte & ~(15ull << 10)) | 8ull << 10 | 1ull << 63;
    return pte;
}

static const struct {
    uint32_t mode, user, sum, mxr;
} modes[] = {{MMU_U, 1, 0, 0},     {MMU_S, 0, 0, 0},
             {MMU_S_SUM, 0, 1, 0}, {MMU_U_MXR, 1, 0, 1},
             {MMU_S_MXR, 0, 0, 1}, {MMU_S_SUM_MXR, 0, 1, 1}};

static void compare_walk(struct hart *h, uint64_t *seed)
{
    uint64_t r = test_random(seed);
    uint32_t m = (uint32_t)(r % 6);
    int width = 12 + 9 * ((int)(h->c->satp >> 60) - 5);
    struct tn_walk w = {.size = sizeof w, .access = (r >> 8) % 3,
                        .mode = modes[m].mode, .flags = TN_WALK_DEBUG};
    struct outcome want;
    int32_t result;

    /* Few table indices, so that walks get deep. */
    w.va = test_random(seed) & 0x40c0603018ff7ull & ((1ull << width) - 1);
    w.va = (uint64_t)((int64_t)(w.va << (64 - width)) >> (64 - width));
    if (!(r >> 16 & 31))
        w.va ^= 1ull << 63;
    w.flags = 0;
    want = model_walk(h, w.va, w.access, modes[m].user, modes[m].sum,
                      modes[m].mxr);
    result = riscv_walk(&h->t, &h->c->head, &w);
    if (want.cause) {
        assert_int_equal(result, -EFAULT);
        assert_int_equal(w.exception.code, want.cause);
        assert_int_equal(w.exception.value, w.va);
        return;
    }
    assert_int_equal(result, 0);
    assert_int_equal(w.pa, want.pa);
    assert_true(w.prot & (w.access == TN_ACCESS_LOAD    ? TN_PROT_READ
                          : w.access == TN_ACCESS_STORE ? TN_PROT_WRITE
                                                        : TN_PROT_EXEC));
}

static void walks_agree_with_the_model(void **state)
{
    struct hart *h = hart_new("max");
    uint64_t seed = 4;

    (void)state;
    h->c->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    h->c->pmpaddr[0] = (1ull << 54) - 1;
    pmp_changed(h->c);
    for (uint32_t round = 0; round < 600; round++) {
        uint64_t r = test_random(&seed);
        for (uint32_t i = 0; i < MEM_PAGES * 512; i++)
            h->memory[i] = random_pte(&seed);
        h->c->satp = (RISCV_SV39 + r % 3) << 60 | MEM_BASE >> 12;
        h->c->menvcfg = (r >> 8 & 1 ? ENVCFG_ADUE : 0) |
                        (r >> 9 & 1 ? ENVCFG_PBMTE : 0);
        for (uint32_t n = 0; n < 300; n++)
            compare_walk(h, &seed);
    }
    hart_free(h);
}

/* What a walk says of other accesses must be what they find. */
static void accessed_and_dirty(void **state)
{
    struct hart *h = hart_new("max");
    struct tn_walk w = {.size = sizeof w, .mode = MMU_S, .va = 0x1234};

    (void)state;
    h->c->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    h->c->pmpaddr[0] = (1ull << 54) - 1;
    pmp_changed(h->c);
    h->c->satp = (uint64_t)RISCV_SV39 << 60 | MEM_BASE >> 12;
    h->memory[0] = ((MEM_BASE >> 12) + 1) << 10 | V;
    h->memory[512] = ((MEM_BASE >> 12) + 2) << 10 | V;
    h->memory[1024 + 1] = 0x12345ull << 10 | V | R | W;

    h->c->menvcfg = 0;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), -EFAULT);
    assert_int_equal(w.exception.code, CAUSE_LOAD_PAGE);
    h->c->menvcfg = ENVCFG_ADUE;
    w.flags = TN_WALK_DEBUG;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_false(h->memory[1025] & (A | D));
    w.flags = 0;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_int_equal(w.pa, 0x12345234);
    assert_int_equal(w.prot, TN_PROT_READ);
    assert_int_equal(h->memory[1025] & (A | D), A);
    w.access = TN_ACCESS_STORE;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_int_equal(w.prot, TN_PROT_READ | TN_PROT_WRITE);
    assert_int_equal(h->memory[1025] & (A | D), A | D);
    hart_free(h);
}

static void superpage_and_napot_sizes(void **state)
{
    struct hart *h = hart_new("max");
    struct tn_walk w = {.size = sizeof w, .mode = MMU_S, .va = 0x212345678};

    (void)state;
    h->c->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    h->c->pmpaddr[0] = (1ull << 54) - 1;
    pmp_changed(h->c);
    h->c->satp = (uint64_t)RISCV_SV39 << 60 | MEM_BASE >> 12;
    h->memory[8] = 0x40000ull << 10 | V | R | A | D;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_int_equal(w.page_bits, 30);
    assert_int_equal(w.pa, 0x52345678);
    h->memory[0] = ((MEM_BASE >> 12) + 1) << 10 | V;
    h->memory[512] = ((MEM_BASE >> 12) + 2) << 10 | V;
    h->memory[1024 + 3] = 0x12348ull << 10 | V | R | A | D | 1ull << 63;
    w.va = 0x3456;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_int_equal(w.page_bits, 16);
    assert_int_equal(w.pa, 0x12343456);
    hart_free(h);
}

static void sv32(void **state)
{
    struct hart *h = hart_new("rv32");
    struct tn_walk w = {.size = sizeof w, .mode = MMU_S, .va = 0xc0400123};

    (void)state;
    h->c->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    h->c->pmpaddr[0] = 0xffffffff;
    pmp_changed(h->c);
    h->c->satp = 1ull << 31 | MEM_BASE >> 12;
    /* Entry 0x301 is the upper half of word 0x180: a 4 MiB page at 16 GiB
     * less 4 MiB. */
    h->memory[0x180] = (0x3ffc00ull << 10 | V | R | A) << 32;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), 0);
    assert_int_equal(w.pa, 0x3ffc00123ull);
    assert_int_equal(w.page_bits, 22);
    h->memory[0x180] = (0x3ffc01ull << 10 | V | R | A) << 32;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), -EFAULT);
    hart_free(h);
}

static void tables_are_protected_too(void **state)
{
    struct hart *h = hart_new("max");
    struct tn_walk w = {.size = sizeof w, .mode = MMU_S, .va = 0x1234};

    (void)state;
    h->c->satp = (uint64_t)RISCV_SV39 << 60 | MEM_BASE >> 12;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), -EFAULT);
    assert_int_equal(w.exception.code, CAUSE_LOAD_ACCESS);
    w.access = TN_ACCESS_FETCH;
    assert_int_equal(riscv_walk(&h->t, &h->c->head, &w), -EFAULT);
    assert_int_equal(w.exception.code, CAUSE_FETCH_ACCESS);
    hart_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pmp_agrees_with_the_model),
        cmocka_unit_test(pmp_all_of_memory),
        cmocka_unit_test(walks_agree_with_the_model),
        cmocka_unit_test(accessed_and_dirty),
        cmocka_unit_test(superpage_and_napot_sizes),
        cmocka_unit_test(sv32),
        cmocka_unit_test(tables_are_protected_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
