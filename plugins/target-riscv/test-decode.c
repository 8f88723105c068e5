/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pattern tables: every row is well formed and can be reached, no word
 * has two meanings, and the index finds what the tables say.
 */
#include "test-riscv.h"

static const char *const models[] = {"max", "rv64", "rva20", "rv32"};
#define N_TEST_MODELS (sizeof models / sizeof models[0])

#define FOR_EACH_ROW(p)                                                        \
    for (uint32_t k_ = 0; k_ < n_riscv_pattern_tables; k_++)                   \
        for (const struct riscv_pattern *p = riscv_pattern_tables[k_];         \
             p->bits; p++)

/* A hint is a case of another instruction that does less. */
static uint32_t is_hint(const struct riscv_pattern *p)
{
    return p->emit == emit_nop || p->emit == emit_pause;
}

static uint32_t exists(const struct riscv_target *t,
                       const struct riscv_pattern *p)
{
    return has(t, p->needs) && (!p->xlen || p->xlen == t->xlen);
}

static void rows_are_well_formed(void **state)
{
    (void)state;
    FOR_EACH_ROW(p)
    {
        struct riscv_match m;
        uint32_t n = riscv_parse_pattern(p, &m);

        if (n == 32)
            assert_int_equal(m.match & m.mask & 3, 3);
        else if (n != 16 || (m.mask & 3) != 3 || (m.match & 3) == 3)
            fail_msg("%s: %s", p->name, p->bits);
        if (m.match & ~m.mask || p->format >= N_FORMATS || !p->emit)
            fail_msg("%s", p->name);
    }
}

/* Random operands for a row. */
static uint32_t sample(const struct riscv_match *m, uint64_t *seed)
{
    for (;;) {
        uint32_t bits = (uint32_t)test_random(seed);
        uint32_t wide = (m->match & 3) == 3;

        bits = (bits & ~m->mask) | m->match;
        if (!wide)
            bits &= 0xffff;
        if (riscv_matches(m, bits))
            return bits;
    }
}

static void rows_are_reachable(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (uint32_t k = 0; k < N_TEST_MODELS; k++) {
        struct hart *h = hart_new(models[k]);
        FOR_EACH_ROW(p)
        {
            struct riscv_match m;
            const struct riscv_pattern *found = NULL;

            if (!exists(&h->t, p))
                continue;
            riscv_parse_pattern(p, &m);
            for (uint32_t n = 0; n < 8; n++) {
                uint32_t bits = sample(&m, &seed);
                found = riscv_lookup(&h->t, bits);
                if (found != p && !(found && is_hint(found)))
                    fail_msg("%#x is %s, found as %s", bits, p->name,
                             found ? found->name : "nothing");
            }
        }
        hart_free(h);
    }
}

/* Can a word be both? Constraints are looked at only where they exclude. */
static uint32_t overlap(const struct riscv_match *a,
                        const struct riscv_match *b)
{
    if ((a->match ^ b->match) & a->mask & b->mask)
        return 0;
    if (a->nonzero && !(a->nonzero & ~b->mask) && !(b->match & a->nonzero))
        return 0;
    if (b->nonzero && !(b->nonzero & ~a->mask) && !(a->match & b->nonzero))
        return 0;
    return 1;
}

static void wide_rows_do_not_overlap(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < N_TEST_MODELS; k++) {
        struct hart *h = hart_new(models[k]);
        struct riscv_match rows[512];
        uint32_t n = 0;

        FOR_EACH_ROW(p)
        if (exists(&h->t, p) && riscv_parse_pattern(p, &rows[n]) == 32) {
            n++;
            assert_true(n < 512);
        }
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = i + 1; j < n; j++)
                if (overlap(&rows[i], &rows[j]) && !is_hint(rows[i].pattern))
                    fail_msg("%s and %s", rows[i].pattern->name,
                             rows[j].pattern->name);
        hart_free(h);
    }
}

static void halfwords_have_one_meaning(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < N_TEST_MODELS; k++) {
        struct hart *h = hart_new(models[k]);
        struct riscv_match rows[64];
        uint32_t n = 0;

        for (const struct riscv_pattern *p = riscv_patterns_compressed; p->bits;
             p++)
            if (exists(&h->t, p))
                riscv_parse_pattern(p, &rows[n++]);
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            const struct riscv_pattern *only = NULL;
            if ((bits & 3) == 3)
                continue;
            for (uint32_t i = 0; i < n; i++) {
                if (!riscv_matches(&rows[i], bits))
                    continue;
                if (only)
                    fail_msg("%#x: %s and %s", bits, only->name,
                             rows[i].pattern->name);
                only = rows[i].pattern;
            }
            assert_ptr_equal(riscv_lookup(&h->t, bits), only);
        }
        assert_null(riscv_lookup(&h->t, 0));
        hart_free(h);
    }
}

static void index_agrees_with_tables(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (uint32_t k = 0; k < N_TEST_MODELS; k++) {
        struct hart *h = hart_new(models[k]);
        for (uint32_t n = 0; n < 4000; n++) {
            uint32_t bits = (uint32_t)test_random(&seed) | 3;
            assert_ptr_equal(riscv_lookup(&h->t, bits),
                             riscv_lookup_slow(&h->t, bits));
        }
        FOR_EACH_ROW(p)
        {
            /* A row with one bit changed is a near miss or another row. */
            struct riscv_match m;
            uint32_t bits;
            if (riscv_parse_pattern(p, &m) != 32)
                continue;
            bits = (sample(&m, &seed) ^ 4u << test_random(&seed) % 30);
            assert_ptr_equal(riscv_lookup(&h->t, bits),
                             riscv_lookup_slow(&h->t, bits));
        }
        hart_free(h);
    }
}

/* Encodings as the GNU assembler makes them. */
static const struct {
    uint32_t bits;
    const char *name;
    uint8_t rd, rs1, rs2;
    int32_t imm;
} known_words[] = {
    {0xfff58513, "addi", 10, 11, 0, -1},
    {0xfeb52c23, "sw", 0, 10, 11, -8},
    {0xfe0506e3, "beq", 0, 10, 0, -20},
    {0xff5ff0ef, "jal", 1, 0, 0, -12},
    {0x800000b7, "lui", 1, 0, 0, INT32_MIN},
    {0x03f51513, "slli", 10, 10, 0, 63},
    {0x7139, "c.addi16sp", 2, 2, 0, -64},
    {0x0808, "c.addi4spn", 10, 2, 0, 16},
    {0x557d, "c.li", 10, 0, 0, -1},
    {0x757d, "c.lui", 10, 0, 0, -4096},
    {0x4508, "c.lw", 10, 10, 0, 8},
    {0x6508, "c.ld", 10, 10, 0, 8},
    {0xe50c, "c.sd", 0, 10, 11, 8},
    {0x4522, "c.lwsp", 10, 2, 0, 8},
    {0x70a2, "c.ldsp", 1, 2, 0, 40},
    {0xf406, "c.sdsp", 0, 2, 1, 40},
    {0xc602, "c.swsp", 0, 2, 0, 12},
    {0x8d8d, "c.sub", 11, 11, 11, 0},
    {0xbfc5, "c.j", 0, 0, 0, -16},
    {0xd965, "c.beqz", 0, 10, 0, -16},
    {0x157d, "c.addi", 10, 10, 31, -1},
    {0x8082, "c.jr", 0, 1, 0, 0},
    {0x852e, "c.mv", 10, 0, 11, 0},
};

static void known_words_have_their_operands(void **state)
{
    struct hart *h = hart_new("rv64");

    (void)state;
    for (size_t n = 0; n < sizeof known_words / sizeof known_words[0]; n++) {
        uint32_t bits = known_words[n].bits;
        const struct riscv_pattern *p = riscv_lookup(&h->t, bits);
        struct insn i = {.bits = bits};

        assert_non_null(p);
        assert_string_equal(p->name, known_words[n].name);
        riscv_operands(&h->t, p->format, bits, &i);
        if (p->format != FMT_S && p->format != FMT_B)
            assert_int_equal(i.rd, known_words[n].rd);
        if (p->format != FMT_U && p->format != FMT_J)
            assert_int_equal(i.rs1, known_words[n].rs1);
        assert_int_equal(i.imm, known_words[n].imm);
    }
    hart_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_well_formed),
        cmocka_unit_test(rows_are_reachable),
        cmocka_unit_test(wide_rows_do_not_overlap),
        cmocka_unit_test(halfwords_have_one_meaning),
        cmocka_unit_test(index_agrees_with_tables),
        cmocka_unit_test(known_words_have_their_operands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
