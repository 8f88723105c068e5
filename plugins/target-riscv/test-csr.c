/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSRs: which there are and who may use them, and that every write leaves a
 * legal value (WARL).
 */
#include <time.h>

#include "test-riscv.h"

#include "pmp.h"

static uint64_t get(struct hart *h, const char *name)
{
    uint64_t value = 0;
    uint32_t n;

    assert_int_equal(
        riscv_read_reg(&h->t, &h->c->head, name, &value, &n), 0);
    return value;
}

static void put(struct hart *h, const char *name, uint64_t value)
{
    assert_int_equal(riscv_write_reg(&h->t, &h->c->head, name, &value, 8), 0);
}

/* As an instruction does: 1 if the access raised. */
static uint32_t access(struct hart *h, uint32_t number, uint32_t op,
                       uint64_t source, uint64_t *old)
{
    if (setjmp(h->unwind))
        return 1;
    *old = riscv_helpers[HELPER_CSR].fn(&h->c->head, number | op << 12, source,
                                        0x12345678, 0);
    return 0;
}

static void numbers_exist_by_feature(void **state)
{
    static const struct {
        const char *model;
        uint32_t number, there;
    } rows[] = {
        {"rv64", 0x300, 1}, {"rv64", 0x310, 0}, {"rv32", 0x310, 1},
        {"rv64", 0x3a0, 1}, {"rv64", 0x3a1, 0}, {"rv32", 0x3a1, 1},
        {"rv64", 0x3a4, 0}, {"rv64", 0x3bf, 1}, {"rv64", 0x3c0, 0},
        {"rv64", 0x14d, 1}, {"rva20", 0x14d, 0}, {"rv32", 0x15d, 1},
        {"rv64", 0x15d, 0}, {"rv64", 0xc80, 0}, {"rv32", 0xc80, 1},
        {"rva20", 0xc03, 0}, {"rv64", 0xc1f, 1}, {"rv64", 0x7a0, 0},
        {"rv64", 0x31a, 0}, {"rv32", 0x31a, 1}, {"rv64", 0x000, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hart *h = hart_new(rows[i].model);
        if ((csr_find(&h->t, rows[i].number) != NULL) != rows[i].there)
            fail_msg("%s %#x", rows[i].model, rows[i].number);
        hart_free(h);
    }
}

/* Each row's name finds its number, and no number is in two rows. */
static void names_and_numbers(void **state)
{
    struct hart *h = hart_new("max");

    (void)state;
    for (uint32_t i = 0; i < n_riscv_csrs; i++)
        for (uint32_t k = i + 1; k < n_riscv_csrs; k++) {
            const struct riscv_csr *a = &riscv_csrs[i], *b = &riscv_csrs[k];
            if (a->number < b->number + b->count &&
                b->number < a->number + a->count)
                fail_msg("%s and %s", a->name, b->name);
        }
    assert_int_equal(csr_number(&h->t, "mstatus"), 0x300);
    assert_int_equal(csr_number(&h->t, "pmpaddr15"), 0x3bf);
    assert_int_equal(csr_number(&h->t, "mhpmcounter3"), 0xb03);
    assert_int_equal(csr_number(&h->t, "hpmcounter31"), 0xc1f);
    assert_int_equal(csr_number(&h->t, "pmpaddr16"), -1);
    hart_free(h);
}

static void status_is_warl(void **state)
{
    struct hart *h = hart_new("rv64");

    (void)state;
    put(h, "mstatus", UINT64_MAX);
    assert_int_equal(get(h, "mstatus"), 0x8000000a007e79aaull);
    put(h, "mstatus", 0x1000); /* MPP 2 is no mode: kept */
    assert_int_equal(get(h, "mstatus") & MSTATUS_MPP, MSTATUS_MPP);
    put(h, "mstatus", 0);
    assert_int_equal(get(h, "mstatus"), 0xa00000000ull);
    put(h, "sstatus", UINT64_MAX);
    assert_int_equal(get(h, "sstatus"), 0x80000002000c6122ull);
    assert_int_equal(get(h, "mstatus"), 0x8000000a000c6122ull);
    hart_free(h);
    h = hart_new("rv32");
    put(h, "mstatus", UINT32_MAX);
    assert_int_equal(get(h, "mstatus"), 0x807e79aa);
    hart_free(h);
}

static void trap_registers_are_warl(void **state)
{
    struct hart *h = hart_new("rv64");

    (void)state;
    put(h, "mtvec", 0x80000001);
    put(h, "mtvec", 0x90000002);
    assert_int_equal(get(h, "mtvec"), 0x80000001);
    put(h, "sepc", 0x1003);
    assert_int_equal(get(h, "sepc"), 0x1002);
    put(h, "medeleg", UINT64_MAX);
    assert_int_equal(get(h, "medeleg"), 0xb3ff);
    put(h, "mideleg", UINT64_MAX);
    assert_int_equal(get(h, "mideleg"), 0x222);
    put(h, "mie", UINT64_MAX);
    assert_int_equal(get(h, "mie"), 0xaaa);
    assert_int_equal(get(h, "sie"), 0x222);
    put(h, "sie", 0);
    assert_int_equal(get(h, "mie"), 0x888);
    hart_free(h);
}

static void satp_takes_known_modes_only(void **state)
{
    struct hart *h = hart_new("rva20");

    (void)state;
    put(h, "satp", 8ull << 60 | 5);
    put(h, "satp", 9ull << 60 | 6); /* Sv48 is not there */
    assert_int_equal(get(h, "satp"), 8ull << 60 | 5);
    put(h, "satp", 2ull << 60);
    assert_int_equal(get(h, "satp"), 8ull << 60 | 5);
    put(h, "satp", 0);
    assert_int_equal(get(h, "satp"), 0);
    hart_free(h);
}

static void pmp_locks_hold(void **state)
{
    struct hart *h = hart_new("rv64");

    (void)state;
    put(h, "pmpaddr0", 0x1000);
    put(h, "pmpaddr1", 0x2000);
    put(h, "pmpcfg0", (PMP_L | PMP_A_TOR | PMP_R) << 8 | PMP_W);
    assert_int_equal(get(h, "pmpcfg0"), (PMP_L | PMP_A_TOR | PMP_R) << 8);
    put(h, "pmpaddr0", 1); /* the locked range starts here */
    put(h, "pmpaddr1", 1);
    put(h, "pmpcfg0", 0);
    assert_int_equal(get(h, "pmpaddr0"), 0x1000);
    assert_int_equal(get(h, "pmpaddr1"), 0x2000);
    assert_int_equal(get(h, "pmpcfg0"), (PMP_L | PMP_A_TOR | PMP_R) << 8);
    put(h, "pmpaddr2", UINT64_MAX);
    assert_int_equal(get(h, "pmpaddr2"), (1ull << 54) - 1);
    assert_true(h->flushes > 0);
    hart_free(h);
}

static void counters_need_permission(void **state)
{
    struct hart *h = hart_new("rv64");
    uint64_t old;

    (void)state;
    h->c->priv = PRIV_U;
    assert_true(access(h, CSR_TIME, CSR_OP_READ, 0, &old));
    assert_int_equal(h->raised.code, CAUSE_ILLEGAL);
    assert_int_equal(h->raised.value, 0x12345678);
    h->c->mcounteren = 2;
    assert_true(access(h, CSR_TIME, CSR_OP_READ, 0, &old));
    h->c->scounteren = 2;
    assert_false(access(h, CSR_TIME, CSR_OP_READ, 0, &old));
    assert_true(access(h, CSR_CYCLE, CSR_OP_READ, 0, &old));
    h->c->priv = PRIV_S;
    assert_true(access(h, 0x14d, CSR_OP_READ, 0, &old));
    h->c->menvcfg |= ENVCFG_STCE;
    assert_false(access(h, 0x14d, CSR_OP_READ, 0, &old));
    assert_false(access(h, CSR_SATP, CSR_OP_READ, 0, &old));
    h->c->mstatus |= MSTATUS_TVM;
    assert_true(access(h, CSR_SATP, CSR_OP_READ, 0, &old));
    hart_free(h);
}

/* Setting SEIP by software does not take the input's level over. */
static void instret_counts_work(void **state)
{
    struct hart *h = hart_new("rv64");
    const struct timespec nap = {.tv_nsec = 300000000};
    uint64_t start, done;

    (void)state;
    put(h, "minstret", 77);
    riscv_counters_resume(h->c);
    start = get(h, "minstret");
    assert_true(start >= 77);
    nanosleep(&nap, NULL);
    assert_true(get(h, "minstret") - start < 200000000);
    for (done = start; done - start < 1000000; done = get(h, "minstret"))
        assert_true(done >= start);
    put(h, "mcountinhibit", 4);
    done = get(h, "minstret");
    assert_int_equal(get(h, "minstret"), done);
    put(h, "mcountinhibit", 0);
    assert_true(get(h, "minstret") >= done);
    hart_free(h);
}

static void pending_bits(void **state)
{
    struct hart *h = hart_new("rva20");
    uint64_t old;

    (void)state;
    riscv_set_line(&h->t, &h->c->head, 3, 1); /* sei */
    assert_int_equal(get(h, "mip"), MIP_SEIP);
    assert_false(access(h, 0x344, CSR_OP_READ | CSR_OP_WRITE | 1 << 2,
                        MIP_STIP, &old));
    assert_int_equal(old, MIP_SEIP);
    riscv_set_line(&h->t, &h->c->head, 3, 0);
    assert_int_equal(get(h, "mip"), MIP_STIP);
    put(h, "mideleg", 0x222);
    h->c->priv = PRIV_S;
    assert_false(access(h, 0x144, CSR_OP_READ | CSR_OP_WRITE, MIP_SSIP, &old));
    assert_int_equal(get(h, "mip"), MIP_STIP | MIP_SSIP);
    hart_free(h);
}

static void interrupts_by_delegation(void **state)
{
    struct hart *h = hart_new("rv64");
    struct tn_cpu *cpu = &h->c->head;

    (void)state;
    put(h, "mideleg", 0x222);
    put(h, "mie", 0xaaa);
    riscv_set_line(&h->t, cpu, 3, 1); /* sei */
    assert_int_equal(riscv_irq_pending(&h->t, cpu), TN_IRQ_WAKE);
    h->c->mstatus |= MSTATUS_MIE; /* not for delegated ones in M */
    assert_int_equal(riscv_irq_pending(&h->t, cpu), TN_IRQ_WAKE);
    h->c->priv = PRIV_S;
    assert_int_equal(riscv_irq_pending(&h->t, cpu), TN_IRQ_WAKE);
    h->c->mstatus |= MSTATUS_SIE;
    assert_int_equal(riscv_irq_pending(&h->t, cpu),
                     TN_IRQ_WAKE | TN_IRQ_TAKE);
    h->c->stvec = 0x1001;
    h->c->pc = 0x2000;
    riscv_set_line(&h->t, cpu, 1, 1); /* mti comes first */
    h->c->mtvec = 0x3000;
    riscv_take_irq(&h->t, cpu);
    assert_int_equal(h->c->pc, 0x3000);
    assert_int_equal(h->c->mcause, 1ull << 63 | 7);
    assert_int_equal(h->c->priv, PRIV_M);
    h->c->priv = PRIV_S;
    h->c->mstatus |= MSTATUS_SIE;
    riscv_set_line(&h->t, cpu, 1, 0);
    riscv_take_irq(&h->t, cpu);
    assert_int_equal(h->c->pc, 0x1000 + 4 * 9);
    assert_int_equal(h->c->scause, 1ull << 63 | 9);
    assert_int_equal(h->c->mstatus & (MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE),
                     MSTATUS_SPP | MSTATUS_SPIE);
    hart_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_exist_by_feature),
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(status_is_warl),
        cmocka_unit_test(trap_registers_are_warl),
        cmocka_unit_test(satp_takes_known_modes_only),
        cmocka_unit_test(pmp_locks_hold),
        cmocka_unit_test(counters_need_permission),
        cmocka_unit_test(instret_counts_work),
        cmocka_unit_test(pending_bits),
        cmocka_unit_test(interrupts_by_delegation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
