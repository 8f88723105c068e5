/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of every integer operation, in plain C: accel-interp runs on it,
 * and the compiled tiers are compared with it. Results are kept sign-extended
 * from their type; operands may have anything above theirs.
 */
#include "ir/ir-tools.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

static u128 wide(struct ir_value v)
{
    return (u128)v.hi << 64 | v.lo;
}

static struct ir_value from_wide(u128 v)
{
    return (struct ir_value){(uint64_t)v, (uint64_t)(v >> 64)};
}

/* An operand as an unsigned / a signed number of BITS bits. */
static u128 zero_extended(struct ir_value v, uint32_t bits)
{
    return bits == 128 ? wide(v) : (u128)ir_zext(v.lo, bits);
}

static i128 sign_extended(struct ir_value v, uint32_t bits)
{
    return bits == 128 ? (i128)wide(v) : (i128)(int64_t)ir_sext(v.lo, bits);
}

static struct ir_value canonical(u128 v, uint32_t bits)
{
    if (bits == 128)
        return from_wide(v);
    return (struct ir_value){ir_sext((uint64_t)v, bits), 0};
}

bool ir_condition(uint32_t type, uint32_t cc, struct ir_value a,
                  struct ir_value b)
{
    uint32_t bits = ir_type_bits(type);
    u128 ua = zero_extended(a, bits), ub = zero_extended(b, bits);
    i128 sa = sign_extended(a, bits), sb = sign_extended(b, bits);

    switch (cc) {
    case TN_CC_EQ:
        return ua == ub;
    case TN_CC_NE:
        return ua != ub;
    case TN_CC_LTU:
        return ua < ub;
    case TN_CC_GEU:
        return ua >= ub;
    case TN_CC_LEU:
        return ua <= ub;
    case TN_CC_GTU:
        return ua > ub;
    case TN_CC_LTS:
        return sa < sb;
    case TN_CC_GES:
        return sa >= sb;
    case TN_CC_LES:
        return sa <= sb;
    case TN_CC_GTS:
        return sa > sb;
    case TN_CC_TSTNE:
        return (ua & ub) != 0;
    default:
        return (ua & ub) == 0;
    }
}

uint64_t ir_atomic(uint32_t kind, uint32_t bytes, uint64_t old,
                   uint64_t operand)
{
    uint32_t bits = bytes * 8;
    uint64_t uo = ir_zext(old, bits), ub = ir_zext(operand, bits);
    int64_t so = (int64_t)ir_sext(old, bits);
    int64_t sb = (int64_t)ir_sext(operand, bits);

    switch (kind) {
    case TN_ATOMIC_ADD:
        return old + operand;
    case TN_ATOMIC_AND:
        return old & operand;
    case TN_ATOMIC_OR:
        return old | operand;
    case TN_ATOMIC_XOR:
        return old ^ operand;
    case TN_ATOMIC_SWAP:
        return operand;
    case TN_ATOMIC_MINU:
        return uo < ub ? uo : ub;
    case TN_ATOMIC_MAXU:
        return uo > ub ? uo : ub;
    case TN_ATOMIC_MINS:
        return (uint64_t)(so < sb ? so : sb);
    case TN_ATOMIC_MAXS:
        return (uint64_t)(so > sb ? so : sb);
    default:
        return old & ~operand;
    }
}

/* x / 0 and MIN / -1 by ir.h's TN_DIV_*. */
static u128 divide_unsigned(u128 a, u128 b, uint32_t rule, bool remainder)
{
    if (b == 0)
        return remainder ? a : rule == TN_DIV_RISCV ? ~(u128)0 : 0;
    return remainder ? a % b : a / b;
}

static u128 divide_signed(i128 a, i128 b, uint32_t bits, uint32_t rule,
                          bool remainder)
{
    if (b == 0)
        return remainder ? (u128)a : rule == TN_DIV_RISCV ? ~(u128)0 : 0;
    if (bits == 128 && b == -1)
        return remainder ? 0 : -(u128)a;
    return (u128)(remainder ? a % b : a / b);
}

/* High half of a double-width product; up to 64 bits. */
static u128 multiply_high(i128 a, i128 b, uint32_t bits)
{
    return (u128)((a * b) >> bits);
}

static uint32_t count_leading_zeros(u128 v, uint32_t bits)
{
    uint32_t n = 0;

    while (n < bits && !(v >> (bits - 1 - n) & 1))
        n++;
    return n;
}

static uint32_t count_trailing_zeros(u128 v, uint32_t bits)
{
    uint32_t n = 0;

    while (n < bits && !(v >> n & 1))
        n++;
    return n;
}

static uint32_t population(u128 v)
{
    return (uint32_t)(__builtin_popcountll((uint64_t)v) +
                      __builtin_popcountll((uint64_t)(v >> 64)));
}

/* Reverse UNIT-bit pieces within each group of BITS bits. */
static u128 reverse(u128 v, uint32_t bits, uint32_t unit)
{
    u128 r = 0, mask = ((u128)1 << unit) - 1;

    for (uint32_t i = 0; i < bits; i += unit)
        r |= (v >> i & mask) << (bits - unit - i);
    return r;
}

static u128 reverse_in_bytes(u128 v, uint32_t bits)
{
    return reverse(reverse(v, bits, 1), bits, 8);
}

static u128 or_combine_bytes(u128 v, uint32_t bits)
{
    u128 r = 0;

    for (uint32_t i = 0; i < bits; i += 8)
        if (v >> i & 0xff)
            r |= (u128)0xff << i;
    return r;
}

static u128 carryless_multiply(uint64_t a, uint64_t b)
{
    u128 r = 0;

    for (uint32_t i = 0; i < 64; i++)
        if (b >> i & 1)
            r ^= (u128)a << i;
    return r;
}

static u128 rotate_right(u128 v, uint32_t bits, uint32_t n)
{
    n %= bits;
    return n == 0 ? v : v >> n | v << (bits - n);
}

/* CRC of the low DATA_BITS bits of DATA, reflected; POLYNOMIAL 0 is the
 * ISO-HDLC one, 1 Castagnoli's. */
static uint32_t crc32_update(uint32_t crc, uint64_t data, uint32_t polynomial,
                             uint32_t data_bits)
{
    uint32_t reflected = polynomial == 0 ? 0xedb88320u : 0x82f63b78u;

    for (uint32_t i = 0; i < data_bits; i++) {
        uint32_t bit = (crc ^ (uint32_t)(data >> i)) & 1;

        crc = crc >> 1 ^ (bit ? reflected : 0);
    }
    return crc;
}

/* Carry, borrow and overflow of BITS-bit additions and subtractions. */
static bool eval_flags(uint32_t op, uint32_t bits, struct ir_value a,
                       struct ir_value b, uint32_t carry, uint64_t *result)
{
    u128 ua = zero_extended(a, bits), ub = zero_extended(b, bits);
    i128 sa = sign_extended(a, bits), sb = sign_extended(b, bits);
    i128 sum;

    if (bits > 64)
        return false;
    switch (op) {
    case TN_OP_ADD_CARRY:
        *result = (uint64_t)((ua + ub + carry) >> bits) & 1;
        return true;
    case TN_OP_SUB_BORROW:
        *result = ua < ub + carry;
        return true;
    case TN_OP_ADD_OVER:
        sum = sa + sb + (i128)carry;
        break;
    default:
        sum = sa - sb - (i128)carry;
        break;
    }
    *result = sum != (i128)(int64_t)ir_sext((uint64_t)sum, bits);
    return true;
}

/* Conversions and pieces: operations whose source is of another type. */
static bool eval_resize(const struct tn_ir_op *op, struct ir_value a,
                        struct ir_value b, struct ir_value *r)
{
    uint32_t bits = ir_type_bits(op->type);
    uint32_t position, length;

    switch (op->op) {
    case TN_OP_ZEXT:
        *r = canonical(zero_extended(a, ir_type_bits(op->b)), bits);
        return true;
    case TN_OP_SEXT:
        *r = canonical((u128)sign_extended(a, ir_type_bits(op->b)), bits);
        return true;
    case TN_OP_TRUNC:
    case TN_OP_LOW:
        *r = canonical(a.lo, bits);
        return true;
    case TN_OP_HIGH:
        *r = canonical(bits == 64 ? a.hi : a.lo >> bits, bits);
        return true;
    case TN_OP_PACK:
        *r = canonical(zero_extended(a, bits / 2) |
                           zero_extended(b, bits / 2) << (bits / 2),
                       bits);
        return true;
    case TN_OP_EXTRACT:
        position = op->b & 0xff;
        length = op->b >> 8 & 0xff;
        if (length == 0 || position + length > bits || length > 64)
            return false;
        a.lo = (uint64_t)(zero_extended(a, bits) >> position);
        a.lo = op->b >> 16 & 1 ? ir_sext(a.lo, length) : ir_zext(a.lo, length);
        *r = canonical(op->b >> 16 & 1 ? (u128)(i128)(int64_t)a.lo : a.lo,
                       bits);
        return true;
    case TN_OP_DEPOSIT: {
        u128 mask;

        position = op->c & 0xff;
        length = op->c >> 8 & 0xff;
        if (length == 0 || position + length > bits)
            return false;
        mask = length == 128 ? ~(u128)0 : ((u128)1 << length) - 1;
        *r = canonical((wide(a) & ~(mask << position)) |
                           (wide(b) & mask) << position,
                       bits);
        return true;
    }
    default:
        return false;
    }
}

static bool eval_bits(const struct tn_ir_op *op, uint32_t bits,
                      struct ir_value a, struct ir_value b, struct ir_value c,
                      struct ir_value *r)
{
    u128 ua = zero_extended(a, bits);
    uint32_t n = (uint32_t)(b.lo & (bits - 1));

    switch (op->op) {
    case TN_OP_SHL:
        *r = canonical(ua << n, bits);
        return true;
    case TN_OP_SHR:
        *r = canonical(ua >> n, bits);
        return true;
    case TN_OP_SAR:
        *r = canonical((u128)(sign_extended(a, bits) >> n), bits);
        return true;
    case TN_OP_ROTL:
        *r = canonical(rotate_right(ua, bits, bits - n), bits);
        return true;
    case TN_OP_ROTR:
        *r = canonical(rotate_right(ua, bits, n), bits);
        return true;
    case TN_OP_FUNNEL:
        n = (uint32_t)(c.lo & (bits - 1));
        *r = canonical(n == 0 ? zero_extended(b, bits)
                              : ua << (bits - n) | zero_extended(b, bits) >> n,
                       bits);
        return true;
    case TN_OP_CLZ:
        *r = canonical(count_leading_zeros(ua, bits), bits);
        return true;
    case TN_OP_CTZ:
        *r = canonical(count_trailing_zeros(ua, bits), bits);
        return true;
    case TN_OP_POPCNT:
        *r = canonical(population(ua), bits);
        return true;
    case TN_OP_BSWAP:
        *r = canonical(reverse(ua, bits, 8), bits);
        return true;
    case TN_OP_BITREV:
        *r = canonical(reverse(ua, bits, 1), bits);
        return true;
    case TN_OP_BITREV8:
        *r = canonical(reverse_in_bytes(ua, bits), bits);
        return true;
    case TN_OP_ORCB:
        *r = canonical(or_combine_bytes(ua, bits), bits);
        return true;
    case TN_OP_PARITY:
        *r = (struct ir_value){!(__builtin_popcountll(a.lo & 0xff) & 1), 0};
        return true;
    case TN_OP_CLMUL:
        *r = canonical(carryless_multiply((uint64_t)ua, ir_zext(b.lo, bits)),
                       bits);
        return bits <= 64;
    case TN_OP_CLMULH:
        *r = canonical(
            carryless_multiply((uint64_t)ua, ir_zext(b.lo, bits)) >> bits,
            bits);
        return bits <= 64;
    case TN_OP_CRC32:
        *r = canonical(crc32_update((uint32_t)a.lo, b.lo, op->c & 0xff,
                                    op->c >> 8 & 0xff),
                       bits);
        return true;
    default:
        return false;
    }
}

static bool eval_arithmetic(const struct tn_ir_op *op, uint32_t bits,
                            struct ir_value a, struct ir_value b,
                            struct ir_value c, struct ir_value *r)
{
    u128 ua = zero_extended(a, bits), ub = zero_extended(b, bits);
    i128 sa = sign_extended(a, bits), sb = sign_extended(b, bits);
    u128 v;

    switch (op->op) {
    case TN_OP_ADD:
        v = ua + ub;
        break;
    case TN_OP_SUB:
        v = ua - ub;
        break;
    case TN_OP_MUL:
        v = ua * ub;
        break;
    case TN_OP_AND:
        v = ua & ub;
        break;
    case TN_OP_OR:
        v = ua | ub;
        break;
    case TN_OP_XOR:
        v = ua ^ ub;
        break;
    case TN_OP_ANDN:
        v = ua & ~ub;
        break;
    case TN_OP_ORN:
        v = ua | ~ub;
        break;
    case TN_OP_XNOR:
        v = ~(ua ^ ub);
        break;
    case TN_OP_NOT:
        v = ~ua;
        break;
    case TN_OP_NEG:
        v = -ua;
        break;
    case TN_OP_ADC:
        v = ua + ub + (c.lo & 1);
        break;
    case TN_OP_SBB:
        v = ua - ub - (c.lo & 1);
        break;
    case TN_OP_DIVU:
    case TN_OP_REMU:
        v = divide_unsigned(ua, ub, op->flags, op->op == TN_OP_REMU);
        break;
    case TN_OP_DIVS:
    case TN_OP_REMS:
        v = divide_signed(sa, sb, bits, op->flags, op->op == TN_OP_REMS);
        break;
    case TN_OP_MULHU:
        if (bits > 64)
            return false;
        v = ua * ub >> bits;
        break;
    case TN_OP_MULHS:
        if (bits > 64)
            return false;
        v = multiply_high(sa, sb, bits);
        break;
    case TN_OP_MULHSU:
        if (bits > 64)
            return false;
        v = multiply_high(sa, (i128)ub, bits);
        break;
    case TN_OP_MINU:
        v = ua < ub ? ua : ub;
        break;
    case TN_OP_MAXU:
        v = ua > ub ? ua : ub;
        break;
    case TN_OP_MINS:
        v = (u128)(sa < sb ? sa : sb);
        break;
    case TN_OP_MAXS:
        v = (u128)(sa > sb ? sa : sb);
        break;
    default:
        return false;
    }
    *r = canonical(v, bits);
    return true;
}

bool ir_eval(struct ir_fp *fp, const struct tn_ir_op *op, struct ir_value a,
             struct ir_value b, struct ir_value c, struct ir_value *result)
{
    uint32_t bits = ir_type_bits(op->type);

    result->hi = 0;
    switch (op->op) {
    case TN_OP_CONST:
        result->lo = tn_const_value(op);
        result->hi = bits == 128 ? -(result->lo >> 63) : 0;
        return true;
    case TN_OP_SETCC:
        result->lo = ir_condition(op->type, op->flags, a, b);
        return true;
    case TN_OP_SELECT:
        *result = a.lo & 1 ? b : c;
        return true;
    case TN_OP_ADD_CARRY:
    case TN_OP_ADD_OVER:
    case TN_OP_SUB_BORROW:
    case TN_OP_SUB_OVER:
        return eval_flags(op->op, bits, a, b,
                          op->c == TN_NONE ? 0 : (uint32_t)(c.lo & 1),
                          &result->lo);
    default:
        break;
    }
    if (!ir_type_is_int(op->type))
        return ir_eval_fp(fp, op, a, b, c, result);
    return eval_arithmetic(op, bits, a, b, c, result) ||
           eval_bits(op, bits, a, b, c, result) ||
           eval_resize(op, a, b, result) ||
           ir_eval_fp(fp, op, a, b, c, result);
}
