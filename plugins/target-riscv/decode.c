/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From instruction words to units of IR: the index over the pattern tables,
 * and the loop that decodes an extended basic block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

/* Rows share a bucket by opcode and funct3, and where many do (OP-FP, whose
 * funct3 is a rounding mode) also by funct7. Compressed ones by quadrant,
 * funct3 and bits 12:10. */
#define N_BUCKETS32 (32 * 8)
#define N_BUCKETS16 256
#define MAX_FLAT 6 /* longer buckets get a second level */
#define LIST_END 0xffffu

struct bucket {
    uint32_t first;   /* in `lists` */
    uint32_t second;  /* 1 + first of 128 in `second`, or 0 */
};

struct riscv_decoder {
    struct riscv_match *rows;
    uint32_t n_rows;
    uint16_t *lists; /* row numbers, each list ended by LIST_END */
    uint32_t n_lists, max_lists;
    uint32_t *second; /* 128 list starts a bucket */
    uint32_t n_second;
    struct bucket long32[N_BUCKETS32];
    struct bucket short16[N_BUCKETS16];
};

uint32_t riscv_parse_pattern(const struct riscv_pattern *p,
                             struct riscv_match *m)
{
    uint32_t n = 0;

    memset(m, 0, sizeof *m);
    m->pattern = p;
    for (const char *s = p->bits; *s; s++)
        n += *s != ' ';
    if (n != 16 && n != 32)
        return 0;
    uint32_t bit = n;
    for (const char *s = p->bits; *s; s++) {
        if (*s == ' ')
            continue;
        uint32_t b = 1u << --bit;
        switch (*s) {
        case '1':
            m->match |= b;
            m->mask |= b;
            break;
        case '0':
            m->mask |= b;
            break;
        case 'n':
            m->nonzero |= b;
            break;
        case 's':
            m->not_mask |= b;
            break;
        case '.':
            break;
        default:
            return 0;
        }
    }
    if (m->not_mask)
        m->not_match = 2u << __builtin_ctz(m->not_mask);
    return n;
}

static uint32_t bucket16(uint32_t bits)
{
    return (bits & 3) << 6 | (bits >> 13 & 7) << 3 | (bits >> 10 & 7);
}

static uint32_t bucket32(uint32_t bits)
{
    return (bits >> 2 & 31) << 3 | (bits >> 12 & 7);
}

static int32_t append(struct riscv_decoder *d, uint16_t row)
{
    if (d->n_lists == d->max_lists) {
        uint32_t max = d->max_lists ? 2 * d->max_lists : 4096;
        uint16_t *p = realloc(d->lists, max * sizeof *p);
        if (!p)
            return -ENOMEM;
        d->lists = p;
        d->max_lists = max;
    }
    d->lists[d->n_lists++] = row;
    return 0;
}

/* Rows to choose from: N of them, in the list at FIRST or simply the first. */
#define ALL_ROWS UINT32_MAX
struct choice {
    uint32_t first;
    uint32_t n;
};

/* The list of those rows FROM that agree with VALUE in the bits of MASK. */
static int32_t make_list(struct riscv_decoder *d, struct choice from,
                         uint32_t mask, uint32_t value, uint32_t *first,
                         uint32_t *n)
{
    *first = d->n_lists;
    *n = 0;
    for (uint32_t k = 0; k < from.n; k++) {
        uint32_t i = from.first == ALL_ROWS ? k : d->lists[from.first + k];
        const struct riscv_match *m = &d->rows[i];
        uint32_t wide = (m->mask & 3) == 3 && (m->match & 3) == 3;
        if (wide != ((value & 3) == 3) ||
            ((m->match ^ value) & m->mask & mask))
            continue;
        if (append(d, (uint16_t)i))
            return -ENOMEM;
        ++*n;
    }
    return append(d, LIST_END);
}

/* B's list, of LENGTH rows, in 128 by the highest seven bits. */
static int32_t make_second(struct riscv_decoder *d, struct bucket *b,
                           uint32_t length, uint32_t value)
{
    struct choice from = {b->first, length};
    uint32_t *p = realloc(d->second, (d->n_second + 128) * sizeof *p);
    uint32_t n;

    if (!p)
        return -ENOMEM;
    d->second = p;
    b->second = d->n_second + 1;
    d->n_second += 128;
    for (uint32_t f = 0; f < 128; f++)
        if (make_list(d, from, 0xfe00707f, value | f << 25,
                      &d->second[b->second - 1 + f], &n))
            return -ENOMEM;
    return 0;
}

static int32_t make_index(struct riscv_decoder *d)
{
    struct choice all = {ALL_ROWS, d->n_rows};
    uint32_t n;

    for (uint32_t k = 0; k < N_BUCKETS32; k++) {
        uint32_t value = (k >> 3) << 2 | 3 | (k & 7) << 12;
        struct bucket *b = &d->long32[k];
        if (make_list(d, all, 0x707f, value, &b->first, &n))
            return -ENOMEM;
        if (n > MAX_FLAT && make_second(d, b, n, value))
            return -ENOMEM;
    }
    for (uint32_t k = 0; k < N_BUCKETS16; k++) {
        uint32_t value = k >> 6 | (k >> 3 & 7) << 13 | (k & 7) << 10;
        if (make_list(d, all, 0xfc03, value, &d->short16[k].first, &n))
            return -ENOMEM;
    }
    return 0;
}

static uint32_t row_exists(const struct riscv_target *t,
                           const struct riscv_pattern *p)
{
    return has(t, p->needs) && (!p->xlen || p->xlen == t->xlen);
}

int32_t riscv_decoder_new(struct riscv_target *t)
{
    struct riscv_decoder *d = calloc(1, sizeof *d);
    uint32_t n = 0;

    if (!d)
        return -ENOMEM;
    t->decoder = d;
    for (uint32_t k = 0; k < n_riscv_pattern_tables; k++)
        for (const struct riscv_pattern *p = riscv_pattern_tables[k]; p->bits;
             p++)
            n++;
    d->rows = calloc(n, sizeof *d->rows);
    if (!d->rows)
        return -ENOMEM;
    for (uint32_t k = 0; k < n_riscv_pattern_tables; k++)
        for (const struct riscv_pattern *p = riscv_pattern_tables[k]; p->bits;
             p++)
            if (row_exists(t, p) && riscv_parse_pattern(p, &d->rows[d->n_rows]))
                d->n_rows++;
    return make_index(d);
}

void riscv_decoder_free(struct riscv_target *t)
{
    if (!t->decoder)
        return;
    free(t->decoder->rows);
    free(t->decoder->lists);
    free(t->decoder->second);
    free(t->decoder);
    t->decoder = NULL;
}

const struct riscv_pattern *riscv_lookup(const struct riscv_target *t,
                                         uint32_t bits)
{
    const struct riscv_decoder *d = t->decoder;
    const uint16_t *list;

    if ((bits & 3) == 3) {
        const struct bucket *b = &d->long32[bucket32(bits)];
        list = d->lists +
               (b->second ? d->second[b->second - 1 + (bits >> 25)] : b->first);
    } else {
        list = d->lists + d->short16[bucket16(bits)].first;
    }
    for (; *list != LIST_END; list++)
        if (riscv_matches(&d->rows[*list], bits))
            return d->rows[*list].pattern;
    return NULL;
}

const struct riscv_pattern *riscv_lookup_slow(const struct riscv_target *t,
                                              uint32_t bits)
{
    for (uint32_t k = 0; k < n_riscv_pattern_tables; k++)
        for (const struct riscv_pattern *p = riscv_pattern_tables[k]; p->bits;
             p++) {
            struct riscv_match m;
            uint32_t n = riscv_parse_pattern(p, &m);
            if (row_exists(t, p) && (n == 32) == ((bits & 3) == 3) &&
                riscv_matches(&m, bits))
                return p;
        }
    return NULL;
}

/* ---- the loop ---- */

#define PAGE 4096u
#define WINDOW 64u

/* Code bytes, read in pieces that do not cross a page. */
struct code {
    struct tn_decode *d;
    uint64_t va;
    uint32_t n;
    uint8_t bytes[WINDOW];
};

static int32_t code_halfword(struct code *k, uint64_t va, uint32_t *half)
{
    uint64_t at = va - k->va;
    uint16_t value;

    if (at >= k->n || k->n - at < 2) {
        uint32_t left = PAGE - (uint32_t)(va & (PAGE - 1));
        uint32_t want = left < WINDOW ? left : WINDOW;

        /* Where not all can be read, what is needed may be. */
        if (k->d->fetch(k->d->opaque, va, want, k->bytes)) {
            want = 2;
            if (k->d->fetch(k->d->opaque, va, want, k->bytes)) {
                k->n = 0;
                k->d->fault_va = va;
                return -EFAULT;
            }
        }
        k->va = va;
        k->n = want;
        at = 0;
    }
    memcpy(&value, k->bytes + at, sizeof value);
    *half = value;
    return 0;
}

static int32_t code_insn(struct code *k, const struct riscv_target *t,
                         uint64_t va, uint32_t *bits)
{
    uint32_t high;
    int32_t r = code_halfword(k, va, bits);

    if (r || (*bits & 3) != 3)
        return r;
    r = code_halfword(k, xext(t, va + 2), &high);
    *bits |= high << 16;
    return r;
}

static void emit_one(struct emit *e)
{
    const struct riscv_pattern *p = riscv_lookup(e->t, e->bits);
    struct insn i = {.bits = e->bits};

    i.len = (e->bits & 3) == 3 ? 4 : 2;
    tn_insn(e->u, e->pc, i.len);
    if (!p) {
        illegal(e, &i);
        return;
    }
    riscv_operands(e->t, p->format, e->bits, &i);
    i.arg = p->arg;
    p->emit(e, &i);
}

static void place_cold(struct emit *e)
{
    for (uint32_t n = 0; n < e->n_cold; n++) {
        const struct cold *c = &e->cold[n];
        tn_place(e->u, c->label);
        if (c->op == TN_OP_EXIT_TRAP) {
            tn_ir(e->u, TN_OP_INSN, TN_VOID, 0, (uint32_t)c->pc,
                  (uint32_t)(c->pc >> 32), c->len);
            tn_ir(e->u, TN_OP_EXIT_TRAP, TN_VOID, 0, c->code,
                  imm(e, (int64_t)c->to), 0);
        } else {
            tn_exit(e->u, c->op, c->to, TN_HINT_JUMP, 0);
        }
    }
}

/* Goes on inside the page of the start; true if the unit may. */
static uint32_t goes_on(const struct emit *e, uint64_t to)
{
    return ((to ^ e->start) & ~(uint64_t)(PAGE - 1)) == 0 &&
           e->n_cold + 2 < MAX_COLD && !e->u->overflow;
}

int32_t riscv_decode(void *self, struct tn_decode *d)
{
    const struct riscv_target *t = self;
    struct emit e = {.t = t, .u = d->unit, .start = d->pc, .key = d->key};
    struct code k = {.d = d};
    uint64_t pc = d->pc, end = d->pc;

    e.xlen = t->xlen;
    e.xt = t->xlen == 32 ? TN_I32 : TN_I64;
    e.key_used = KEY_FETCH;
    e.u->pc = d->pc;
    for (uint32_t n = 0; n < d->max_insns || n == 0; n++) {
        int32_t r = code_insn(&k, t, pc, &e.bits);
        if (r && n == 0)
            return r;
        if (r)
            break;
        e.pc = pc;
        e.next = xext(t, pc + ((e.bits & 3) == 3 ? 4 : 2));
        e.jumped = 0;
        emit_one(&e);
        if (e.next - d->pc > end - d->pc)
            end = e.next;
        pc = e.jumped ? e.jump : e.next;
        if (e.ended || !goes_on(&e, pc))
            break;
    }
    if (!e.ended)
        tn_exit(e.u, TN_OP_EXIT, pc, TN_HINT_JUMP, 0);
    place_cold(&e);
    e.u->n_bytes = (uint32_t)(end - d->pc);
    e.u->key_used = e.key_used;
    return 0;
}
