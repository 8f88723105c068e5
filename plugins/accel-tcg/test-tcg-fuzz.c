/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random units, run by accel-tcg and by the evaluator of common/ir: every
 * guest register, memory and the exception must agree. Arguments: number of
 * units, first seed.
 */
#include "test-fuzz.h"

#include <stdlib.h>
#include <string.h>

static struct tn_ir_unit unit;

static int32_t decode_unit(struct frame *f, struct tn_decode *d)
{
    uint8_t code[2];

    (void)f;
    if (d->fetch(d->opaque, d->pc, 2, code) < 0)
        return -14;
    memcpy(d->unit->ops, unit.ops, unit.n_ops * sizeof *unit.ops);
    d->unit->n_ops = unit.n_ops;
    d->unit->n_labels = unit.n_labels;
    d->unit->n_locals = unit.n_locals;
    d->unit->n_insns = unit.n_insns;
    d->unit->n_bytes = unit.n_bytes;
    memcpy(d->unit->local_type, unit.local_type, sizeof unit.local_type);
    return 0;
}

static bool differs(const struct frame *f, const struct oracle *o)
{
    const struct test_state *s = f->state;
    bool bad = false;

    for (uint32_t i = 0; i < N_INT; i++)
        if (s->x[i] != o->s.x[i]) {
            printf("x%u = %llx, should be %llx\n", i,
                   (unsigned long long)s->x[i],
                   (unsigned long long)o->s.x[i]);
            bad = true;
        }
    for (uint32_t i = 0; i < N_FP; i++)
        if (s->f[i] != o->s.f[i]) {
            printf("f%u = %llx, should be %llx\n", i,
                   (unsigned long long)s->f[i],
                   (unsigned long long)o->s.f[i]);
            bad = true;
        }
    if (s->i32 != o->s.i32 || s->i16 != o->s.i16 || s->i8 != o->s.i8 ||
        s->flag != o->s.flag || s->vol != o->s.vol ||
        s->wide[0] != o->s.wide[0] || s->wide[1] != o->s.wide[1]) {
        printf("a narrow, wide or volatile register differs\n");
        bad = true;
    }
    if (s->cpu.fp_flags != o->s.cpu.fp_flags) {
        printf("flags %x, should be %x\n", s->cpu.fp_flags,
               o->s.cpu.fp_flags);
        bad = true;
    }
    if (f->exception.code != o->code || f->exception.value != o->value ||
        f->exception.pc != o->pc) {
        printf("exception %x %llx at %llx, should be %x %llx at %llx\n",
               f->exception.code, (unsigned long long)f->exception.value,
               (unsigned long long)f->exception.pc, o->code,
               (unsigned long long)o->value, (unsigned long long)o->pc);
        bad = true;
    }
    for (uint32_t i = 0; i < DATA_BYTES; i++)
        if (f->ram[DATA + i] != o->data[i]) {
            printf("memory at %x differs\n", i);
            return true;
        }
    return bad;
}

static void randomize(struct frame *f, struct oracle *o)
{
    struct test_state *s = f->state;

    for (uint32_t i = 0; i < N_INT; i++)
        s->x[i] = interesting();
    for (uint32_t i = 0; i < N_FP; i++)
        s->f[i] = below(2) ? interesting()
                           : below(2) ? 0xffffffff00000000ull | interesting()
                                      : 0x3fe0000000000000ull + (rnd() >> 4);
    s->i32 = (uint32_t)rnd();
    s->i16 = (uint16_t)rnd();
    s->i8 = (uint8_t)rnd();
    s->flag = rnd() & 1;
    s->wide[0] = rnd();
    s->wide[1] = rnd();
    s->vol = rnd();
    s->cpu.fp_flags = below(32);
    s->cpu.fp_rm = below(2) ? 0 : below(5);
    s->cpu.accel_hot[HOT_RES_ADDR] = UINT64_MAX;
    o->res_addr = UINT64_MAX;
    for (uint32_t i = 0; i < DATA_BYTES; i += 8) {
        uint64_t v = rnd();

        memcpy(&o->data[i], &v, 8);
    }
    memcpy(f->ram + DATA, o->data, DATA_BYTES);
    o->s = *s;
}

static uint64_t n_units = 20000, first_seed = 1;

static void random_units_agree_with_the_evaluator(void **state)
{
    static struct test_page pages[] = {
        {CODE, CODE, 7},
        {DATA, DATA, 3},
        {DATA + 0x1000, DATA + 0x1000, 3},
        {DATA + 0x3000, DATA + 0x3000, 1},
    };
    static struct oracle o;
    static struct ir_value values[MAX_OPS];
    struct frame *f = frame_new();

    (void)state;
    f->decode = decode_unit;
    f->pages = pages;
    f->n_pages = 4;
    frame_start(f);
    unit.ops = calloc(MAX_OPS, sizeof *unit.ops);
    o.v = values;
    ir_fp_init(&o.fp, f->accel ? tcg_cpu_of(f->cpu)->tcg->info : NULL);
    for (uint64_t n = 0; n < n_units; n++) {
        struct tn_ir_op *ops = unit.ops;

        seed_random(first_seed + n);
        memset(&unit, 0, sizeof unit);
        unit.size = sizeof unit;
        unit.ops = ops;
        unit.max_ops = MAX_OPS;
        unit.pc = CODE;
        make_unit(&unit);
        randomize(f, &o);
        f->accel->code_written(f->tcg, CODE, 4096);
        if (n % 64 == 0)
            f->accel->vcpu_changed(f->tcg, f->cpu);
        oracle_run(&o, &unit);
        frame_run(f, CODE);
        if (differs(f, &o)) {
            printf("seed %llu:\n", (unsigned long long)(first_seed + n));
            ir_dump(stdout, &unit, tcg_cpu_of(f->cpu)->tcg->info);
            fflush(stdout);
            fail();
        }
    }
    free(unit.ops);
    frame_free(f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_units_agree_with_the_evaluator),
    };

    if (argc > 1)
        n_units = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
