/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control flow: labels, branches, exits; the unit's entries.
 *
 * A direct exit is a jump whose displacement is aligned, so that it is changed
 * with one store; until it is linked it goes to a stub behind the unit. A
 * branch to a label where only a direct exit stands is such a jump itself.
 */
#include "gen.h"

struct cold *add_cold(struct gen *g, uint32_t kind)
{
    struct cold *c = &g->cold[g->n_cold];

    if (g->n_cold + 1 < g->max_cold)
        g->n_cold++;
    else
        gen_fail(g);
    memset(c, 0, sizeof *c);
    c->kind = (uint8_t)kind;
    c->op = g->op;
    c->insn = g->insn;
    return c;
}

void add_site(struct gen *g)
{
    struct tcg_site *s = &g->site[g->n_site];

    if (g->n_site + 1 < g->max_site)
        g->n_site++;
    else
        gen_fail(g);
    s->host_offset = (uint32_t)(g->as.p - g->body);
    s->pc_offset = (int32_t)(g->insn_pc[g->insn] - g->ir->pc);
    s->info = g->insn_info[g->insn];
}

/* Align so that the rel32 of a jump with SKIP opcode bytes is aligned. */
static void align_field(struct gen *g, uint32_t skip)
{
    uintptr_t at = (uintptr_t)g->as.p + skip;

    as_nop(&g->as, (uint32_t)(-at & 3u));
}

static void add_link(struct gen *g, uint8_t *field, uint64_t pc)
{
    struct cold *c = add_cold(g, COLD_LINK);
    struct tcg_link *l = &g->u->links[g->n_link++];

    c->from[0] = field;
    c->imm = (uint64_t)(uintptr_t)l;
    *l = (struct tcg_link){.unit = g->u, .pc = pc,
                           .field = (uint32_t)(field - g->body)};
}

static uint64_t exit_pc(const struct tn_ir_op *o)
{
    return o->a | (uint64_t)o->b << 32;
}

static void gen_exit(struct gen *g, const struct tn_ir_op *o)
{
    align_field(g, 1);
    add_link(g, as_jmp(&g->as), exit_pc(o));
}

/* pc to RDX and out through thunk TO. */
static void gen_exit_to(struct gen *g, uint64_t pc, const uint8_t *to)
{
    as_mov_imm(&g->as, RDX, pc);
    as_jmp_to(&g->as, to_rw(g->t, to));
}

static void gen_exit_reg(struct gen *g, const struct tn_ir_op *o)
{
    uint32_t align = g->t->info->insn_align, shift;
    uint8_t *miss;

    use_into(g, o->a, RDX);
    claim_temp(g, RAX);
    claim_temp(g, RCX);
    if (g->t->info->address_bits == 32)
        as_rr(&g->as, 0x8b, RDX, RDX);
    shift = align >= 4 ? 2 : align == 2 ? 1 : 0;
    as_load(&g->as, RCX, hot_field(HOT_JUMPS), true);
    as_mov(&g->as, RAX, RDX, true);
    as_shift_imm(&g->as, SH_SHR, RAX, JUMP_FOLD, true);
    as_alu(&g->as, ALU_XOR, RAX, RDX, false);
    as_alu_imm(&g->as, ALU_AND, RAX,
               (int32_t)((JUMP_ENTRIES - 1) << shift), false);
    as_shift_imm(&g->as, SH_SHL, RAX, 4 - shift, false);
    as_rm(&g->as, 0x3b | OP_W, RDX, mem_sum(RCX, RAX, 0));
    miss = as_jcc(&g->as, CC_NE);
    as_fix(miss, to_rw(g->t, g->h->exit_jump));
    as_rm(&g->as, 0xff, 4, mem_sum(RCX, RAX, 8));
}

static void gen_trap(struct gen *g, const struct tn_ir_op *o)
{
    as_rm(&g->as, 0xc7 | OP_W, 0, frame_mem(FRAME_ARGS));
    put32(&g->as, o->a);
    if (o->b != TN_NONE) {
        use_into_mem(g, o->b, frame_mem(FRAME_ARGS + 8));
    } else {
        as_rm(&g->as, 0xc7 | OP_W, 0, frame_mem(FRAME_ARGS + 8));
        put32(&g->as, 0);
    }
    as_mov_imm(&g->as, RAX, (uint64_t)(uintptr_t)tcg_trap);
    as_call_to(&g->as, to_rw(g->t, g->h->call));
    add_site(g);
}

/* The direct exit that is all there is at LABEL, or NULL. */
static const struct tn_ir_op *exit_at_label(struct gen *g, uint32_t label)
{
    for (uint32_t i = g->label_op[label] + 1; i < g->ir->n_ops; i++) {
        const struct tn_ir_op *o = ir_at(g, i);

        if (o->op == TN_OP_EXIT)
            return o;
        if (o->op != TN_OP_NOP && o->op != TN_OP_CONST)
            return NULL;
    }
    return NULL;
}

static void fix_label(struct gen *g, uint8_t *field, uint32_t label)
{
    g->label_insn[label] = g->insn;
    if (g->label_at[label]) {
        as_fix(field, g->label_at[label]);
    } else if (g->n_fix < g->max_fix) {
        g->fix[g->n_fix].field = field;
        g->fix[g->n_fix++].label = label;
    } else {
        gen_fail(g);
    }
}

static void gen_brcc(struct gen *g, const struct tn_ir_op *o)
{
    uint32_t cc = gen_compare(g, o->type, o->flags, o->a, o->b);
    const struct tn_ir_op *exit = exit_at_label(g, o->c);

    if (exit && g->n_link < g->u->n_links) {
        align_field(g, 2);
        add_link(g, as_jcc(&g->as, cc), exit_pc(exit));
        g->label_refs[o->c]--;
    } else {
        fix_label(g, as_jcc(&g->as, cc), o->c);
    }
}

/* A place that control comes to by jumps, and perhaps from above. */
static void gen_label(struct gen *g, uint32_t label)
{
    begin_block(g);
    /* Reached by jumps only: still the instruction they are in. */
    if (g->unreachable && g->label_refs[label])
        g->insn = g->label_insn[label];
    g->label_at[label] = g->as.p;
    g->unreachable = g->unreachable && g->label_refs[label] == 0;
}

static void gen_local(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    struct mem m = frame_mem(FRAME_LOCALS + 16 * (int32_t)o->a);
    uint32_t t;

    if (o->op == TN_OP_SETL) {
        use_into_mem(g, o->b, m);
        return;
    }
    if (g->val[i].is_wide) {
        struct mem to = def_slot(g, i);

        t = alloc_temp(g);
        for (int k = 0; k < 2; k++) {
            as_load(&g->as, t, m, true);
            as_store(&g->as, to, t, true);
            m.disp += 8;
            to.disp += 8;
        }
        return;
    }
    t = alloc_temp(g);
    as_load(&g->as, t, m, true);
    def_in(g, i, t);
}

bool gen_control(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    switch (o->op) {
    case TN_OP_LABEL:
        gen_label(g, o->a);
        return true;
    case TN_OP_JUMP:
        fix_label(g, as_jmp(&g->as), o->a);
        return true;
    case TN_OP_BRCC:
        gen_brcc(g, o);
        return true;
    case TN_OP_GETL:
    case TN_OP_SETL:
        gen_local(g, i, o);
        return true;
    case TN_OP_EXIT:
        gen_exit(g, o);
        return true;
    case TN_OP_EXIT_REG:
        gen_exit_reg(g, o);
        return true;
    case TN_OP_EXIT_SYNC:
        gen_exit_to(g, exit_pc(o), g->h->exit_sync);
        return true;
    case TN_OP_EXIT_HALT:
        gen_exit_to(g, exit_pc(o), g->h->exit_halt);
        return true;
    case TN_OP_EXIT_TRAP:
        gen_trap(g, o);
        return true;
    default:
        return false;
    }
}

/* cmp dword [space + exec_id of the page], id; jne out */
static uint8_t *check_page(struct gen *g, uint64_t page, uint32_t id)
{
    uint32_t mode = g->tc->fetch_mode;
    uint32_t index = page >> PAGE_BITS & (EXEC_ENTRIES - 1);

    put8(&g->as, 0x41);
    put8(&g->as, 0x81);
    put8(&g->as, 0xbd);
    put32(&g->as, (uint32_t)offsetof(struct tcg_space, exec_id) +
                      4 * (mode * EXEC_ENTRIES + index));
    put32(&g->as, id);
    return as_jcc(&g->as, CC_NE);
}

/* Both entries. The first instruction of the body has five bytes, so that it
 * can be replaced by a jump with one store while others run it. */
void gen_entry(struct gen *g)
{
    struct cold *c = add_cold(g, COLD_DEAD);
    uint8_t *p = g->as.p;
    uintptr_t body = ((uintptr_t)p + CHECKED_BYTES + 15) & ~(uintptr_t)15;

    as_nop(&g->as, (uint32_t)(body - CHECKED_BYTES - (uintptr_t)p));
    c->from[0] = check_page(g, g->u->pc & ~PAGE_MASK, g->u->exec_id[0]);
    g->body = g->as.p;
    as_rm(&g->as, 0x83, ALU_CMP, mem_at(STATE, -STATE_BIAS));
    put8(&g->as, 0);
    add_cold(g, COLD_REQUEST)->from[0] = as_jcc(&g->as, CC_NE);
    if (g->u->ram_page[1] != UINT64_MAX)
        c->from[1] = check_page(g, (g->u->pc | PAGE_MASK) + 1,
                                g->u->exec_id[1]);
}

static void gen_cold_exit(struct gen *g, struct cold *c)
{
    uint64_t what = c->kind == COLD_LINK ? c->imm : (uintptr_t)g->u;
    const uint8_t *to = c->kind == COLD_LINK      ? g->h->exit_link
                        : c->kind == COLD_REQUEST ? g->h->exit_request
                                                  : g->h->exit_dead;

    as_fix(c->from[0], g->as.p);
    if (c->from[1])
        as_fix(c->from[1], g->as.p);
    if (c->kind == COLD_LINK)
        ((struct tcg_link *)(uintptr_t)c->imm)->stub =
            (uint32_t)(g->as.p - g->body);
    else if (c->kind == COLD_DEAD)
        g->u->dead_stub = (uint32_t)(g->as.p - g->body);
    as_mov_imm(&g->as, RAX, what);
    as_jmp_to(&g->as, to_rw(g->t, to));
}

void gen_cold(struct gen *g)
{
    uint32_t n = g->n_cold;

    for (uint32_t i = 0; i < n; i++) {
        struct cold *c = &g->cold[i];

        if (c->kind == COLD_LOAD || c->kind == COLD_STORE)
            gen_cold_mem(g, c);
        else if (c->kind == COLD_ATOMIC)
            gen_cold_atomic(g, c);
        else if (c->kind == COLD_FP)
            gen_cold_fp(g, c);
        else
            gen_cold_exit(g, c);
    }
}
