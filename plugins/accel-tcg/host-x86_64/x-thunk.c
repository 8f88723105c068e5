/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that is made once: the way in and out, and what stands between units
 * and C. In thunks rsp is 8 less than in units.
 */
#include "gen.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>

static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};
/* Pinned registers, hottest first; C preserves the first four. */
static const uint8_t pin_order[N_PINNED] = {RBX, RBP, R12, R15, RSI,
                                            RDI, R8,  R9,  R10};

static void pinned_memory(struct as *a, struct tcg_host *h, bool store,
                          bool only_caller_saved)
{
    for (uint32_t i = only_caller_saved ? 4 : 0; i < N_PINNED; i++) {
        int16_t r = h->pinned_greg[pin_order[i]];

        if (r < 0)
            continue;
        as_rm(a, (store ? 0x89 : 0x8b) |
                     (h->gregs[r].bytes == 8 ? OP_W : 0),
              pin_order[i], mem_at(STATE, h->gregs[r].disp));
    }
    for (uint32_t x = 0; x < 16; x++) {
        int16_t r = h->xpinned_greg[x];

        if (r >= 0)
            as_rm(a, store ? 0xd6 | OP_0F | OP_66 : 0x7e | OP_0F | OP_F3, x,
                  mem_at(STATE, h->gregs[r].disp));
    }
}

static const uint8_t *here(struct tcg *t, struct as *a)
{
    a->p = (uint8_t *)(((uintptr_t)a->p + 15) & ~(uintptr_t)15);
    return to_rx(t, a->p);
}

static void make_enter(struct tcg *t, struct tcg_host *h, struct as *a)
{
    h->enter = here(t, a);
    for (uint32_t i = 0; i < sizeof callee_saved; i++)
        put_opcode(a, 0x50 | (callee_saved[i] & 7u), 0, 0, callee_saved[i],
                   false);
    as_alu_imm(a, ALU_SUB, RSP, FRAME_BYTES + 8, true);
    as_lea(a, STATE, mem_at(RDI, STATE_BIAS), true);
    as_store(a, hot_field(HOT_STACK), RSP, true);
    as_load(a, SPACE, hot_field(HOT_SPACE), true);
    as_mov(a, RAX, RSI, true);
    pinned_memory(a, h, false, false);
    as_rr(a, 0xff, 4, RAX);

    h->leave = here(t, a); /* result in eax */
    as_load(a, RSP, hot_field(HOT_STACK), true);
    as_alu_imm(a, ALU_ADD, RSP, FRAME_BYTES + 8, true);
    for (uint32_t i = sizeof callee_saved; i-- > 0;)
        put_opcode(a, 0x58 | (callee_saved[i] & 7u), 0, 0, callee_saved[i],
                   false);
    put8(a, 0xc3);

    h->leave_c = here(t, a); /* (cpu, reason) */
    as_lea(a, STATE, mem_at(RDI, STATE_BIAS), true);
    as_mov(a, RAX, RSI, false);
    as_jmp_to(a, to_rw(t, h->leave));
}

/* Keep the return address and load the arguments. */
static void make_arguments(struct as *a)
{
    static const uint8_t regs[] = {RSI, RDX, RCX, R8};

    as_load(a, RDI, mem_at(RSP, 0), true);
    as_store(a, hot_field(HOT_RETURN), RDI, true);
    for (uint32_t i = 0; i < 4; i++)
        as_load(a, regs[i], frame_mem(8 + FRAME_ARGS + 8 * (int32_t)i), true);
    as_lea(a, RDI, mem_at(STATE, -STATE_BIAS), true);
}

/* Preserves every register; the result is put in the frame. */
static const uint8_t *make_slow(struct tcg *t, struct tcg_host *h,
                                struct as *a, const void *fn)
{
    static const uint8_t temps[] = {RAX, RCX, RDX, TEMP_EXTRA};
    const uint8_t *start = here(t, a);

    for (uint32_t i = 0; i < 4; i++)
        as_store(a, frame_mem(8 + FRAME_SAVE + 8 * (int32_t)i), temps[i],
                 true);
    for (uint32_t x = 0; x < N_XTEMPS; x++)
        as_rm(a, 0xd6 | OP_0F | OP_66, x,
              frame_mem(8 + FRAME_XSAVE + 8 * (int32_t)x));
    pinned_memory(a, h, true, false);
    make_arguments(a);
    as_alu_imm(a, ALU_SUB, RSP, 8, true);
    as_mov_imm(a, RAX, (uint64_t)(uintptr_t)fn);
    as_rr(a, 0xff, 2, RAX);
    as_alu_imm(a, ALU_ADD, RSP, 8, true);
    as_store(a, frame_mem(8 + FRAME_ARGS), RAX, true);
    pinned_memory(a, h, false, true);
    for (uint32_t x = 0; x < N_XTEMPS; x++)
        as_rm(a, 0x7e | OP_0F | OP_F3, x,
              frame_mem(8 + FRAME_XSAVE + 8 * (int32_t)x));
    for (uint32_t i = 0; i < 4; i++)
        as_load(a, temps[i], frame_mem(8 + FRAME_SAVE + 8 * (int32_t)i), true);
    put8(a, 0xc3);
    return start;
}

/* The function in rax; temps are lost, the result is in rax. */
static void make_call(struct tcg *t, struct tcg_host *h, struct as *a)
{
    h->call = here(t, a);
    pinned_memory(a, h, true, false);
    make_arguments(a);
    as_alu_imm(a, ALU_SUB, RSP, 8, true);
    as_rr(a, 0xff, 2, RAX);
    as_alu_imm(a, ALU_ADD, RSP, 8, true);
    as_load(a, SPACE, hot_field(HOT_SPACE), true);
    pinned_memory(a, h, false, false);
    put8(a, 0xc3);
}

static void store_pc(struct as *a, struct tcg *t)
{
    as_rm(a, 0x89 | (t->pc_bytes == 8 ? OP_W : 0), RDX,
          mem_at(STATE, (int32_t)t->pc_offset - STATE_BIAS));
}

/* Save everything and leave for REASON; pc is in RDX. */
static void leave_for(struct tcg *t, struct tcg_host *h, struct as *a,
                      uint32_t reason)
{
    store_pc(a, t);
    pinned_memory(a, h, true, false);
    as_mov_imm(a, RAX, reason);
    as_jmp_to(a, to_rw(t, h->leave));
}

static void make_exits(struct tcg *t, struct tcg_host *h, struct as *a)
{
    h->exit_link = here(t, a);
    as_store(a, hot_field(HOT_LEFT), RAX, true);
    as_load(a, RDX, mem_at(RAX, offsetof(struct tcg_link, pc)), true);
    leave_for(t, h, a, LEAVE_LINK);
    h->exit_jump = here(t, a);
    leave_for(t, h, a, LEAVE_JUMP);
    h->exit_request = here(t, a);
    as_load(a, RDX, mem_at(RAX, offsetof(struct tcg_unit, pc)), true);
    leave_for(t, h, a, LEAVE_REQUEST);
    h->exit_dead = here(t, a);
    as_store(a, hot_field(HOT_LEFT), RAX, true);
    as_load(a, RDX, mem_at(RAX, offsetof(struct tcg_unit, pc)), true);
    leave_for(t, h, a, LEAVE_DEAD);
    h->exit_sync = here(t, a);
    leave_for(t, h, a, LEAVE_SYNC);
    h->exit_halt = here(t, a);
    leave_for(t, h, a, LEAVE_HALT);
}

static void constant(struct as *a, uint64_t lo, uint64_t hi)
{
    put64(a, lo);
    put64(a, hi);
}

static void make_constants(struct tcg *t, struct as *a)
{
    constant(a, 0xffffffff00000000u, 0);
    constant(a, 0x8000000000000000u, 0);
    constant(a, 0x80000000u, 0);
    constant(a, 0x7fffffffffffffffu, 0);
    constant(a, 0x7fffffffu, 0);
    for (uint32_t n = 0; n < 4; n++) {
        uint64_t sign = n < t->info->n_profiles &&
                        t->info->profiles[n].default_nan_negative;

        constant(a, sign << 63 | 0x7ff8000000000000u, 0);
        constant(a, sign << 31 | 0x7fc00000u, 0);
    }
}

void make_thunks(struct tcg *t, struct tcg_host *h)
{
    struct as a = {t->code_rw};

    make_constants(t, &a);
    make_enter(t, h, &a);
    h->slow_load = make_slow(t, h, &a, (const void *)tcg_load);
    h->slow_store = make_slow(t, h, &a, (const void *)tcg_store);
    h->slow_eval = make_slow(t, h, &a, (const void *)tcg_eval);
    h->slow_atomic = make_slow(t, h, &a, (const void *)tcg_atomic);
    h->slow_cas = make_slow(t, h, &a, (const void *)tcg_cas);
    h->slow_load_ex = make_slow(t, h, &a, (const void *)tcg_load_ex);
    h->slow_store_ex = make_slow(t, h, &a, (const void *)tcg_store_ex);
    make_call(t, h, &a);
    make_exits(t, h, &a);
    t->thunk_bytes = (uint64_t)(a.p - t->code_rw);
}

/* ---- which guest registers are pinned ---- */

static void detect(struct tcg_host *h)
{
    uint32_t a, b, c, d;

    if (__get_cpuid(1, &a, &b, &c, &d)) {
        h->has_popcnt = c >> 23 & 1;
        h->has_movbe = c >> 22 & 1;
        h->has_sse41 = c >> 19 & 1;
        h->has_cx16 = c >> 13 & 1;
        h->has_pclmul = c >> 1 & 1;
        h->has_avx = c >> 28 & 1 && c >> 27 & 1;
        h->has_fma = h->has_avx && c >> 12 & 1;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        h->has_bmi1 = b >> 3 & 1;
        h->has_bmi2 = b >> 8 & 1;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        h->has_lzcnt = c >> 5 & 1;
}

/* The hottest register of CLS that has no host register yet, or -1. */
static int32_t hottest(const struct tcg *t, const struct tcg_host *h,
                       uint32_t cls)
{
    int32_t best = -1;

    for (uint32_t r = 0; r < t->info->n_regs; r++) {
        const struct tn_reg *k = &t->info->regs[r];

        if (k->cls == cls && k->hotness && h->gregs[r].cacheable &&
            h->gregs[r].host == NO_REG && h->gregs[r].bytes >= 4 &&
            h->gregs[r].bytes <= 8 &&
            (best < 0 || k->hotness > t->info->regs[best].hotness))
            best = (int32_t)r;
    }
    return best;
}

static void describe_registers(struct tcg *t, struct tcg_host *h)
{
    for (uint32_t r = 0; r < t->info->n_regs; r++) {
        const struct tn_reg *k = &t->info->regs[r];
        struct greg *g = &h->gregs[r];

        g->host = NO_REG;
        g->bytes = (uint8_t)((k->bits + 7) / 8);
        g->disp = (int32_t)k->offset - STATE_BIAS;
        g->cacheable = !(k->flags & TN_REG_VOLATILE) && k->alias_of < 0 &&
                       k->role != TN_ROLE_PC && k->role != TN_ROLE_ZERO &&
                       k->bits != 1 && g->bytes <= 8;
    }
    for (uint32_t r = 0; r < t->info->n_regs; r++)
        if (t->info->regs[r].alias_of >= 0)
            h->gregs[t->info->regs[r].alias_of].cacheable = 0;
    for (uint32_t i = 0; i < 16; i++)
        h->pinned_greg[i] = h->xpinned_greg[i] = -1;
    for (uint32_t i = 0; h->has_avx && i < N_XPINNED; i++) {
        int32_t r = hottest(t, h, TN_CLASS_FP);

        if (r < 0 || h->gregs[r].bytes != 8)
            break;
        h->gregs[r].host = (uint8_t)(N_XTEMPS + i);
        h->gregs[r].is_xmm = 1;
        h->xpinned_greg[N_XTEMPS + i] = (int16_t)r;
    }
    for (uint32_t i = 0; i < N_PINNED; i++) {
        int32_t r = hottest(t, h, TN_CLASS_INT);

        if (r < 0)
            break;
        h->gregs[r].host = pin_order[i];
        h->pinned_greg[pin_order[i]] = (int16_t)r;
    }
}

int32_t host_init(struct tcg *t, struct tn_error *error)
{
    struct tcg_host *h = calloc(1, sizeof *h);

    if (!h)
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    t->codegen = h;
    h->gregs = calloc(t->info->n_regs + 1, sizeof *h->gregs);
    if (!h->gregs)
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    detect(h);
    describe_registers(t, h);
    make_thunks(t, h);
    return 0;
}

void host_fini(struct tcg *t)
{
    if (!t->codegen)
        return;
    free(t->codegen->gregs);
    free(t->codegen);
    t->codegen = NULL;
}

/* ---- the way in and out ---- */

uint32_t host_enter(struct tcg_cpu *tc, const void *code)
{
    uint32_t (*enter)(struct tn_cpu *, const void *) =
        (uint32_t(*)(struct tn_cpu *, const void *))(uintptr_t)
            tc->tcg->codegen->enter;

    return enter(tc->cpu, code);
}

#if defined(__SANITIZE_ADDRESS__)
void __asan_handle_no_return(void);
#endif

_Noreturn void host_leave(struct tcg_cpu *tc, uint32_t reason)
{
    void (*leave)(struct tn_cpu *, uint64_t) =
        (void (*)(struct tn_cpu *, uint64_t))(uintptr_t)
            tc->tcg->codegen->leave_c;

#if defined(__SANITIZE_ADDRESS__)
    __asan_handle_no_return();
#endif
    leave(tc->cpu, reason);
    __builtin_unreachable();
}

void host_patch(struct tcg *t, struct tcg_link *link, const uint8_t *target)
{
    uint8_t *body = link->unit->body;
    const uint8_t *to = target ? target : body + link->stub;
    int32_t d = (int32_t)(to - (body + link->field + 4));

    __atomic_store_n((int32_t *)(void *)to_rw(t, body + link->field), d,
                     __ATOMIC_RELEASE);
}

void host_kill(struct tcg *t, struct tcg_unit *u)
{
    uint64_t *at = (uint64_t *)(void *)to_rw(t, u->body);
    uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);
    uint32_t d = u->dead_stub - 5;

    __atomic_store_n(at, (old & 0xffffff0000000000ull) | 0xe9 |
                             (uint64_t)d << 8,
                     __ATOMIC_RELEASE);
}

/* ---- floating-point status ---- */

#define MXCSR_DEFAULT 0x1f80u

static uint32_t get_mxcsr(void)
{
    uint32_t v;

    __asm__ volatile("stmxcsr %0" : "=m"(v));
    return v;
}

static void set_mxcsr(uint32_t v)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(v));
}

void host_fp_begin(struct tcg_cpu *tc)
{
    tc->run_fp_control = get_mxcsr();
    set_mxcsr(MXCSR_DEFAULT);
}

void host_fp_end(struct tcg_cpu *tc)
{
    tc->cpu->fp_flags |= host_fp_flags(tc, true);
    set_mxcsr(tc->run_fp_control);
}

uint32_t host_fp_flags(struct tcg_cpu *tc, bool clear)
{
    uint32_t m = get_mxcsr(), flags = 0;

    (void)tc;
    /* IE 0, DE 1, ZE 2, OE 3, UE 4, PE 5 */
    if (!(m & 0x3d))
        return 0;
    flags = (m & 1 ? TN_FPE_INVALID : 0) | (m & 4 ? TN_FPE_DIVZERO : 0) |
            (m & 8 ? TN_FPE_OVERFLOW : 0) | (m & 16 ? TN_FPE_UNDERFLOW : 0) |
            (m & 32 ? TN_FPE_INEXACT : 0);
    if (clear)
        set_mxcsr(MXCSR_DEFAULT);
    return flags;
}
