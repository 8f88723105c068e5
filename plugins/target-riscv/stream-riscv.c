/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random instruction streams of RISC-V, made from the decoder's own pattern
 * tables: what is in a table is in the streams, unless it is control flow or
 * a system instruction.
 *
 * x2, x3 and x9 point into a data area (x2 and x9 also by compressed forms),
 * x4 at the random values of the next block, x31 at its output: nothing
 * writes these.
 */
#include "decode.h"

#include "cpu/stream.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#define DATA_BYTES 16384u
#define RESERVED (1u << 2 | 1u << 3 | 1u << 4 | 1u << 9 | 1u << 31)
#define N_OUT 65u /* x0..x31, f0..f31, fcsr */
#define SYS_WRITE 64u
#define SYS_EXIT 93u

/* Optional features: names of properties here and in the reference. */
static const char *const feature_names[] = {
    "zicond", "zacas", "zfa", "zfh", "zba", "zbb",
    "zbc",    "zbs",   "zicboz", "zcb", NULL};
static const uint64_t feature_bits[] = {
    HAS(ZICOND), HAS(ZACAS), HAS(ZFA), HAS(ZFH) | HAS(ZFHMIN), HAS(ZBA),
    HAS(ZBB),    HAS(ZBC),   HAS(ZBS), HAS(ZICBOZ), HAS(ZCB)};

struct gen {
    struct stream *s;
    struct riscv_target t; /* features and XLEN for operands */
    const struct riscv_pattern *rows[512];
    uint32_t n_rows;
    uint64_t seed;
    uint64_t at; /* address of the next instruction */
};

static uint64_t rnd(struct gen *g)
{
    return stream_random(&g->seed);
}

static void put(struct gen *g, uint32_t bits, uint32_t bytes)
{
    memcpy(g->s->image + (g->at - g->s->base), &bits, bytes);
    g->at += bytes;
}

/* ---- encodings the frame of a program is made of ---- */

static uint32_t itype(uint32_t opcode, uint32_t f3, uint32_t rd, uint32_t rs1,
                      int32_t imm)
{
    return (uint32_t)imm << 20 | rs1 << 15 | f3 << 12 | rd << 7 | opcode;
}

static uint32_t stype(uint32_t opcode, uint32_t f3, uint32_t rs1, uint32_t rs2,
                      int32_t imm)
{
    return ((uint32_t)imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 |
           f3 << 12 | ((uint32_t)imm & 31) << 7 | opcode;
}

/* rd = address, which is below 2^31 from here. */
static void put_address(struct gen *g, uint32_t rd, uint64_t address)
{
    int32_t offset = (int32_t)(address - g->at);
    int32_t low = (int32_t)((uint32_t)offset << 20) >> 20;

    put(g, ((uint32_t)(offset - low) & 0xfffff000) | rd << 7 | 0x17, 4);
    put(g, itype(0x13, 0, rd, rd, low), 4);
}

static void put_constant(struct gen *g, uint32_t rd, uint32_t value)
{
    int32_t low = (int32_t)(value << 20) >> 20;

    put(g, ((value - (uint32_t)low) & 0xfffff000) | rd << 7 | 0x37, 4);
    put(g, itype(0x13, 0, rd, rd, low), 4);
}

static uint32_t x_f3(const struct gen *g)
{
    return g->t.xlen == 64 ? 3 : 2;
}

/* ---- random operands ---- */

static uint32_t is_fp_result(emit_fn f)
{
    return f == emit_fload || f == emit_fp2 || f == emit_fsqrt ||
           f == emit_fma || f == emit_fsgn || f == emit_fminmax ||
           f == emit_fcvt_from_int || f == emit_fcvt_float ||
           f == emit_fmv_from_int || f == emit_fround || f == emit_fli ||
           f == emit_fmvp;
}

static uint32_t has_no_result(emit_fn f)
{
    return f == emit_store || f == emit_fstore || f == emit_branch ||
           f == emit_fence || f == emit_nop ||
           f == emit_pause || f == emit_cbo_zero;
}

static uint32_t is_memory(emit_fn f)
{
    return f == emit_load || f == emit_store || f == emit_fload ||
           f == emit_fstore || f == emit_amo || f == emit_amocas ||
           f == emit_amocas_pair || f == emit_cbo_zero;
}

/* What a block may hold; jumps and lr/sc are made apart. */
static uint32_t is_usable(const struct gen *g, const struct riscv_pattern *p)
{
    static const emit_fn never[] = {
        emit_jalr,   emit_ecall, emit_ebreak, emit_mret,         emit_sret,
        emit_wfi,    emit_wrs,   emit_sfence, emit_sfence_order, emit_csr,
        emit_fence_i, emit_lr,   emit_sc,     emit_cbo_clean,
        emit_cbo_inval};

    if (!has(&g->t, p->needs) || (p->xlen && p->xlen != g->t.xlen))
        return 0;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (p->emit == never[i])
            return 0;
    /* QEMU 7.2, which has no Zicond, gets ctzw of a zero word wrong. */
    if (!has(&g->t, HAS(ZICOND)) && !strcmp(p->name, "ctzw"))
        return 0;
    return p->format != FMT_C_JAL && p->format != FMT_C_ADDI16SP;
}

static uint32_t is_jump(const struct riscv_pattern *p)
{
    return p->emit == emit_branch || p->emit == emit_jal;
}

/* Does the row's funct3 hold a rounding mode? */
static uint32_t has_rounding(const struct riscv_match *m)
{
    return (m->match & 3) == 3 && (m->match & 0x60) == 0x40 &&
           (m->match & 0x1c) <= 0x10 && !(m->mask & 0x7000);
}

/* Point a memory access at the data area. */
static uint32_t aim(struct gen *g, const struct riscv_pattern *p, uint32_t bits)
{
    static const uint32_t pointer[] = {2, 3, 9};

    if (!is_memory(p->emit))
        return bits;
    switch (p->format) {
    case FMT_C_LWSP:
    case FMT_C_LDSP:
    case FMT_C_SWSP:
    case FMT_C_SDSP:
        return bits;
    case FMT_C_LW:
    case FMT_C_LD:
    case FMT_C_SW:
    case FMT_C_SD:
    case FMT_C_LB:
    case FMT_C_LH:
    case FMT_C_SB:
    case FMT_C_SH:
        return (bits & ~(7u << 7)) | 1u << 7;
    default:
        return (bits & ~(31u << 15)) | pointer[rnd(g) % 3] << 15;
    }
}

static uint32_t acceptable(struct gen *g, const struct riscv_pattern *p,
                           const struct riscv_match *m, uint32_t bits)
{
    struct insn i = {.bits = bits};
    uint32_t rm = bits >> 12 & 7, written;

    if (!riscv_matches(m, bits) || riscv_lookup(&g->t, bits) != p)
        return 0;
    if (has_rounding(m) && (rm == 5 || rm == 6))
        return 0;
    riscv_operands(&g->t, p->format, bits, &i);
    if (is_fp_result(p->emit) || has_no_result(p->emit))
        return 1;
    written = 1u << i.rd;
    if (p->emit == emit_amocas_pair)
        written |= 2u << i.rd;
    return !(written & RESERVED);
}

/* Instruction bits of a row with random operands. */
static uint32_t sample(struct gen *g, const struct riscv_pattern *p,
                       uint32_t *bytes)
{
    struct riscv_match m;
    uint32_t n = riscv_parse_pattern(p, &m);

    *bytes = n / 8;
    for (;;) {
        uint32_t bits = ((uint32_t)rnd(g) & ~m.mask) | m.match;
        if (n == 16)
            bits &= 0xffff;
        bits = aim(g, p, bits);
        if (acceptable(g, p, &m, bits))
            return bits;
    }
}

static void put_random(struct gen *g)
{
    for (;;) {
        const struct riscv_pattern *p = g->rows[rnd(g) % g->n_rows];
        uint32_t bytes, bits;
        if (is_jump(p))
            continue;
        bits = sample(g, p, &bytes);
        put(g, bits, bytes);
        g->s->n_insns++;
        return;
    }
}

/* ---- jumps, reservations, status ---- */

/* The offset, 2..30 and even, in the form of FORMAT. */
static uint32_t jump_offset(uint32_t format, uint32_t bits, uint32_t offset)
{
    switch (format) {
    case FMT_B:
        return (bits & 0x01fff07f) | offset >> 1 << 8;
    case FMT_J:
        return (bits & 0xfff) | offset >> 1 << 21;
    case FMT_C_B:
        return (bits & 0xe383) | (offset >> 3 & 3) << 10 |
               (offset >> 1 & 3) << 3;
    default: /* FMT_C_J */
        return (bits & 0xe003) | (offset >> 4 & 1) << 11 |
               (offset >> 1 & 7) << 3;
    }
}

/* A jump over one to three instructions. */
static void put_jump(struct gen *g, const struct riscv_pattern *p)
{
    uint32_t bytes, bits = sample(g, p, &bytes);
    uint64_t at = g->at, end;
    uint32_t skipped = 1 + (uint32_t)(rnd(g) % 3);

    put(g, bits, bytes);
    g->s->n_insns++;
    while (skipped--)
        put_random(g);
    end = g->at;
    g->at = at;
    put(g, jump_offset(p->format, bits, (uint32_t)(end - at)), bytes);
    g->at = end;
}

static void put_reservation(struct gen *g)
{
    uint32_t wide = g->t.xlen == 64 && (rnd(g) & 1);
    uint32_t f3 = wide ? 3 : 2, rd[2], rs2 = rnd(g) & 31;

    for (uint32_t i = 0; i < 2; i++)
        do
            rd[i] = rnd(g) & 31;
        while (RESERVED >> rd[i] & 1);
    put(g, 2u << 27 | 3u << 15 | f3 << 12 | rd[0] << 7 | 0x2f, 4);
    put(g, 3u << 27 | rs2 << 20 | 3u << 15 | f3 << 12 | rd[1] << 7 | 0x2f, 4);
    g->s->n_insns += 2;
}

/* Reads of fcsr, writes of fflags by register, of frm by a legal immediate. */
static void put_status(struct gen *g)
{
    uint32_t rd, r = (uint32_t)rnd(g);

    do
        rd = rnd(g) & 31;
    while (RESERVED >> rd & 1);
    switch (r & 3) {
    case 0:
        put(g, itype(0x73, 2, rd, 0, CSR_FCSR), 4);
        break;
    case 1:
        put(g, itype(0x73, 5, rd, (r >> 8) % 5, CSR_FRM), 4);
        break;
    default:
        put(g, itype(0x73, 1 + (r >> 8) % 3, rd, r >> 16 & 31, CSR_FFLAGS), 4);
        break;
    }
    g->s->n_insns++;
}

static void put_step(struct gen *g)
{
    const struct riscv_pattern *p = g->rows[rnd(g) % g->n_rows];
    uint32_t kind = rnd(g) % 64;

    if (kind == 0)
        put_reservation(g);
    else if (kind < 3)
        put_status(g);
    else if (is_jump(p))
        put_jump(g, p);
    else
        put_random(g);
}

/* ---- a program ---- */

static uint64_t random_int(struct gen *g)
{
    static const uint64_t special[] = {
        0, 1, UINT64_MAX, 1ull << 63, INT64_MAX, 0x80000000, 0x7fffffff,
        0xffffffff80000000ull, 0xffffffff, 2, 63, 64, 0xfffffffffffffffeull};
    uint64_t r = rnd(g), v = rnd(g);

    switch (r & 7) {
    case 0:
    case 1:
        return special[v % (sizeof special / sizeof special[0])];
    case 2:
        return v & 0xff;
    case 3:
        return (uint64_t)(int64_t)(int32_t)v;
    case 4:
        return 1ull << (v & 63);
    default:
        return v;
    }
}

/* A number of MANTISSA and EXPONENT bits, often near an edge. */
static uint64_t random_float(struct gen *g, uint32_t mantissa, uint32_t ebits)
{
    uint64_t r = rnd(g), m = rnd(g) & ((1ull << mantissa) - 1);
    uint64_t emax = (1ull << ebits) - 1, bias = emax >> 1, e;

    switch (r & 7) {
    case 0:
        e = 0;
        break;
    case 1:
        e = emax;
        break;
    case 2:
        e = bias + mantissa - 4 + (r >> 8) % 8;
        break;
    case 3:
    case 4:
    case 5:
        e = bias - 4 + (r >> 8) % 8;
        break;
    default:
        e = (r >> 8) % (emax + 1);
        break;
    }
    switch (r >> 32 & 7) {
    case 0:
        m = 0;
        break;
    case 1:
        m = 1ull << (mantissa - 1);
        break;
    case 2:
        m = (1ull << mantissa) - 1;
        break;
    case 3:
        m &= 0xfull << (mantissa - 4);
        break;
    }
    return (r >> 40 & 1) << (mantissa + ebits) | e << mantissa | m;
}

static uint64_t random_f(struct gen *g)
{
    uint64_t r = rnd(g);

    switch (r & 7) {
    case 0:
        return rnd(g);
    case 1:
    case 2:
        return 0xffffffff00000000ull | random_float(g, 23, 8);
    case 3:
        return has(&g->t, HAS(ZFH))
                   ? 0xffffffffffff0000ull | random_float(g, 10, 5)
                   : 0xffffffff00000000ull | random_float(g, 23, 8);
    case 4:
        return random_float(g, 23, 8); /* not boxed */
    default:
        return random_float(g, 52, 11);
    }
}

/* Load all registers from x4 on, which then moves to the next block's. */
static void put_loads(struct gen *g)
{
    put(g, itype(0x03, x_f3(g), 1, 4, 8 * 64), 4);
    put(g, itype(0x73, 1, 0, 1, CSR_FCSR), 4);
    for (uint32_t i = 0; i < 32; i++)
        put(g, itype(0x07, 3, i, 4, (int32_t)(8 * (32 + i))), 4);
    for (uint32_t i = 1; i < 32; i++)
        if (!(RESERVED >> i & 1))
            put(g, itype(0x03, x_f3(g), i, 4, (int32_t)(8 * i)), 4);
    put(g, itype(0x13, 0, 4, 4, 8 * N_OUT), 4);
}

static void put_stores(struct gen *g)
{
    for (uint32_t i = 1; i < 32; i++)
        put(g, stype(0x23, x_f3(g), 31, i, (int32_t)(8 * i)), 4);
    for (uint32_t i = 0; i < 32; i++)
        put(g, stype(0x27, 3, 31, i, (int32_t)(8 * (32 + i))), 4);
    put(g, itype(0x73, 2, 1, 0, CSR_FCSR), 4);
    put(g, stype(0x23, x_f3(g), 31, 1, 8 * 64), 4);
    put(g, itype(0x13, 0, 31, 31, 8 * N_OUT), 4);
}

static void fill(struct gen *g, uint64_t address, uint64_t value)
{
    memcpy(g->s->image + (address - g->s->base), &value, sizeof value);
}

static void fill_inputs(struct gen *g, uint64_t at)
{
    for (uint32_t b = 0; b < g->s->n_blocks; b++, at += 8 * N_OUT) {
        for (uint32_t i = 0; i < 32; i++)
            fill(g, at + 8 * i, random_int(g));
        for (uint32_t i = 0; i < 32; i++)
            fill(g, at + 8 * (32 + i), random_f(g));
        fill(g, at + 8 * 64, (rnd(g) % 5) << 5 | (rnd(g) & 31));
    }
}

static void choose_rows(struct gen *g)
{
    for (uint32_t k = 0; k < n_riscv_pattern_tables; k++)
        for (const struct riscv_pattern *p = riscv_pattern_tables[k]; p->bits;
             p++)
            if (is_usable(g, p) && g->n_rows < 512)
                g->rows[g->n_rows++] = p;
}

static void generate(struct stream *s, uint32_t xlen)
{
    struct gen g = {.s = s, .seed = s->seed};
    uint64_t blocks = s->n_blocks;
    /* Code first: a block is at most this long. */
    uint64_t code = 4096 + blocks * (4 * 150 + 8ull * 4 * s->insns);
    uint64_t input = (s->base + code + 4095) & ~4095ull;

    g.t.xlen = xlen;
    g.t.features = HAS(I) | HAS(M) | HAS(A) | HAS(F) | HAS(D) | HAS(C) |
                   HAS(ZICSR) | HAS(ZIFENCEI) | HAS(S) | HAS(U);
    for (uint32_t i = 0; feature_names[i]; i++)
        if (s->features >> i & 1)
            g.t.features |= feature_bits[i];
    s->out = input + blocks * 8 * N_OUT;
    s->per_block = 8 * N_OUT;
    s->out_bytes = blocks * 8 * N_OUT + DATA_BYTES;
    s->bytes = s->out + s->out_bytes - s->base;
    if (s->bytes > STREAM_IMAGE_MAX || riscv_decoder_new(&g.t)) {
        fprintf(stderr, "the program is too large\n");
        s->n_blocks = 0;
        return;
    }
    memset(s->image, 0, s->bytes);
    choose_rows(&g);
    fill_inputs(&g, input);
    for (uint64_t i = 0; i < DATA_BYTES; i += 8)
        fill(&g, s->out + blocks * 8 * N_OUT + i, random_f(&g));

    g.at = s->base;
    uint64_t data = s->out + blocks * 8 * N_OUT;
    put_address(&g, 2, data + 4096);
    put_address(&g, 3, data + 8192);
    put_address(&g, 9, data + 12288);
    put_address(&g, 4, input);
    put_address(&g, 31, s->out);
    for (uint32_t b = 0; b < blocks; b++) {
        put_loads(&g);
        s->block_start[b] = g.at;
        for (uint32_t i = 0; i < s->insns; i++)
            put_step(&g);
        s->block_end[b] = g.at;
        put_stores(&g);
    }
    put_constant(&g, 10, 1);
    put_address(&g, 11, s->out);
    put_constant(&g, 12, (uint32_t)s->out_bytes);
    put_constant(&g, 17, SYS_WRITE);
    put(&g, 0x73, 4);
    put_constant(&g, 10, 0);
    put_constant(&g, 17, SYS_EXIT);
    put(&g, 0x73, 4);
    g.at = (g.at + 3) & ~3ull;
    s->finish = g.at;
    put_constant(&g, 5, FINISHER_BASE);
    put_constant(&g, 6, 0x5555);
    put(&g, stype(0x23, 2, 5, 6, 0), 4);
    put(&g, 0x0000006f, 4); /* j . */
    riscv_decoder_free(&g.t);
}

static void generate64(struct stream *s)
{
    generate(s, 64);
}

static void generate32(struct stream *s)
{
    generate(s, 32);
}

static void start(struct cpu_machine *m, const struct stream *s)
{
    cpu_set(m, "priv", PRIV_M);
    cpu_set(m, "mstatus", MSTATUS_FS);
    cpu_set(m, "fcsr", 0);
    cpu_set(m, "mtvec", s->finish);
}

static void name_output(uint64_t offset, char *text, size_t bytes)
{
    uint32_t n = (uint32_t)(offset / 8);

    if (n < 32)
        snprintf(text, bytes, "x%u", n);
    else if (n < 64)
        snprintf(text, bytes, "f%u", n - 32);
    else
        snprintf(text, bytes, "fcsr");
}

static void list(const struct stream *s, uint64_t from, uint64_t to,
                 uint32_t xlen)
{
    struct riscv_target t = {.features = UINT64_MAX, .xlen = xlen};

    if (riscv_decoder_new(&t))
        return;
    while (from < to) {
        const struct riscv_pattern *p;
        uint32_t bits;
        struct insn i;

        memcpy(&bits, s->image + (from - s->base), sizeof bits);
        if ((bits & 3) != 3)
            bits &= 0xffff;
        p = riscv_lookup(&t, bits);
        memset(&i, 0, sizeof i);
        if (p)
            riscv_operands(&t, p->format, bits, &i);
        printf("  %#llx: %08x %-10s rd %u rs1 %u rs2 %u rs3 %u imm %d rm %u\n",
               (unsigned long long)from, bits, p ? p->name : "?", i.rd, i.rs1,
               i.rs2, i.rs3, i.imm, bits >> 12 & 7);
        from += (bits & 3) == 3 ? 4 : 2;
    }
    riscv_decoder_free(&t);
}

static void list64(const struct stream *s, uint64_t from, uint64_t to)
{
    list(s, from, to, 64);
}

static void list32(const struct stream *s, uint64_t from, uint64_t to)
{
    list(s, from, to, 32);
}

static const char *const wide_properties[] = {"target.model=max"};
static const char *const narrow_properties[] = {
    "target.model=rv32", "target.zfh=on", "target.zicond=on",
    "target.zacas=on", "target.zcb=on"};

static const struct stream_arch riscv64 = {
    .name = "riscv64",
    .target_plugin = "target-riscv",
    .properties = wide_properties,
    .n_properties = 1,
    .reference_env = "TENON_REFERENCE_RISCV64",
    .reference = "qemu-riscv64",
    .reference_cpu = "rv64",
    .features = feature_names,
    .elf_class = ELFCLASS64,
    .elf_machine = EM_RISCV,
    .elf_flags = 5, /* RVC, double-float ABI */
    .generate = generate64,
    .start = start,
    .name_output = name_output,
    .list = list64,
};

static const struct stream_arch riscv32 = {
    .name = "riscv32",
    .target_plugin = "target-riscv",
    .properties = narrow_properties,
    .n_properties = 5,
    .reference_env = "TENON_REFERENCE_RISCV32",
    .reference = "qemu-riscv32",
    .reference_cpu = "rv32",
    .features = feature_names,
    .elf_class = ELFCLASS32,
    .elf_machine = EM_RISCV,
    .elf_flags = 5,
    .generate = generate32,
    .start = start,
    .name_output = name_output,
    .list = list32,
};

int main(int argc, char **argv)
{
    static const struct stream_arch *const archs[] = {&riscv64, &riscv32};

    return stream_main(argc, argv, archs, 2);
}
