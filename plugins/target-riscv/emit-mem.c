/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads, stores, atomics, fences and cache-block operations.
 */
#include "decode.h"

void emit_load(struct emit *e, const struct insn *i)
{
    uint32_t mo = i->arg | data_mode(e) | TN_MO_DISP(i->imm);
    uint32_t a = gx(e, i->rs1);

    sx(e, i->rd, tn_load(e->u, e->xt, a, mo));
}

void emit_store(struct emit *e, const struct insn *i)
{
    uint32_t mo = i->arg | data_mode(e) | TN_MO_DISP(i->imm);
    uint32_t a = gx(e, i->rs1), v = gx(e, i->rs2);

    tn_store(e->u, e->xt, a, v, mo);
}

/* aq and rl of an atomic; both together are sequentially consistent. */
static uint32_t ordering(const struct insn *i)
{
    uint32_t aq = i->bits >> 26 & 1, rl = i->bits >> 25 & 1;

    return (aq ? TN_MO_ACQUIRE : 0) | (rl ? TN_MO_RELEASE : 0) |
           (aq && rl ? TN_MO_SEQCST : 0);
}

void emit_lr(struct emit *e, const struct insn *i)
{
    uint32_t mo = i->arg | TN_MO_SIGN | TN_MO_ALIGN | TN_MO_ATOMIC |
                  ordering(i) | data_mode(e);
    uint32_t a = gx(e, i->rs1);

    sx(e, i->rd, tn_ir(e->u, TN_OP_LOAD_EX, e->xt, 0, a, 0, mo));
}

void emit_sc(struct emit *e, const struct insn *i)
{
    uint32_t mo =
        i->arg | TN_MO_ALIGN | TN_MO_ATOMIC | ordering(i) | data_mode(e);
    uint32_t a = gx(e, i->rs1), v = gx(e, i->rs2);

    sx(e, i->rd, tn_ir(e->u, TN_OP_STORE_EX, e->xt, 0, a, v, mo));
}

void emit_amo(struct emit *e, const struct insn *i)
{
    uint32_t size = i->arg & TN_MO_SIZE, op = i->arg >> 8;
    uint32_t type = size == TN_MO_32 ? TN_I32 : TN_I64;
    uint32_t mo =
        size | TN_MO_ALIGN | TN_MO_ATOMIC | ordering(i) | data_mode(e);
    uint32_t a = gx(e, i->rs1), v = gx(e, i->rs2), old;

    old = tn_ir(e->u, TN_OP_ATOMIC, type, op, a, v, mo);
    if (!i->rd)
        return;
    if (type == TN_I32)
        sx_word(e, i->rd, old);
    else
        sx(e, i->rd, old);
}

static uint32_t cas(struct emit *e, const struct insn *i, uint32_t type,
                    uint32_t size, uint32_t expected, uint32_t desired)
{
    uint32_t mo =
        size | TN_MO_ALIGN | TN_MO_ATOMIC | ordering(i) | data_mode(e);
    uint32_t a = gx(e, i->rs1);

    tn_ir(e->u, TN_OP_ARG, TN_VOID, 0, mo, TN_NONE, TN_NONE);
    return tn_ir(e->u, TN_OP_CAS, type, 0, a, expected, desired);
}

void emit_amocas(struct emit *e, const struct insn *i)
{
    uint32_t expected = gx(e, i->rd), desired = gx(e, i->rs2), old;

    if (i->arg == TN_MO_32) {
        old = cas(e, i, TN_I32, TN_MO_32, expected, desired);
        sx_word(e, i->rd, old);
    } else {
        old = cas(e, i, TN_I64, TN_MO_64, expected, desired);
        sx(e, i->rd, old);
    }
}

/* The pair x(reg+1):x(reg); of x0 both halves are zero. */
static uint32_t get_pair(struct emit *e, uint32_t reg, uint32_t type)
{
    uint32_t low = gx(e, reg), high = gx(e, reg ? reg + 1 : 0);

    return tn_op2(e->u, TN_OP_PACK, type, low, high);
}

void emit_amocas_pair(struct emit *e, const struct insn *i)
{
    uint32_t type = e->xlen == 32 ? TN_I64 : TN_I128;
    uint32_t expected = get_pair(e, i->rd, type);
    uint32_t desired = get_pair(e, i->rs2, type), old, low, high;

    old = cas(e, i, type, i->arg, expected, desired);
    if (!i->rd)
        return;
    low = tn_op1(e->u, TN_OP_LOW, e->xt, old);
    high = tn_op1(e->u, TN_OP_HIGH, e->xt, old);
    sx(e, i->rd, low);
    sx(e, i->rd + 1u, high);
}

/* fence's sets are I O R W from bit 3 to bit 0. */
static uint32_t fence_set(uint32_t bits)
{
    return (bits & 1 ? TN_FENCE_WRITE : 0) | (bits & 2 ? TN_FENCE_READ : 0) |
           (bits & 4 ? TN_FENCE_IO_WRITE : 0) |
           (bits & 8 ? TN_FENCE_IO_READ : 0);
}

/* fence.tso (fm = 1000) orders less than the fence it falls back to. */
void emit_fence(struct emit *e, const struct insn *i)
{
    uint32_t before = fence_set((uint32_t)i->imm >> 4);
    uint32_t after = fence_set((uint32_t)i->imm & 15);

    tn_ir(e->u, TN_OP_FENCE, TN_VOID, 0, before, after, 0);
}

void emit_fence_i(struct emit *e, const struct insn *i)
{
    (void)i;
    tn_call(e->u, TN_VOID, HELPER_FENCE_I, TN_NONE, TN_NONE, TN_NONE, TN_NONE);
    end_sync(e, e->next);
}

void emit_nop(struct emit *e, const struct insn *i)
{
    (void)e, (void)i;
}

/* The hint of a loop that waits for another hart, which may be waiting for
 * this one's host CPU. */
void emit_pause(struct emit *e, const struct insn *i)
{
    (void)i;
    tn_call(e->u, TN_VOID, HELPER_YIELD, TN_NONE, TN_NONE, TN_NONE, TN_NONE);
}

/* The block is written by stores: the first one raises what the block may. */
void emit_cbo_zero(struct emit *e, const struct insn *i)
{
    uint32_t a, zero, mo;

    e->key_used |= KEY_CBZ;
    if (!(e->key & KEY_CBZ)) {
        illegal(e, i);
        return;
    }
    mo = TN_MO_64 | data_mode(e);
    a = tn_op2(e->u, TN_OP_AND, e->xt, gx(e, i->rs1),
               imm(e, -(int64_t)CBO_BLOCK));
    zero = tn_const(e->u, TN_I64, 0);
    for (uint32_t n = 0; n < CBO_BLOCK; n += 8)
        tn_store(e->u, TN_I64, a, zero, mo | TN_MO_DISP(n));
}

/* Memory is coherent: only the right to do it is checked. */
static void cbo_check(struct emit *e, const struct insn *i)
{
    uint32_t mode = data_mode(e) >> TN_MO_MODE_SHIFT;
    uint32_t a = gx(e, i->rs1);

    tn_call(e->u, TN_VOID, HELPER_CBO_CHECK, a, imm(e, mode), TN_NONE,
            TN_NONE);
}

void emit_cbo_clean(struct emit *e, const struct insn *i)
{
    e->key_used |= KEY_CBCF;
    if (e->key & KEY_CBCF)
        cbo_check(e, i);
    else
        illegal(e, i);
}

void emit_cbo_inval(struct emit *e, const struct insn *i)
{
    e->key_used |= KEY_CBI;
    if (e->key & KEY_CBI)
        cbo_check(e, i);
    else
        illegal(e, i);
}
