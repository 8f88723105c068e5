/* SPDX-License-Identifier: Apache-2.0 */
/* Units as text, one operation a line: for logs and failing tests. */
#include "ir/ir-tools.h"

static const char *const cc_names[] = {"eq", "ne", "ltu", "geu", "leu", "gtu",
                                       "lts", "ges", "les", "gts", "tstne",
                                       "tsteq"};

static void dump_memory_operand(FILE *out, uint32_t mo)
{
    fprintf(out, " {%u", 8u * TN_MO_GET_BYTES(mo));
    if (mo & TN_MO_SIGN)
        fprintf(out, " sign");
    if (mo & TN_MO_BIG)
        fprintf(out, " big");
    if (mo & TN_MO_ALIGN)
        fprintf(out, " align");
    if (mo & TN_MO_ATOMIC)
        fprintf(out, " atomic");
    if (mo & TN_MO_ACQUIRE)
        fprintf(out, " acquire");
    if (mo & TN_MO_RELEASE)
        fprintf(out, " release");
    if (mo & TN_MO_SEQCST)
        fprintf(out, " seqcst");
    fprintf(out, " mode%u %+d}", TN_MO_GET_MODE(mo), TN_MO_GET_DISP(mo));
}

static void dump_value(FILE *out, const struct tn_ir_unit *unit, uint32_t value)
{
    if (value == TN_NONE)
        fprintf(out, " -");
    else if (value < unit->n_ops && unit->ops[value].op == TN_OP_CONST)
        fprintf(out, " %#llx",
                (unsigned long long)tn_const_value(&unit->ops[value]));
    else
        fprintf(out, " v%u", value);
}

static void dump_operand(FILE *out, const struct tn_ir_unit *unit, char kind,
                         uint32_t operand, const struct tn_target_info *info)
{
    switch (kind) {
    case 'v':
    case 'o':
        dump_value(out, unit, operand);
        break;
    case 'r':
        if (info && operand < info->n_regs)
            fprintf(out, " %s", info->regs[operand].name);
        else
            fprintf(out, " r%u", operand);
        break;
    case 'h':
        if (info && operand < info->n_helpers)
            fprintf(out, " %s", info->helpers[operand].name);
        else
            fprintf(out, " h%u", operand);
        break;
    case 'l':
        fprintf(out, " L%u", operand);
        break;
    case 'L':
        fprintf(out, " local%u", operand);
        break;
    case 'i':
        fprintf(out, " #%#x", operand);
        break;
    default:
        break;
    }
}

static bool uses_memory_operand(uint32_t op)
{
    return op == TN_OP_LOAD || op == TN_OP_STORE || op == TN_OP_ATOMIC ||
           op == TN_OP_LOAD_EX || op == TN_OP_STORE_EX;
}

void ir_dump_op(FILE *out, const struct tn_ir_unit *unit, uint32_t index,
                const struct tn_target_info *info)
{
    const struct tn_ir_op *o = &unit->ops[index];
    const struct ir_op_info *row = ir_op_info(o->op);

    if (!row) {
        fprintf(out, "  v%-4u ?%u\n", index, o->op);
        return;
    }
    if (o->op == TN_OP_INSN) {
        fprintf(out, "  ---- %#llx\n",
                (unsigned long long)(o->a | (uint64_t)o->b << 32));
        return;
    }
    if (row->has_result)
        fprintf(out, "  v%-4u = ", index);
    else
        fprintf(out, "          ");
    fprintf(out, "%s.%s", row->name, ir_type_name(o->type));
    if (o->op == TN_OP_CONST || o->op == TN_OP_EXIT || o->op == TN_OP_EXIT_SYNC ||
        o->op == TN_OP_EXIT_HALT) {
        uint64_t v = o->op == TN_OP_CONST ? tn_const_value(o)
                                          : o->a | (uint64_t)o->b << 32;
        fprintf(out, " %#llx\n", (unsigned long long)v);
        return;
    }
    if (o->op == TN_OP_BRCC || o->op == TN_OP_SETCC)
        fprintf(out, " %s", o->flags < 12 ? cc_names[o->flags] : "?");
    else if (o->flags)
        fprintf(out, "/%#x", o->flags);
    dump_operand(out, unit, row->operands[0], o->a, info);
    dump_operand(out, unit, row->operands[1], o->b, info);
    if (uses_memory_operand(o->op))
        dump_memory_operand(out, o->c);
    else
        dump_operand(out, unit, row->operands[2], o->c, info);
    fprintf(out, "\n");
}

void ir_dump(FILE *out, const struct tn_ir_unit *unit,
             const struct tn_target_info *info)
{
    fprintf(out, "unit %#llx: %u instructions, %u bytes, %u operations\n",
            (unsigned long long)unit->pc, unit->n_insns, unit->n_bytes,
            unit->n_ops);
    for (uint32_t i = 0; i < unit->n_ops; i++)
        ir_dump_op(out, unit, i, info);
}
