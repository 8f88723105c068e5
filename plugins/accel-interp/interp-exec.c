/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes units. The operations that make up most of a guest's work are done
 * here; whatever only computes is left to the evaluator in common/ir.
 */
#include "interp.h"

#include <string.h>

static struct ir_value read_register(struct icpu *ic, uint32_t index,
                                     uint32_t type)
{
    const struct tn_reg *r = &ic->in->info->regs[index];
    const uint8_t *p = (const uint8_t *)ic->cpu + r->offset;
    uint32_t bits = ir_type_bits(type);
    struct ir_value v = {0, 0};

    if (r->role == TN_ROLE_ZERO)
        return v;
    switch (r->bits) {
    case 64:
        v.lo = __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
        break;
    case 32:
        v.lo = __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
        break;
    case 16:
        v.lo = *(const uint16_t *)p;
        break;
    case 8:
    case 1:
        v.lo = *p;
        break;
    default:
        memcpy(&v, p, r->bits / 8 < 16 ? r->bits / 8 : 16);
        return v;
    }
    if (bits < 64 && ir_type_is_int(type))
        v.lo = ir_sext(v.lo, bits);
    return v;
}

static void write_register(struct icpu *ic, uint32_t index, struct ir_value v)
{
    const struct tn_reg *r = &ic->in->info->regs[index];
    uint8_t *p = (uint8_t *)ic->cpu + r->offset;

    if (r->role == TN_ROLE_ZERO)
        return;
    switch (r->bits) {
    case 64:
        __atomic_store_n((uint64_t *)p, v.lo, __ATOMIC_RELAXED);
        break;
    case 32:
        __atomic_store_n((uint32_t *)p, (uint32_t)v.lo, __ATOMIC_RELAXED);
        break;
    case 16:
        *(uint16_t *)p = (uint16_t)v.lo;
        break;
    case 8:
        *p = (uint8_t)v.lo;
        break;
    case 1:
        *p = v.lo & 1;
        break;
    default:
        memcpy(p, &v, r->bits / 8 < 16 ? r->bits / 8 : 16);
        break;
    }
}

static void collect_flags(struct icpu *ic)
{
    if (ic->fp.env.flags) {
        ic->cpu->fp_flags |= ir_fp_flags(ic->fp.env.flags);
        ic->fp.env.flags = 0;
    }
}

static uint64_t call_helper(struct icpu *ic, const struct tn_ir_op *o,
                            const struct ir_value *values)
{
    uint64_t a[4] = {0};

    if (o->flags > 0)
        a[0] = values[o->b].lo;
    if (o->flags > 1)
        a[1] = values[o->c].lo;
    if (o->flags > 2)
        a[2] = values[o[-1].a].lo;
    if (o->flags > 3)
        a[3] = values[o[-1].b].lo;
    return ic->in->info->helpers[o->a].fn(ic->cpu, a[0], a[1], a[2], a[3]);
}

static uint64_t address_of(const struct tn_ir_op *o,
                           const struct ir_value *values)
{
    return values[o->a].lo + (uint64_t)(int64_t)TN_MO_GET_DISP(o->c);
}

static void load(struct icpu *ic, const struct tn_ir_op *o,
                 struct ir_value *values, struct ir_value *r)
{
    uint64_t va = address_of(o, values);

    r->hi = 0;
    if ((o->c & TN_MO_SIZE) >= TN_MO_128)
        *r = mem_load_wide(ic, va, o->c);
    else
        r->lo = mem_load(ic, va, o->c);
}

static void store(struct icpu *ic, const struct tn_ir_op *o,
                  const struct ir_value *values)
{
    uint64_t va = address_of(o, values);

    if ((o->c & TN_MO_SIZE) >= TN_MO_128)
        mem_store_wide(ic, va, values[o->b], o->c);
    else
        mem_store(ic, va, values[o->b].lo, o->c);
}

__attribute__((noreturn)) static void trap(struct icpu *ic, const struct tn_ir_op *o,
                           const struct ir_value *values)
{
    struct tn_exception e = {.size = sizeof e, .code = o->a};

    if (o->b != TN_NONE)
        e.value = values[o->b].lo;
    mem_raise(ic->cpu, &e);
}

/* Everything that is not control flow; false: not such an operation. */
static bool exec_effect(struct icpu *ic, const struct tn_ir_op *o,
                        struct ir_value *values, struct ir_value *r,
                        struct ir_value *locals)
{
    switch (o->op) {
    case TN_OP_GET:
        *r = read_register(ic, o->a, o->type);
        return true;
    case TN_OP_SET:
        write_register(ic, o->a, values[o->b]);
        return true;
    case TN_OP_GETX:
        *r = read_register(
            ic, o->a + (uint32_t)(ir_zext(values[o->b].lo, 32) % o->c),
            o->type);
        return true;
    case TN_OP_SETX:
        write_register(
            ic, o->a + (uint32_t)(ir_zext(values[o->b].lo, 32) % o[-1].c),
            values[o->c]);
        return true;
    case TN_OP_GETL:
        *r = locals[o->a];
        return true;
    case TN_OP_SETL:
        locals[o->a] = values[o->b];
        return true;
    case TN_OP_LOAD:
        load(ic, o, values, r);
        return true;
    case TN_OP_STORE:
        store(ic, o, values);
        return true;
    case TN_OP_ATOMIC:
        *r = (struct ir_value){mem_atomic(ic, address_of(o, values),
                                          values[o->b].lo, o->flags, o->c),
                               0};
        return true;
    case TN_OP_CAS:
        *r = mem_cas(ic,
                     values[o->a].lo +
                         (uint64_t)(int64_t)TN_MO_GET_DISP(o[-1].a),
                     values[o->b], values[o->c], o[-1].a);
        return true;
    case TN_OP_LOAD_EX:
        *r = (struct ir_value){mem_load_ex(ic, address_of(o, values), o->c), 0};
        return true;
    case TN_OP_STORE_EX:
        *r = (struct ir_value){mem_store_ex(ic, address_of(o, values),
                                            values[o->b].lo, o->c),
                               0};
        return true;
    case TN_OP_FENCE:
        atomic_thread_fence(memory_order_seq_cst);
        return true;
    case TN_OP_CALL:
        r->lo = call_helper(ic, o, values);
        r->hi = 0;
        return true;
    case TN_OP_FP_GET_FLAGS:
        *r = (struct ir_value){ic->cpu->fp_flags, 0};
        return true;
    case TN_OP_FP_SET_FLAGS:
        ic->cpu->fp_flags = (uint32_t)values[o->a].lo;
        return true;
    case TN_OP_NOP:
    case TN_OP_ARG:
    case TN_OP_LABEL:
        return true;
    default:
        return false;
    }
}

static void compute(struct icpu *ic, const struct tn_ir_op *o, uint32_t index,
                    struct ir_value *values)
{
    static const struct ir_value none;
    const struct ir_op_info *row = ir_op_info(o->op);
    struct ir_value result;
    bool done;

#define OPERAND(i, x)                                                          \
    (row->operands[i] == 'v' || (row->operands[i] == 'o' && x != TN_NONE)      \
         ? values[x]                                                           \
         : none)
    ic->fp.rounding = (uint8_t)ic->cpu->fp_rm;
    done = ir_eval(&ic->fp, o, OPERAND(0, o->a), OPERAND(1, o->b),
                   OPERAND(2, o->c), &result);
    if (!done) {
        tn_logf(ic->in->host, TN_LOG_ERROR,
                "accel-interp cannot do %s.%s (operation %u)", row->name,
                ir_type_name(o->type), index);
        ic->failed = true;
        _longjmp(ic->unwind, 1);
    }
    collect_flags(ic);
    values[index] = result;
}

/* The commonest operations, 64 bits wide, without the evaluator. */
static inline bool compute_fast(const struct tn_ir_op *o,
                                struct ir_value *values, uint32_t index)
{
    uint64_t *r = &values[index].lo;

    if (o->op == TN_OP_CONST && o->type != TN_I128) {
        *r = tn_const_value(o);
        return true;
    }
    if (o->type != TN_I64)
        return false;
    switch (o->op) {
    case TN_OP_ADD:
        *r = values[o->a].lo + values[o->b].lo;
        return true;
    case TN_OP_SUB:
        *r = values[o->a].lo - values[o->b].lo;
        return true;
    case TN_OP_AND:
        *r = values[o->a].lo & values[o->b].lo;
        return true;
    case TN_OP_OR:
        *r = values[o->a].lo | values[o->b].lo;
        return true;
    case TN_OP_XOR:
        *r = values[o->a].lo ^ values[o->b].lo;
        return true;
    case TN_OP_SHL:
        *r = values[o->a].lo << (values[o->b].lo & 63);
        return true;
    case TN_OP_SHR:
        *r = values[o->a].lo >> (values[o->b].lo & 63);
        return true;
    case TN_OP_SEXT:
        *r = ir_sext(values[o->a].lo, ir_type_bits(o->b));
        return true;
    case TN_OP_ZEXT:
        *r = ir_zext(values[o->a].lo, ir_type_bits(o->b));
        return true;
    default:
        return false;
    }
}

bool exec_unit(struct icpu *ic, const struct unit *unit)
{
    struct ir_value *values = ic->values;
    struct ir_value locals[TN_MAX_LOCALS];
    uint64_t insns = 0;
    bool sleep = false;

    ic->code_hit = false;
    for (uint32_t i = 0;; i++) {
        const struct tn_ir_op *o = &unit->ops[i];

        if (compute_fast(o, values, i))
            continue;
        switch (o->op) {
        case TN_OP_INSN:
            ic->insn_pc = o->a | (uint64_t)o->b << 32;
            ic->insn_info = o->c >> 8;
            if (ic->code_hit && insns) {
                set_pc(ic, ic->insn_pc);
                goto out;
            }
            insns++;
            break;
        case TN_OP_JUMP:
            i = unit->label[o->a];
            break;
        case TN_OP_BRCC:
            if (ir_condition(o->type, o->flags, values[o->a], values[o->b]))
                i = unit->label[o->c];
            break;
        case TN_OP_EXIT_REG:
            set_pc(ic, values[o->a].lo);
            goto out;
        case TN_OP_EXIT_TRAP:
            trap(ic, o, values);
        case TN_OP_EXIT_HALT:
            sleep = true;
            /* fall through */
        case TN_OP_EXIT_SYNC:
            ic->check_irq = true;
            /* fall through */
        case TN_OP_EXIT:
            set_pc(ic, o->a | (uint64_t)o->b << 32);
            goto out;
        default:
            if (!exec_effect(ic, o, values, &values[i], locals))
                compute(ic, o, i, values);
            break;
        }
    }
out:
    atomic_fetch_add_explicit(&ic->n_insns, insns, memory_order_relaxed);
    return sleep;
}
