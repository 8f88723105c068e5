/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all emit functions use: registers, constants, and ends of a unit.
 */
#include "decode.h"

/* Would a CONST of it be free where it is used? */
static uint32_t small(const struct emit *e, uint64_t v)
{
    return e->xlen == 32 || (uint64_t)(int64_t)(int32_t)v == v;
}

uint32_t imm(struct emit *e, int64_t value)
{
    return tn_const(e->u, e->xt, (uint64_t)value);
}

uint32_t known(const struct emit *e, uint32_t reg, uint64_t *value)
{
    *value = reg ? e->value[reg] : 0;
    return reg == 0 || (e->known >> reg & 1);
}

uint32_t gx(struct emit *e, uint32_t reg)
{
    uint64_t value;

    if (known(e, reg, &value) && small(e, value))
        return imm(e, (int64_t)value);
    return tn_get(e->u, e->xt, REG_X(reg));
}

void sx(struct emit *e, uint32_t reg, uint32_t value)
{
    if (!reg)
        return;
    e->known &= ~(1u << reg);
    tn_set(e->u, e->xt, REG_X(reg), value);
}

void sx_const(struct emit *e, uint32_t reg, uint64_t value)
{
    if (!reg)
        return;
    if (e->xlen == 32)
        value = (uint64_t)(int64_t)(int32_t)value;
    sx(e, reg, imm(e, (int64_t)value));
    e->known |= 1u << reg;
    e->value[reg] = value;
}

void sx_word(struct emit *e, uint32_t reg, uint32_t value)
{
    if (e->xlen == 64)
        value = tn_ir(e->u, TN_OP_SEXT, TN_I64, 0, value, TN_I32, 0);
    sx(e, reg, value);
}

/* A label at which, after the unit's last exit, an exit will stand. */
uint32_t cold_exit(struct emit *e, uint32_t op, uint64_t to, uint32_t code)
{
    struct cold *c = &e->cold[e->n_cold++];

    c->label = tn_label(e->u);
    c->op = op;
    c->to = op == TN_OP_EXIT_TRAP ? to : xext(e->t, to);
    c->pc = e->pc;
    c->len = (uint32_t)(e->next - e->pc);
    c->code = code;
    return c->label;
}

void end_exit(struct emit *e, uint64_t to)
{
    tn_exit(e->u, TN_OP_EXIT, xext(e->t, to), TN_HINT_JUMP, 0);
    e->ended = 1;
}

void end_sync(struct emit *e, uint64_t to)
{
    tn_exit(e->u, TN_OP_EXIT_SYNC, xext(e->t, to), TN_HINT_JUMP, 0);
    e->ended = 1;
}

void end_trap(struct emit *e, uint32_t code, uint64_t value)
{
    uint32_t v = tn_const(e->u, TN_I64, value);

    tn_ir(e->u, TN_OP_EXIT_TRAP, TN_VOID, 0, code, v, 0);
    e->ended = 1;
}

void illegal(struct emit *e, const struct insn *i)
{
    end_trap(e, CAUSE_ILLEGAL, i->len == 2 ? i->bits & 0xffff : i->bits);
}

uint32_t priv_of(struct emit *e)
{
    e->key_used |= KEY_PRIV;
    return e->key & KEY_PRIV;
}

uint32_t data_mode(struct emit *e)
{
    e->key_used |= KEY_DATA;
    return TN_MO_MODE((e->key & KEY_DATA) >> KEY_DATA_SHIFT);
}
