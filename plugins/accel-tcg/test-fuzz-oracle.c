/* SPDX-License-Identifier: Apache-2.0 */
/* A unit run in order by the evaluator of common/ir, with registers and memory
 * of its own. */
#include "test-fuzz.h"

#include <string.h>

static void fault(struct oracle *o, uint32_t code, uint64_t value)
{
    o->code = code;
    o->value = value;
}

/* The bytes of [va, va+n), or NULL after noting the fault. */
static bool reach(struct oracle *o, uint64_t va, uint32_t n, uint32_t access)
{
    uint64_t at[2] = {va, va + n - 1};

    for (int i = 0; i < 2; i++) {
        uint64_t page = at[i] & ~PAGE_MASK;
        bool ok = page == DATA || page == DATA + 0x1000 ||
                  (page == DATA + 0x3000 && access == TN_ACCESS_LOAD);

        if (!ok) {
            if (i)
                at[i] = access == TN_ACCESS_LOAD ? page : page;
            fault(o, 100 + access, at[i]);
            return false;
        }
    }
    return true;
}

static uint64_t get_bytes(struct oracle *o, uint64_t va, uint32_t n)
{
    uint64_t v = 0;

    memcpy(&v, &o->data[va - DATA], n);
    return v;
}

static uint64_t extend(uint64_t v, uint32_t mo)
{
    uint32_t bits = 8 * TN_MO_GET_BYTES(mo);

    if (mo & TN_MO_BIG)
        v = __builtin_bswap64(v) >> (64 - bits);
    return mo & TN_MO_SIGN ? ir_sext(v, bits) : ir_zext(v, bits);
}

static void put(struct oracle *o, uint64_t va, uint64_t v, uint32_t mo)
{
    uint32_t n = TN_MO_GET_BYTES(mo);

    if (mo & TN_MO_BIG)
        v = __builtin_bswap64(v) >> (64 - 8 * n);
    memcpy(&o->data[va - DATA], &v, n);
}

static void run_memory(struct oracle *o, const struct tn_ir_op *p, uint32_t i)
{
    uint32_t mo = p->op == TN_OP_CAS ? p[-1].a : p->c;
    uint64_t va = o->v[p->a].lo + (uint64_t)(int64_t)TN_MO_GET_DISP(mo), old;
    uint32_t n = TN_MO_GET_BYTES(mo);
    uint32_t access = p->op == TN_OP_LOAD || p->op == TN_OP_LOAD_EX
                          ? TN_ACCESS_LOAD
                          : TN_ACCESS_STORE;

    if ((mo & TN_MO_ALIGN || (p->op != TN_OP_LOAD && p->op != TN_OP_STORE)) &&
        va & (n - 1)) {
        fault(o, TN_FAULT_ALIGN, va);
        return;
    }
    if (!reach(o, va, n, access))
        return;
    old = get_bytes(o, va, n);
    switch (p->op) {
    case TN_OP_LOAD:
        o->v[i].lo = extend(old, mo);
        break;
    case TN_OP_STORE:
        put(o, va, o->v[p->b].lo, mo);
        break;
    case TN_OP_ATOMIC:
        o->v[i].lo = extend(old, mo);
        put(o, va, ir_atomic(p->flags, n, old, o->v[p->b].lo), mo);
        break;
    case TN_OP_CAS:
        o->v[i].lo = extend(old, mo);
        if (ir_zext(old, 8 * n) == ir_zext(o->v[p->b].lo, 8 * n))
            put(o, va, o->v[p->c].lo, mo);
        break;
    case TN_OP_LOAD_EX:
        o->res_addr = va | (n == 8);
        o->res_value = old;
        o->v[i].lo = extend(old, mo);
        break;
    default:
        o->v[i].lo = 1;
        if (o->res_addr == (va | (n == 8)) && o->res_value == old) {
            put(o, va, o->v[p->b].lo, mo);
            o->v[i].lo = 0;
        }
        o->res_addr = UINT64_MAX;
        break;
    }
    o->v[i].hi = 0;
}

static struct ir_value get_reg(struct oracle *o, uint32_t r, uint32_t type)
{
    const struct tn_reg *k = &test_regs[r];
    struct ir_value v = {0, 0};

    memcpy(&v, (uint8_t *)&o->s + k->offset, (k->bits + 7) / 8);
    if (ir_type_is_int(type) && ir_type_bits(type) < 64)
        v.lo = ir_sext(v.lo, ir_type_bits(type));
    return v;
}

static void set_reg(struct oracle *o, uint32_t r, struct ir_value v)
{
    const struct tn_reg *k = &test_regs[r];

    if (k->bits == 1)
        v.lo &= 1;
    memcpy((uint8_t *)&o->s + k->offset, &v, (k->bits + 7) / 8);
}

static void run_call(struct oracle *o, const struct tn_ir_op *p, uint32_t i)
{
    uint64_t a[4] = {0};

    if (p->flags > 0)
        a[0] = o->v[p->b].lo;
    if (p->flags > 1)
        a[1] = o->v[p->c].lo;
    if (p->flags > 2)
        a[2] = o->v[p[-1].a].lo;
    if (p->flags > 3)
        a[3] = o->v[p[-1].b].lo;
    o->v[i].hi = 0;
    switch (p->a) {
    case TEST_HELPER_ADD:
        o->v[i].lo = a[0] + a[1] + a[2] + a[3];
        break;
    case TEST_HELPER_READ:
        o->v[i].lo = o->s.x[a[0] % N_INT];
        break;
    case TEST_HELPER_WRITE:
        o->v[i].lo = o->s.x[a[0] % N_INT];
        o->s.x[a[0] % N_INT] = a[1];
        break;
    default:
        if (a[0] & 1)
            fault(o, 7, a[0]);
        o->v[i].lo = ~a[0];
        break;
    }
}

static void evaluate(struct oracle *o, const struct tn_ir_op *p, uint32_t i)
{
    const struct ir_op_info *k = ir_op_info(p->op);
    struct ir_value z = {0, 0}, r = {0, 0};
    struct ir_value a = k->operands[0] == 'v' ? o->v[p->a] : z;
    struct ir_value b = k->operands[1] == 'v' ? o->v[p->b] : z;
    struct ir_value c = k->operands[2] == 'v' ||
                                (k->operands[2] == 'o' && p->c != TN_NONE)
                            ? o->v[p->c]
                            : z;

    o->fp.rounding = (uint8_t)o->s.cpu.fp_rm;
    if (!ir_eval(&o->fp, p, a, b, c, &r))
        r = z;
    o->s.cpu.fp_flags |= ir_fp_flags(o->fp.env.flags) & ~TN_FPE_DENORMAL;
    o->fp.env.flags = 0;
    o->v[i] = r;
}

void oracle_run(struct oracle *o, const struct tn_ir_unit *u)
{
    uint32_t at[TN_MAX_LABELS];

    for (uint32_t i = 0; i < u->n_ops; i++)
        if (u->ops[i].op == TN_OP_LABEL)
            at[u->ops[i].a] = i;
    o->code = 0;
    o->pc = u->pc;
    for (uint32_t i = 0; i < u->n_ops && !o->code; i++) {
        const struct tn_ir_op *p = &u->ops[i];

        switch (p->op) {
        case TN_OP_INSN:
            o->pc = p->a | (uint64_t)p->b << 32;
            break;
        case TN_OP_GET:
            o->v[i] = get_reg(o, p->a, p->type);
            break;
        case TN_OP_SET:
            set_reg(o, p->a, o->v[p->b]);
            break;
        case TN_OP_GETX:
            o->v[i] = get_reg(
                o, p->a + (uint32_t)o->v[p->b].lo % p->c, p->type);
            break;
        case TN_OP_SETX:
            set_reg(o, p->a + (uint32_t)o->v[p->b].lo % p[-1].c, o->v[p->c]);
            break;
        case TN_OP_GETL:
            o->v[i] = o->local[p->a];
            break;
        case TN_OP_SETL:
            o->local[p->a] = o->v[p->b];
            break;
        case TN_OP_BRCC:
            if (ir_condition(p->type, p->flags, o->v[p->a], o->v[p->b]))
                i = at[p->c];
            break;
        case TN_OP_LOAD:
        case TN_OP_STORE:
        case TN_OP_ATOMIC:
        case TN_OP_CAS:
        case TN_OP_LOAD_EX:
        case TN_OP_STORE_EX:
            run_memory(o, p, i);
            break;
        case TN_OP_CALL:
            run_call(o, p, i);
            break;
        case TN_OP_FP_GET_FLAGS:
            o->v[i].lo = o->s.cpu.fp_flags;
            break;
        case TN_OP_FP_SET_FLAGS:
            o->s.cpu.fp_flags = (uint32_t)o->v[p->a].lo;
            break;
        case TN_OP_EXIT_TRAP:
            fault(o, p->a, o->v[p->b].lo);
            break;
        case TN_OP_LABEL:
        case TN_OP_ARG:
            break;
        default:
            evaluate(o, p, i);
            break;
        }
    }
}
