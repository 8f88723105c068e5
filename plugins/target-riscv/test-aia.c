/* SPDX-License-Identifier: Apache-2.0 */
/* CSRs of Smaia and Ssaia, with an interrupt controller of one number. */
#include "test-riscv.h"

#include "csr.h"

#define SEI 9u
#define SSI 1u

/* A file of each level: what is pending, what was written. */
struct files {
    uint32_t top, next_top, claimed, number, bits;
    uint64_t value, mask;
};

static uint32_t has_level(void *self, uint32_t level)
{
    (void)self;
    return level == TN_RISCV_S || level == TN_RISCV_M;
}

static uint64_t file_read(void *self, uint32_t hart, uint32_t level,
                          uint32_t number, uint32_t bits)
{
    (void)self, (void)hart, (void)bits;
    return level << 16 | number;
}

static void file_write(void *self, uint32_t hart, uint32_t level,
                       uint32_t number, uint32_t bits, uint64_t value,
                       uint64_t mask)
{
    struct files *f = self;

    (void)hart, (void)level;
    f->number = number;
    f->bits = bits;
    f->value = value;
    f->mask = mask;
}

/* Another interrupt comes after each look. */
static uint32_t file_top(void *self, uint32_t hart, uint32_t level)
{
    struct files *f = self;
    uint32_t top = f->top;

    (void)hart, (void)level;
    f->top = f->next_top;
    return top;
}

static void file_claim(void *self, uint32_t hart, uint32_t level,
                       uint32_t identity)
{
    (void)hart, (void)level;
    ((struct files *)self)->claimed = identity;
}

static const struct tn_riscv_imsic imsic = {
    .size = sizeof imsic,
    .has_level = has_level,
    .read = file_read,
    .write = file_write,
    .top = file_top,
    .claim = file_claim,
};

static struct hart *aia_hart(void)
{
    struct hart *h = hart_new("max");

    assert_true(has(&h->t, HAS(SMAIA) | HAS(SSAIA)));
    return h;
}

static uint64_t get(struct hart *h, const char *name)
{
    uint64_t value = 0;
    uint32_t n;

    assert_int_equal(riscv_read_reg(&h->t, &h->c->head, name, &value, &n), 0);
    return value;
}

static void put(struct hart *h, const char *name, uint64_t value)
{
    assert_int_equal(riscv_write_reg(&h->t, &h->c->head, name, &value, 8), 0);
}

/* As an instruction does: 1 if the access raised. */
static uint32_t access(struct hart *h, const char *name, uint32_t op,
                       uint64_t source, uint64_t *old)
{
    uint32_t number = (uint32_t)csr_number(&h->t, name);

    if (setjmp(h->unwind))
        return 1;
    *old = riscv_helpers[HELPER_CSR].fn(&h->c->head, number | op << 12, source,
                                        0x12345678, 0);
    return 0;
}

static void without_the_extension_nothing_is_there(void **state)
{
    static const char *const names[] = {"mtopi",    "stopi", "mtopei",
                                        "stopei",   "mireg", "sireg",
                                        "miselect", "mvien", "siselect"};
    struct hart *h = hart_new("rv64");

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(csr_number(&h->t, names[i]), -1);
    assert_int_equal(riscv_harts.attach_imsic(&h->t, &imsic, NULL), -ENOTSUP);
    hart_free(h);
}

static void harts_have_one_controller(void **state)
{
    struct hart *h = aia_hart();
    struct tn_riscv_imsic old = imsic;

    (void)state;
    old.size = offsetof(struct tn_riscv_imsic, claim);
    assert_int_equal(riscv_harts.attach_imsic(&h->t, &old, NULL), -ENOTSUP);
    assert_int_equal(riscv_harts.attach_imsic(&h->t, &imsic, NULL), 0);
    assert_int_equal(riscv_harts.attach_imsic(&h->t, &imsic, NULL), -EBUSY);
    riscv_harts.detach_imsic(&h->t);
    assert_int_equal(riscv_harts.attach_imsic(&h->t, &imsic, NULL), 0);
    hart_free(h);
}

static void selected_registers_exist(void **state)
{
    static const struct {
        uint32_t select, without, with;
    } rows[] = {{0x00, 1, 1}, {0x2f, 1, 1}, {0x30, 0, 0}, {0x31, 1, 1},
                {0x3e, 0, 0}, {0x40, 1, 1}, {0x6f, 1, 1}, {0x70, 1, 0},
                {0x71, 1, 0}, {0x72, 1, 0}, {0x80, 1, 0}, {0x81, 1, 1},
                {0xfe, 1, 0}, {0xff, 1, 1}, {0x100, 1, 1}};
    struct hart *h = aia_hart();
    struct files f = {0};
    uint64_t old;

    (void)state;
    for (uint32_t with = 0; with < 2; with++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            put(h, "miselect", rows[i].select);
            if (access(h, "mireg", CSR_OP_READ, 0, &old) !=
                (with ? rows[i].with : rows[i].without))
                fail_msg("%#x", rows[i].select);
        }
        assert_int_equal(access(h, "stopei", CSR_OP_READ, 0, &old), !with);
        assert_int_equal(riscv_harts.attach_imsic(&h->t, &imsic, &f),
                         with ? -EBUSY : 0);
    }
    put(h, "siselect", 0x82);
    assert_int_equal(access(h, "sireg", CSR_OP_READ, 0, &old), 0);
    assert_int_equal(old, TN_RISCV_S << 16 | 0x82);
    /* csrs: only the bits that are set. */
    access(h, "sireg", CSR_OP_READ | CSR_OP_WRITE | 1u << 2, 0x100, &old);
    assert_int_equal(f.mask, 0x100);
    assert_int_equal(f.value & 0x100, 0x100);
    assert_int_equal(f.bits, 64);
    hart_free(h);
}

static void a_claim_is_of_what_was_read(void **state)
{
    struct hart *h = aia_hart();
    struct files f = {.top = 7u << 16 | 7, .next_top = 3u << 16 | 3};
    uint64_t old;

    (void)state;
    riscv_harts.attach_imsic(&h->t, &imsic, &f);
    assert_int_equal(
        access(h, "stopei", CSR_OP_READ | CSR_OP_WRITE, 0, &old), 0);
    assert_int_equal(old, 7u << 16 | 7);
    assert_int_equal(f.claimed, 7);
    /* A write alone claims what is there now. */
    assert_int_equal(access(h, "mtopei", CSR_OP_WRITE, 99, &old), 0);
    assert_int_equal(f.claimed, 3);
    /* Nothing was read: nothing is claimed, though it comes. */
    f.top = f.claimed = 0;
    access(h, "stopei", CSR_OP_READ | CSR_OP_WRITE, 0, &old);
    assert_int_equal(f.claimed, 0);
    hart_free(h);
}

static void the_machine_takes_the_file_away(void **state)
{
    struct hart *h = aia_hart();
    struct files f = {0};
    uint64_t old;

    (void)state;
    riscv_harts.attach_imsic(&h->t, &imsic, &f);
    put(h, "mvien", 1u << SEI);
    put(h, "siselect", 0x70);
    h->c->priv = PRIV_S;
    assert_int_equal(access(h, "stopei", CSR_OP_READ, 0, &old), 1);
    assert_int_equal(access(h, "sireg", CSR_OP_READ, 0, &old), 1);
    put(h, "siselect", 0x30);
    assert_int_equal(access(h, "sireg", CSR_OP_READ, 0, &old), 0);
    h->c->priv = PRIV_M;
    assert_int_equal(access(h, "stopei", CSR_OP_READ, 0, &old), 0);
    hart_free(h);
}

static void top_interrupts_follow_delegation(void **state)
{
    struct hart *h = aia_hart();

    (void)state;
    put(h, "mideleg", MIP_S);
    put(h, "mie", MIP_S | MIP_M);
    assert_int_equal(get(h, "mtopi"), 0);
    assert_int_equal(get(h, "stopi"), 0);
    put(h, "mip", MIP_SSIP | MIP_STIP);
    assert_int_equal(get(h, "stopi"), 1u << 16 | 1);
    put(h, "mip", MIP_STIP);
    assert_int_equal(get(h, "stopi"), 5u << 16 | 1);
    assert_int_equal(get(h, "mtopi"), 0);
    put(h, "mideleg", 0);
    assert_int_equal(get(h, "stopi"), 0);
    assert_int_equal(get(h, "mtopi"), 5u << 16 | 1);
    riscv_set_line(&h->t, &h->c->head, 2, 1); /* mei */
    assert_int_equal(get(h, "mtopi"), 11u << 16 | 1);
    put(h, "mie", MIP_STIP);
    assert_int_equal(get(h, "mtopi"), 5u << 16 | 1);
    hart_free(h);
}

static void virtual_interrupts_reach_the_supervisor(void **state)
{
    struct hart *h = aia_hart();

    (void)state;
    put(h, "mie", MIP_SSIP);
    put(h, "mvien", UINT64_MAX);
    assert_int_equal(get(h, "mvien"), 1u << SEI | 1u << SSI);
    assert_int_equal(get(h, "sie"), 0);
    put(h, "sie", UINT64_MAX);
    assert_int_equal(get(h, "sie"), 1u << SEI | 1u << SSI);
    assert_int_equal(get(h, "mie"), MIP_SSIP);
    put(h, "mvip", UINT64_MAX);
    assert_int_equal(get(h, "sip"), 1u << SEI | 1u << SSI);
    assert_int_equal(get(h, "mip") & (MIP_SEIP | MIP_SSIP), 0);
    assert_int_equal(get(h, "stopi"), SEI << 16 | 1);
    assert_int_equal(get(h, "mtopi"), 0);
    h->c->priv = PRIV_S;
    h->c->stvec = 0x1000;
    assert_int_equal(riscv_irq_pending(&h->t, &h->c->head), TN_IRQ_WAKE);
    h->c->mstatus |= MSTATUS_SIE;
    assert_int_equal(riscv_irq_pending(&h->t, &h->c->head),
                     TN_IRQ_WAKE | TN_IRQ_TAKE);
    riscv_take_irq(&h->t, &h->c->head);
    assert_int_equal(h->c->scause, 1ull << 63 | SEI);
    assert_int_equal(h->c->priv, PRIV_S);
    assert_int_equal(h->c->pc, 0x1000);
    put(h, "sip", 0); /* an alias of mvip */
    assert_int_equal(get(h, "mvip") & (MIP_SEIP | MIP_SSIP), 0);
    assert_int_equal(get(h, "stopi"), 0);
    hart_free(h);
}

static void mvip_is_mip_where_it_is_not_virtual(void **state)
{
    struct hart *h = aia_hart();

    (void)state;
    put(h, "mvip", UINT64_MAX);
    assert_int_equal(get(h, "mip"), MIP_SSIP | MIP_STIP | MIP_SEIP);
    put(h, "mip", 0);
    assert_int_equal(get(h, "mvip"), 0);
    /* The input's level is mip's alone. */
    riscv_set_line(&h->t, &h->c->head, 3, 1);
    assert_int_equal(get(h, "mvip"), 0);
    assert_int_equal(get(h, "mip"), MIP_SEIP);
    put(h, "menvcfg", ENVCFG_STCE);
    put(h, "mvip", UINT64_MAX);
    assert_int_equal(get(h, "mvip"), MIP_SSIP | MIP_SEIP);
    /* mvien.SEIP keeps the bit but takes it out of mip. */
    riscv_set_line(&h->t, &h->c->head, 3, 0);
    put(h, "mvien", MIP_SEIP);
    assert_int_equal(get(h, "mvip") & MIP_SEIP, MIP_SEIP);
    assert_int_equal(get(h, "mip") & MIP_SEIP, 0);
    put(h, "mip", 0);
    assert_int_equal(get(h, "mvip") & MIP_SEIP, MIP_SEIP);
    hart_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_extension_nothing_is_there),
        cmocka_unit_test(harts_have_one_controller),
        cmocka_unit_test(selected_registers_exist),
        cmocka_unit_test(a_claim_is_of_what_was_read),
        cmocka_unit_test(the_machine_takes_the_file_away),
        cmocka_unit_test(top_interrupts_follow_delegation),
        cmocka_unit_test(virtual_interrupts_reach_the_supervisor),
        cmocka_unit_test(mvip_is_mip_where_it_is_not_virtual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
