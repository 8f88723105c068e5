/* SPDX-License-Identifier: Apache-2.0 */
/* What ir.h's operation lists say, as a table. */
#include "ir/ir-tools.h"

/* Attribute strings are at most four letters: R B S M T in that order. */
#define HAS(s, letter)                                                         \
    (s[0] == letter || (sizeof(s) > 2 && s[1 % sizeof(s)] == letter) ||        \
     (sizeof(s) > 3 && s[2 % sizeof(s)] == letter) ||                          \
     (sizeof(s) > 4 && s[3 % sizeof(s)] == letter))
#define ROW(name_, operands_, attributes_)                                     \
    {                                                                          \
        .name = #name_, .operands = operands_,                                 \
        .has_result = HAS(attributes_, 'R'),                                   \
        .is_boolean = HAS(attributes_, 'B'),                                   \
        .may_fault = HAS(attributes_, 'M'),                                    \
        .has_effect = HAS(attributes_, 'S'),                                   \
        .ends_path = HAS(attributes_, 'T'),                                    \
    },

static const struct ir_op_info rows[TN_N_OPS] = {TN_IR_ALL_OPS(ROW)};

static const struct {
    const char *name;
    uint16_t bits;
    char kind; /* i f v m */
} types[TN_N_TYPES] = {
    [TN_VOID] = {"void", 0, '-'},   [TN_I8] = {"i8", 8, 'i'},
    [TN_I16] = {"i16", 16, 'i'},    [TN_I32] = {"i32", 32, 'i'},
    [TN_I64] = {"i64", 64, 'i'},    [TN_I128] = {"i128", 128, 'i'},
    [TN_F16] = {"f16", 16, 'f'},    [TN_F32] = {"f32", 32, 'f'},
    [TN_F64] = {"f64", 64, 'f'},    [TN_F80] = {"f80", 80, 'f'},
    [TN_F128] = {"f128", 128, 'f'}, [TN_BF16] = {"bf16", 16, 'f'},
    [TN_V64] = {"v64", 64, 'v'},    [TN_V128] = {"v128", 128, 'v'},
    [TN_V256] = {"v256", 256, 'v'}, [TN_V512] = {"v512", 512, 'v'},
    [TN_MASK] = {"mask", 64, 'm'},
};

const struct ir_op_info *ir_op_info(uint32_t op)
{
    return op < TN_N_OPS ? &rows[op] : NULL;
}

const char *ir_type_name(uint32_t type)
{
    return type < TN_N_TYPES ? types[type].name : "?";
}

uint32_t ir_type_bits(uint32_t type)
{
    return type < TN_N_TYPES ? types[type].bits : 0;
}

bool ir_type_is_int(uint32_t type)
{
    return type < TN_N_TYPES && types[type].kind == 'i';
}

bool ir_type_is_float(uint32_t type)
{
    return type < TN_N_TYPES && types[type].kind == 'f';
}

bool ir_type_is_vector(uint32_t type)
{
    return type < TN_N_TYPES && types[type].kind == 'v';
}
