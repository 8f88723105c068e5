/* SPDX-License-Identifier: Apache-2.0 */
/* The component, vCPU life cycle, and the loop each vCPU thread runs. */
#include "interp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the run loop ---- */

/* Look at interrupts; returns TN_IRQ_* of what remains. */
static uint32_t handle_interrupts(struct icpu *ic)
{
    struct interp *in = ic->in;
    uint32_t pending;

    ic->check_irq = false;
    __atomic_fetch_and(&ic->cpu->request, ~TN_CPU_IRQ, __ATOMIC_SEQ_CST);
    pending = in->target->irq_pending(in->target_self, ic->cpu);
    if (pending & TN_IRQ_TAKE)
        in->target->take_irq(in->target_self, ic->cpu);
    return pending;
}

/* Wait, outside, for an interrupt or a request to stop. */
static void halt(struct icpu *ic)
{
    while (!(handle_interrupts(ic) & TN_IRQ_WAKE)) {
        if (__atomic_load_n(&ic->cpu->request, __ATOMIC_SEQ_CST) &
            TN_CPU_STOP)
            return;
        __atomic_fetch_and(&ic->cpu->request, ~TN_CPU_WORK, __ATOMIC_SEQ_CST);
        sync_leave(ic);
        sync_wait_request(ic->cpu);
        sync_enter(ic);
    }
}

/* True if run() must return. */
static bool handle_requests(struct icpu *ic)
{
    uint32_t request = __atomic_load_n(&ic->cpu->request, __ATOMIC_SEQ_CST);

    if (request & TN_CPU_WORK) {
        __atomic_fetch_and(&ic->cpu->request, ~TN_CPU_WORK, __ATOMIC_SEQ_CST);
        sync_leave(ic);
        sync_enter(ic);
    }
    if (request & TN_CPU_STOP)
        return true;
    if (request & TN_CPU_IRQ || ic->check_irq)
        handle_interrupts(ic);
    return false;
}

static void deliver(struct icpu *ic)
{
    struct tn_exception e = ic->exception;

    ic->reserved = NULL;
    set_pc(ic, e.pc);
    ic->in->target->take_exception(ic->in->target_self, ic->cpu, &e);
    ic->check_irq = true;
}

static int32_t interp_run(void *self, struct tn_cpu *cpu)
{
    struct icpu *ic = icpu_of(cpu);

    (void)self;
    ic->check_irq = true;
    sync_enter(ic);
    if (_setjmp(ic->unwind)) {
        if (ic->failed)
            set_pc(ic, ic->insn_pc); /* an operation that cannot be done */
        else
            deliver(ic); /* the target may raise no further one there */
    }
    while (!ic->failed) {
        const struct unit *unit;

        if ((__atomic_load_n(&cpu->request, __ATOMIC_RELAXED) ||
             ic->check_irq) &&
            handle_requests(ic))
            break;
        ic->insn_pc = get_pc(ic);
        unit = unit_lookup(ic, ic->insn_pc);
        if (!unit)
            deliver(ic);
        else if (exec_unit(ic, unit))
            halt(ic);
    }
    sync_leave(ic);
    __atomic_fetch_and(&cpu->request, ~TN_CPU_STOP, __ATOMIC_SEQ_CST);
    return ic->failed ? TN_RUN_FAILED : TN_RUN_STOPPED;
}

/* ---- vCPUs ---- */

static void icpu_free(struct icpu *ic)
{
    unit_flush(ic);
    for (uint32_t i = 0; i < N_MODES; i++)
        free(ic->tlb[i]);
    free(ic->scratch.ops);
    free(ic->values);
    free(ic->cpu);
    free(ic);
}

static int32_t interp_vcpu_new(void *self, uint32_t index, struct tn_cpu **cpu,
                               struct tn_error *error)
{
    struct interp *in = self;
    struct icpu *ic = calloc(1, sizeof *ic);
    size_t bytes = ((size_t)in->info->state_bytes + 63) & ~(size_t)63;
    int32_t r;

    if (!ic)
        return -ENOMEM;
    ic->in = in;
    ic->cpu = aligned_alloc(64, bytes);
    ic->scratch.size = sizeof ic->scratch;
    ic->scratch.max_ops = MAX_OPS;
    ic->scratch.ops = calloc(MAX_OPS, sizeof *ic->scratch.ops);
    ic->values = calloc(MAX_OPS, sizeof *ic->values);
    if (!ic->cpu || !ic->scratch.ops || !ic->values) {
        icpu_free(ic);
        return -ENOMEM;
    }
    memset(ic->cpu, 0, bytes);
    ir_fp_init(&ic->fp, in->info);
    ic->cpu->index = index;
    ic->cpu->services = &interp_services;
    ic->cpu->target = in->target_self;
    ic->cpu->accel = ic;
    r = in->target->cpu_init(in->target_self, ic->cpu, error);
    if (r < 0) {
        icpu_free(ic);
        return r;
    }
    in->cpus[index] = ic;
    *cpu = ic->cpu;
    return 0;
}

static void interp_vcpu_free(void *self, struct tn_cpu *cpu)
{
    struct interp *in = self;
    struct icpu *ic = icpu_of(cpu);

    in->target->cpu_fini(in->target_self, cpu);
    in->cpus[cpu->index] = NULL;
    icpu_free(ic);
}

static void interp_vcpu_changed(void *self, struct tn_cpu *cpu)
{
    (void)self;
    icpu_of(cpu)->reserved = NULL;
    mem_flush(icpu_of(cpu), 0, 0);
}

static void interp_request(void *self, struct tn_cpu *cpu, uint32_t bits)
{
    (void)self;
    sync_request(cpu, bits);
}

/* ---- the machine's news ---- */

static void interp_code_written(void *self, uint64_t ram_offset, uint64_t bytes)
{
    struct interp *in = self;
    uint64_t last = (ram_offset + (bytes ? bytes - 1 : 0)) >> PAGE_BITS;

    for (uint64_t page = ram_offset >> PAGE_BITS; page <= last; page++)
        mem_code_written(in, page);
}

static void flush_one(struct icpu *ic, void *opaque)
{
    (void)opaque;
    mem_flush(ic, 0, 0);
}

/* Called by vCPU threads from device callbacks too, where they are outside. */
static void interp_map_changed(void *self)
{
    sync_exclusive(self, NULL, flush_one, NULL);
}

static void interp_dirty_log_started(void *self)
{
    (void)self; /* every store looks at the page's flags */
}

static int32_t interp_statistics(void *self, char *text, uint32_t bytes)
{
    struct interp *in = self;
    uint64_t insns = 0;

    for (uint32_t i = 0; i < in->n_cpus; i++)
        if (in->cpus[i])
            insns += atomic_load(&in->cpus[i]->n_insns);
    snprintf(text, bytes, "%llu guest instructions",
             (unsigned long long)insns);
    return 0;
}

/* ---- the component ---- */

static int32_t find_pc(struct interp *in, struct tn_error *error)
{
    for (uint32_t i = 0; i < in->info->n_regs; i++)
        if (in->info->regs[i].role == TN_ROLE_PC) {
            in->pc_offset = in->info->regs[i].offset;
            in->pc_bytes = in->info->regs[i].bits / 8;
            return 0;
        }
    return tn_fail(in->host, error, -EINVAL,
                   "target %s has no program counter register",
                   in->info->name);
}

static int32_t interp_attach(void *self, const struct tn_target *target,
                             void *target_self, uint32_t n_cpus,
                             struct tn_error *error)
{
    struct interp *in = self;

    in->target = target;
    in->target_self = target_self;
    in->info = target->info(target_self);
    in->mem = tn_service(in->host, TN_HOST_GUESTMEM);
    if (!in->mem)
        return tn_fail(in->host, error, -ENOTSUP,
                       "the host has no guest memory service");
    in->n_pages = (in->mem->ram_bytes(in->host) + PAGE_MASK) >> PAGE_BITS;
    in->page_version = calloc(in->n_pages ? in->n_pages : 1,
                              sizeof *in->page_version);
    in->cpus = calloc(n_cpus, sizeof *in->cpus);
    in->n_cpus = n_cpus;
    if (!in->page_version || !in->cpus)
        return -ENOMEM;
    return find_pc(in, error);
}

static int32_t interp_create(struct tn_host *host, void **self)
{
    struct interp *in = calloc(1, sizeof *in);

    if (!in)
        return -ENOMEM;
    in->host = host;
    pthread_mutex_init(&in->exclusive_lock, NULL);
    pthread_mutex_init(&in->state_lock, NULL);
    pthread_cond_init(&in->state_changed, NULL);
    *self = in;
    return 0;
}

static void interp_destroy(void *self)
{
    struct interp *in = self;

    free(in->page_version);
    free(in->cpus);
    pthread_cond_destroy(&in->state_changed);
    pthread_mutex_destroy(&in->state_lock);
    pthread_mutex_destroy(&in->exclusive_lock);
    free(in);
}

static int32_t interp_configure(void *self, struct tn_error *error)
{
    struct interp *in = self;
    const struct tn_props *props = tn_service(in->host, TN_HOST_PROPS);

    (void)error;
    in->max_insns = (uint32_t)props->get_uint(in->host, "max-insns");
    in->verify = (uint32_t)props->get_uint(in->host, "verify");
    return 0;
}

static const struct tn_accel interp_accel = {
    .size = sizeof interp_accel,
    .attach = interp_attach,
    .vcpu_new = interp_vcpu_new,
    .vcpu_free = interp_vcpu_free,
    .vcpu_changed = interp_vcpu_changed,
    .run = interp_run,
    .request = interp_request,
    .code_written = interp_code_written,
    .map_changed = interp_map_changed,
    .dirty_log_started = interp_dirty_log_started,
    .statistics = interp_statistics,
};

static const void *interp_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_ACCEL) == 0 ? &interp_accel : NULL;
}

static const struct tn_component_ops interp_ops = {
    .size = sizeof interp_ops,
    .create = interp_create,
    .destroy = interp_destroy,
    .configure = interp_configure,
    .get_interface = interp_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_FAST,
             .n_components = 1,
             .id = "accel-interp",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Interpreter of the intermediate representation"},
};

TN_COMPONENT_INFO(interp_info, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, interp_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_ACCEL, 2),
             .flags = TN_COMPONENT_PARALLEL,
             .id = "interp",
             .summary = "Interprets guest code; works on every host"},
    .properties =
        {
            {.name = "max-insns",
             .type = TN_PROP_UINT,
             .default_value = "32",
             .minimum = "1",
             .maximum = "128",
             .doc = "Guest instructions decoded at a time"},
            {.name = "verify",
             .type = TN_PROP_BOOL,
             .default_value = "false",
             .doc = "Check every decoded unit against the rules of the IR"},
        },
};

TN_COMPONENT(interp_component, interp_info, interp_ops);

TN_PLUGIN_ENTRY_FAST(plugin_info, &interp_component)
