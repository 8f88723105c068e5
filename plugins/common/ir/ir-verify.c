/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of ir.h, checked: operand ranges, definitions before uses and no
 * use across a label, operand types, every path ends in an exit, each label
 * placed once. Run on every unit in debug builds, so that a target's mistake
 * is found where it is made.
 */
#include "ir/ir-tools.h"

#include <stdarg.h>
#include <string.h>

struct verifier {
    const struct tn_ir_unit *unit;
    const struct tn_target_info *info;
    char *message;
    size_t bytes;
    uint32_t block_start; /* first operation after the last label */
    bool placed[TN_MAX_LABELS];
};

__attribute__((format(printf, 3, 4))) static bool
bad(struct verifier *v, uint32_t index, const char *format, ...)
{
    va_list ap;
    int n = snprintf(v->message, v->bytes, "operation %u: ", index);

    va_start(ap, format);
    if (n >= 0 && (size_t)n < v->bytes)
        vsnprintf(v->message + n, v->bytes - (size_t)n, format, ap);
    va_end(ap);
    return false;
}

static bool check_value(struct verifier *v, uint32_t index, uint32_t value)
{
    const struct ir_op_info *row;

    if (value >= index)
        return bad(v, index, "uses v%u before its definition", value);
    row = ir_op_info(v->unit->ops[value].op);
    if (!row->has_result ||
        (v->unit->ops[value].op == TN_OP_CALL &&
         v->unit->ops[value].type == TN_VOID))
        return bad(v, index, "uses v%u, which has no result", value);
    if (value < v->block_start && v->unit->ops[value].op != TN_OP_CONST)
        return bad(v, index, "uses v%u across a label", value);
    return true;
}

static bool check_operand(struct verifier *v, uint32_t index, char kind,
                          uint32_t operand)
{
    switch (kind) {
    case 'o':
        return operand == TN_NONE || check_value(v, index, operand);
    case 'v':
        return check_value(v, index, operand);
    case 'r':
        if (operand >= v->info->n_regs)
            return bad(v, index, "register %u does not exist", operand);
        return true;
    case 'h':
        if (operand >= v->info->n_helpers)
            return bad(v, index, "helper %u does not exist", operand);
        return true;
    case 'l':
        if (operand >= v->unit->n_labels)
            return bad(v, index, "label %u does not exist", operand);
        return true;
    case 'L':
        if (operand >= v->unit->n_locals)
            return bad(v, index, "local %u does not exist", operand);
        return true;
    default:
        return true;
    }
}

/* CALL's b and c are values only as far as it has arguments. */
static bool check_call(struct verifier *v, uint32_t index,
                       const struct tn_ir_op *o)
{
    if (o->flags > 4)
        return bad(v, index, "CALL with %u arguments", o->flags);
    if (o->flags > 2 &&
        (index == 0 || v->unit->ops[index - 1].op != TN_OP_ARG))
        return bad(v, index, "CALL without its ARG");
    return (o->flags < 1 || check_value(v, index, o->b)) &&
           (o->flags < 2 || check_value(v, index, o->c));
}

/* Operations whose first operands have the type of the operation. */
static bool same_type_operands(uint32_t op)
{
    switch (op) {
    case TN_OP_ADD:
    case TN_OP_SUB:
    case TN_OP_MUL:
    case TN_OP_AND:
    case TN_OP_OR:
    case TN_OP_XOR:
    case TN_OP_SET:
    case TN_OP_SETL:
    case TN_OP_SETCC:
    case TN_OP_BRCC:
    case TN_OP_FADD:
    case TN_OP_FSUB:
    case TN_OP_FMUL:
    case TN_OP_FDIV:
    case TN_OP_FMA:
        return true;
    default:
        return false;
    }
}

/* A value of type HAVE where WANT is read: integers may be read narrower, and
 * 0/1 results and constants at every width. */
static bool type_fits(const struct tn_ir_op *def, uint32_t want)
{
    if (def->type == want || def->op == TN_OP_CONST ||
        (ir_op_info(def->op)->is_boolean && ir_type_is_int(want)))
        return true;
    return ir_type_is_int(def->type) && ir_type_is_int(want) &&
           ir_type_bits(want) <= ir_type_bits(def->type);
}

static bool check_types(struct verifier *v, uint32_t index,
                        const struct tn_ir_op *o, const char *operands)
{
    const uint32_t values[3] = {o->a, o->b, o->c};

    if (!same_type_operands(o->op))
        return true;
    for (int i = 0; i < 3; i++)
        if (operands[i] == 'v' && !type_fits(&v->unit->ops[values[i]], o->type))
            return bad(v, index, "v%u is %s where %s is wanted", values[i],
                       ir_type_name(v->unit->ops[values[i]].type),
                       ir_type_name(o->type));
    return true;
}

static bool check_op(struct verifier *v, uint32_t index)
{
    const struct tn_ir_op *o = &v->unit->ops[index];
    const struct ir_op_info *row = ir_op_info(o->op);

    if (!row)
        return bad(v, index, "number %u is no operation", o->op);
    if (o->type >= TN_N_TYPES)
        return bad(v, index, "type %u does not exist", o->type);
    /* An ARG's operands are values for CALL, immediates for all others. */
    if (o->op == TN_OP_ARG && index + 1 < v->unit->n_ops &&
        v->unit->ops[index + 1].op != TN_OP_CALL)
        return true; /* immediates of what follows */
    if (o->op == TN_OP_CALL)
        return check_operand(v, index, 'h', o->a) && check_call(v, index, o);
    if (!check_operand(v, index, row->operands[0], o->a) ||
        !check_operand(v, index, row->operands[1], o->b) ||
        !check_operand(v, index, row->operands[2], o->c))
        return false;
    if (o->op == TN_OP_LABEL) {
        if (v->placed[o->a])
            return bad(v, index, "label %u is placed twice", o->a);
        v->placed[o->a] = true;
        v->block_start = index + 1;
    }
    return check_types(v, index, o, row->operands);
}

bool ir_verify(const struct tn_ir_unit *unit, const struct tn_target_info *info,
               char *message, size_t bytes)
{
    struct verifier v = {.unit = unit, .info = info, .message = message,
                         .bytes = bytes};
    bool open = true; /* can the next operation be reached by falling? */

    if (unit->n_ops == 0)
        return bad(&v, 0, "the unit is empty");
    for (uint32_t i = 0; i < unit->n_ops; i++) {
        if (!check_op(&v, i))
            return false;
        if (unit->ops[i].op == TN_OP_LABEL)
            open = true;
        else if (ir_op_info(unit->ops[i].op)->ends_path)
            open = false;
    }
    if (open)
        return bad(&v, unit->n_ops - 1, "the unit falls off its end");
    for (uint32_t i = 0; i < unit->n_labels; i++)
        if (!v.placed[i])
            return bad(&v, unit->n_ops - 1, "label %u is never placed", i);
    return true;
}
