/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomics, and accesses wider than a register.
 *
 * A read-modify-write of 4 or 8 aligned bytes looks its page up as a store
 * does and is one locked instruction, or a loop around cmpxchg. LOAD_EX notes
 * the address and what was there; STORE_EX compares and swaps with that, so it
 * does not notice a store in between that left the same value. All else, and
 * what misses the TLB, is done in C.
 *
 * The operand waits in the frame, where C looks for it: the four temps are the
 * address, the host's address, rax and one more.
 */
#include "gen.h"

#define OPERAND (FRAME_ARGS + 16)
#define OPERAND2 (FRAME_ARGS + 24)

/* The locked instructions of one atomic: temps, all its own. */
struct atomic {
    uint32_t va, p, t; /* and RAX */
    bool wide;
    struct cold *cold;
};

static uint32_t w(const struct atomic *x)
{
    return x->wide ? OP_W : 0;
}

static bool fits(struct gen *g, uint32_t i, uint32_t mo)
{
    uint32_t size = mo & TN_MO_SIZE;

    return (size == TN_MO_32 || size == TN_MO_64) && !(mo & TN_MO_BIG) &&
           !g->val[i].is_wide;
}

/* Look the page up; p becomes the host's address. Operands are in the frame
 * already. */
static void begin(struct gen *g, const struct tn_ir_op *o, uint32_t mo,
                  uint32_t tag, const uint8_t *slow, uint32_t kind,
                  struct atomic *x)
{
    uint32_t bytes = TN_MO_GET_BYTES(mo);

    g->locked = 0; /* operands staged */
    claim_temp(g, RAX);
    x->va = gen_address(g, o, TN_MO_GET_DISP(mo));
    lock_reg(g, x->va);
    x->p = alloc_temp(g);
    x->t = alloc_temp(g);
    x->wide = bytes == 8;
    x->cold = add_cold(g, COLD_ATOMIC);
    x->cold->va = (uint8_t)x->va;
    x->cold->mo = mo & 0xffff;
    x->cold->extra = (int32_t)kind;
    x->cold->imm = (uint64_t)(uintptr_t)slow;
    gen_probe(g, x->cold, x->va, mo | TN_MO_ALIGN, tag, x->p, RAX);
    as_alu(&g->as, ALU_ADD, x->p, x->va, true);
}

/* The result is in RAX here, whichever way was gone. */
static void end(struct gen *g, uint32_t i, uint32_t mo, struct atomic *x)
{
    if (mo & TN_MO_SIGN && !x->wide)
        as_rr(&g->as, 0x63 | OP_W, RAX, RAX);
    x->cold->back = g->as.p;
    x->cold->reg = RAX;
    if (g->val[i].n_uses)
        def_in(g, i, RAX);
}

void gen_cold_atomic(struct gen *g, struct cold *c)
{
    uint64_t word = c->mo | (uint64_t)(uint32_t)c->extra << 32;

    for (int k = 0; k < 2; k++)
        if (c->from[k])
            as_fix(c->from[k], g->as.p);
    as_store(&g->as, frame_mem(FRAME_ARGS), c->va, true);
    as_mov_imm(&g->as, RAX, word);
    as_store(&g->as, frame_mem(FRAME_ARGS + 8), RAX, true);
    as_call_to(&g->as, to_rw(g->t, (const uint8_t *)(uintptr_t)c->imm));
    g->insn = c->insn;
    add_site(g);
    as_load(&g->as, c->reg, frame_mem(FRAME_ARGS), true);
    as_jmp_to(&g->as, c->back);
}

/* T = RAX op operand, stored if memory still is RAX, else again. */
static void cmpxchg_loop(struct gen *g, uint32_t kind, const struct atomic *x)
{
    static const uint8_t keeps_old[] = {CC_BE, CC_AE, CC_LE, CC_GE};
    uint8_t *again;

    as_load(&g->as, RAX, mem_at(x->p, 0), x->wide);
    again = g->as.p;
    if (kind >= TN_ATOMIC_MINU && kind <= TN_ATOMIC_MAXS) {
        as_load(&g->as, x->t, frame_mem(OPERAND), x->wide);
        as_alu(&g->as, ALU_CMP, RAX, x->t, x->wide);
        as_cmov(&g->as, keeps_old[kind - TN_ATOMIC_MINU], x->t, RAX, x->wide);
    } else if (kind == TN_ATOMIC_ANDN) {
        as_load(&g->as, x->t, frame_mem(OPERAND), x->wide);
        as_group3(&g->as, G3_NOT, x->t, x->wide);
        as_alu(&g->as, ALU_AND, x->t, RAX, x->wide);
    } else {
        as_mov(&g->as, x->t, RAX, x->wide);
        as_alu_load(&g->as,
                    kind == TN_ATOMIC_AND  ? ALU_AND
                    : kind == TN_ATOMIC_OR ? ALU_OR
                                           : ALU_XOR,
                    x->t, frame_mem(OPERAND), x->wide);
    }
    as_rm(&g->as, 0xb1 | OP_0F | OP_LOCK | w(x), x->t, mem_at(x->p, 0));
    as_fix(as_jcc(&g->as, CC_NE), again);
}

static void gen_rmw(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    static const uint8_t alu[] = {ALU_ADD, ALU_AND, ALU_OR, ALU_XOR};
    uint32_t kind = o->flags;
    struct mem m;
    struct atomic x;

    use_into_mem(g, o->b, frame_mem(OPERAND));
    begin(g, o, o->c, offsetof(struct tlb_entry, write), g->h->slow_atomic,
          kind, &x);
    m = mem_at(x.p, 0);
    if (kind <= TN_ATOMIC_XOR && !g->val[i].n_uses) {
        as_load(&g->as, x.t, frame_mem(OPERAND), x.wide);
        as_rm(&g->as, (uint32_t)alu[kind] << 3 | 1 | OP_LOCK | w(&x), x.t, m);
    } else if (kind == TN_ATOMIC_ADD) {
        as_load(&g->as, RAX, frame_mem(OPERAND), x.wide);
        as_rm(&g->as, 0xc1 | OP_0F | OP_LOCK | w(&x), RAX, m);
    } else if (kind == TN_ATOMIC_SWAP) {
        as_load(&g->as, RAX, frame_mem(OPERAND), x.wide);
        as_rm(&g->as, 0x87 | w(&x), RAX, m); /* locked by itself */
    } else {
        cmpxchg_loop(g, kind, &x);
    }
    end(g, i, o->c, &x);
}

static void gen_cas_inline(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t mo = o[-1].a;
    struct atomic x;

    use_into_mem(g, o->b, frame_mem(OPERAND));
    use_into_mem(g, o->c, frame_mem(OPERAND2));
    begin(g, o, mo, offsetof(struct tlb_entry, write), g->h->slow_cas, 0, &x);
    as_load(&g->as, RAX, frame_mem(OPERAND), x.wide);
    as_load(&g->as, x.t, frame_mem(OPERAND2), x.wide);
    as_rm(&g->as, 0xb1 | OP_0F | OP_LOCK | w(&x), x.t, mem_at(x.p, 0));
    end(g, i, mo, &x);
}

/* The address's low bit says 8 bytes, as tcg_load_ex() has it. */
static struct mem tagged(const struct atomic *x)
{
    return mem_at(x->va, x->wide);
}

static void gen_load_ex(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    struct atomic x;

    begin(g, o, o->c, offsetof(struct tlb_entry, read), g->h->slow_load_ex, 0,
          &x);
    as_load(&g->as, RAX, mem_at(x.p, 0), x.wide);
    as_lea(&g->as, x.t, tagged(&x), true);
    as_store(&g->as, hot_field(HOT_RES_ADDR), x.t, true);
    as_store(&g->as, hot_field(HOT_RES_VALUE), RAX, true);
    end(g, i, o->c, &x);
}

/* Moves between the compare and the jump leave the flags alone; so the jump
 * and cmpxchg agree: not equal is failure. */
static void gen_store_ex(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    struct atomic x;
    uint8_t *lost;

    use_into_mem(g, o->b, frame_mem(OPERAND));
    begin(g, o, o->c, offsetof(struct tlb_entry, write), g->h->slow_store_ex,
          0, &x);
    as_lea(&g->as, x.t, tagged(&x), true);
    as_rm(&g->as, 0x3b | OP_W, x.t, hot_field(HOT_RES_ADDR));
    as_rm(&g->as, 0xc7 | OP_W, 0, hot_field(HOT_RES_ADDR));
    put32(&g->as, UINT32_MAX);
    lost = as_jcc(&g->as, CC_NE);
    as_load(&g->as, RAX, hot_field(HOT_RES_VALUE), x.wide);
    as_load(&g->as, x.t, frame_mem(OPERAND), x.wide);
    as_rm(&g->as, 0xb1 | OP_0F | OP_LOCK | w(&x), x.t, mem_at(x.p, 0));
    as_fix(lost, g->as.p);
    as_setcc(&g->as, CC_NE, RAX);
    as_movzx8(&g->as, RAX, RAX);
    end(g, i, 0, &x);
}

/* ---- in C ---- */

/* Stage the address and MO; the function's other arguments are staged by the
 * caller. */
static void stage_address(struct gen *g, const struct tn_ir_op *o, uint32_t mo,
                          uint64_t extra)
{
    uint32_t va = gen_address(g, o, TN_MO_GET_DISP(mo)), t;
    uint64_t word = (mo & 0xffff) | extra << 32;

    as_store(&g->as, frame_mem(FRAME_ARGS), va, true);
    t = alloc_temp(g);
    as_mov_imm(&g->as, t, word);
    as_store(&g->as, frame_mem(FRAME_ARGS + 8), t, true);
    g->locked &= ~(1u << t);
}

static void call_c(struct gen *g, const void *fn)
{
    evict_all(g);
    as_mov_imm(&g->as, RAX, (uint64_t)(uintptr_t)fn);
    as_call_to(&g->as, to_rw(g->t, g->h->call));
    add_site(g);
}

static void stage_frame_pointer(struct gen *g)
{
    uint32_t t = alloc_temp(g);

    as_lea(&g->as, t, frame_mem(FRAME_EVAL), true);
    as_store(&g->as, frame_mem(FRAME_ARGS + 16), t, true);
    g->locked &= ~(1u << t);
}

static void result_from_frame(struct gen *g, uint32_t i)
{
    struct mem to = def_slot(g, i), from = frame_mem(FRAME_EVAL);

    for (int k = 0; k < 2; k++) {
        as_load(&g->as, RAX, from, true);
        as_store(&g->as, to, RAX, true);
        from.disp += 8;
        to.disp += 8;
    }
}

static void gen_cas(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    uint32_t mo = o[-1].a;

    stage_address(g, o, mo, 0);
    if (g->val[i].is_wide) {
        use_into_mem(g, o->b, frame_mem(FRAME_EVAL));
        use_into_mem(g, o->c, frame_mem(FRAME_EVAL + 16));
        stage_frame_pointer(g);
        call_c(g, (const void *)tcg_cas_wide);
        result_from_frame(g, i);
        return;
    }
    use_into_mem(g, o->b, frame_mem(FRAME_ARGS + 16));
    use_into_mem(g, o->c, frame_mem(FRAME_ARGS + 24));
    call_c(g, (const void *)tcg_cas);
    def_in(g, i, RAX);
}

static void gen_wide(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    stage_address(g, o, o->c, 0);
    if (o->op == TN_OP_STORE)
        use_into_mem(g, o->b, frame_mem(FRAME_EVAL));
    stage_frame_pointer(g);
    call_c(g, o->op == TN_OP_STORE ? (const void *)tcg_store_wide
                                   : (const void *)tcg_load_wide);
    if (o->op == TN_OP_LOAD)
        result_from_frame(g, i);
}

static void gen_atomic_call(struct gen *g, uint32_t i,
                            const struct tn_ir_op *o)
{
    static const struct {
        uint16_t op;
        const void *fn;
    } rows[] = {
        {TN_OP_ATOMIC, (const void *)tcg_atomic},
        {TN_OP_LOAD_EX, (const void *)tcg_load_ex},
        {TN_OP_STORE_EX, (const void *)tcg_store_ex},
    };

    stage_address(g, o, o->c, o->op == TN_OP_ATOMIC ? o->flags : 0);
    if (o->op != TN_OP_LOAD_EX)
        use_into_mem(g, o->b, frame_mem(OPERAND));
    for (uint32_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (rows[k].op == o->op)
            call_c(g, rows[k].fn);
    def_in(g, i, RAX);
}

bool gen_atomic(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_LOAD:
    case TN_OP_STORE:
        gen_wide(g, i, o);
        return true;
    case TN_OP_CAS:
        if (fits(g, i, o[-1].a))
            gen_cas_inline(g, i, o);
        else
            gen_cas(g, i, o);
        return true;
    case TN_OP_ATOMIC:
    case TN_OP_LOAD_EX:
    case TN_OP_STORE_EX:
        if (!fits(g, i, o->c))
            gen_atomic_call(g, i, o);
        else if (o->op == TN_OP_ATOMIC)
            gen_rmw(g, i, o);
        else if (o->op == TN_OP_LOAD_EX)
            gen_load_ex(g, i, o);
        else
            gen_store_ex(g, i, o);
        return true;
    default:
        return false;
    }
}
