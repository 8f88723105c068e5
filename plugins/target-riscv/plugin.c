/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin "target-riscv": its note, properties, life cycle, and the table
 * tenon.target/1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/state.h>

#include "decode.h"

TN_PLUGIN_INFO(riscv_plugin) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, riscv_plugin),
    .info = {TN_PLUGIN_INFO_FAST, .n_components = 1, .id = "target-riscv",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "RISC-V processors, 32 and 64 bits"},
};

#define FEATURE_PROPERTY_(id, name_, doc_)                                     \
    {.name = name_, .type = TN_PROP_BOOL, .doc = doc_ " (default: the model's)"},
#define N_OWN_PROPERTIES 4

TN_COMPONENT_INFO(riscv_info, N_OWN_PROPERTIES + N_FEATURES) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, riscv_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_TARGET,
                                    N_OWN_PROPERTIES + N_FEATURES),
             .id = "riscv",
             .summary = "RISC-V processors, 32 and 64 bits"},
    .properties =
        {
            {.name = "model",
             .type = TN_PROP_ENUM,
             .default_value = "rv64",
             .choices = "rv64|rva20|rv32|max",
             .doc = "CPU model: word size, extensions and MMU to start from"},
            {.name = "mmu",
             .type = TN_PROP_ENUM,
             .choices = "none|sv32|sv39|sv48|sv57",
             .doc = "largest address translation scheme (default: the "
                    "model's)"},
            {.name = "pmp-regions",
             .type = TN_PROP_UINT,
             .default_value = "16",
             .minimum = "0",
             .maximum = "64",
             .doc = "entries of physical memory protection"},
            {.name = "timebase",
             .type = TN_PROP_UINT,
             .default_value = "10000000",
             .minimum = "1000",
             .maximum = "1000000000",
             .unit = "Hz",
             .doc = "frequency of the time CSR"},
            RISCV_FEATURES(FEATURE_PROPERTY_)
        },
};

static const struct tn_cpu_line riscv_lines[] = {
    {"msi"}, {"mti"}, {"mei"}, {"sei"}, {"ssi"}};

static const struct tn_fp_profile riscv_fp_profile = {
    .size = sizeof riscv_fp_profile,
    .nan_rule = TN_NAN_DEFAULT,
    .to_int = TN_TO_INT_SATURATE_NAN_MAX,
};

static int32_t riscv_create(struct tn_host *host, void **self)
{
    struct riscv_target *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->host = host;
    *self = t;
    return 0;
}

static void riscv_destroy(void *self)
{
    free(self);
}

static int32_t configure(void *self, struct tn_error *error)
{
    return riscv_configure(self, error);
}

static void riscv_unrealize(void *self)
{
    struct riscv_target *t = self;

    riscv_decoder_free(t);
    free(t->regs);
    t->regs = NULL;
}

/* State beside the table. PMP addresses before what may lock them. */
static const char *const state_names[] = {
    "priv", "menvcfg", "fcsr",
    "pmpaddr0", "pmpaddr1", "pmpaddr2", "pmpaddr3", "pmpaddr4",
    "pmpaddr5", "pmpaddr6", "pmpaddr7", "pmpaddr8", "pmpaddr9", "pmpaddr10",
    "pmpaddr11", "pmpaddr12", "pmpaddr13", "pmpaddr14", "pmpaddr15",
    "pmpaddr16", "pmpaddr17", "pmpaddr18", "pmpaddr19", "pmpaddr20",
    "pmpaddr21", "pmpaddr22", "pmpaddr23", "pmpaddr24", "pmpaddr25",
    "pmpaddr26", "pmpaddr27", "pmpaddr28", "pmpaddr29", "pmpaddr30",
    "pmpaddr31", "pmpaddr32", "pmpaddr33", "pmpaddr34", "pmpaddr35",
    "pmpaddr36", "pmpaddr37", "pmpaddr38", "pmpaddr39", "pmpaddr40",
    "pmpaddr41", "pmpaddr42", "pmpaddr43", "pmpaddr44", "pmpaddr45",
    "pmpaddr46", "pmpaddr47", "pmpaddr48", "pmpaddr49", "pmpaddr50",
    "pmpaddr51", "pmpaddr52", "pmpaddr53", "pmpaddr54", "pmpaddr55",
    "pmpaddr56", "pmpaddr57", "pmpaddr58", "pmpaddr59", "pmpaddr60",
    "pmpaddr61", "pmpaddr62", "pmpaddr63", "pmpcfg0", "pmpcfg1", "pmpcfg2",
    "pmpcfg3", "pmpcfg4", "pmpcfg5", "pmpcfg6", "pmpcfg7", "pmpcfg8",
    "pmpcfg9", "pmpcfg10", "pmpcfg11", "pmpcfg12", "pmpcfg13", "pmpcfg14",
    "pmpcfg15", "mcountinhibit", "mcycle", "minstret", "stimecmp",
};

static int32_t riscv_realize(void *self, struct tn_error *error)
{
    struct riscv_target *t = self;
    struct tn_target_info *info = &t->info;

    t->clock = tn_service(t->host, TN_HOST_CLOCK);
    *info = (struct tn_target_info){
        .size = sizeof *info,
        .address_bits = t->xlen,
        .phys_bits = t->xlen == 32 ? 34 : 56,
        .page_bits = 12,
        .insn_align = has(t, HAS(C)) ? 2 : 4,
        .max_insn_bytes = 4,
        .state_bytes = sizeof(struct riscv_cpu),
        .n_helpers = N_HELPERS,
        .helper_size = sizeof(struct tn_helper),
        .helpers = riscv_helpers,
        .n_profiles = 1,
        .profiles = &riscv_fp_profile,
        .n_lines = sizeof riscv_lines / sizeof riscv_lines[0],
        .lines = riscv_lines,
        .code_needs_sync = 1,
        .memory_model = TN_MODEL_WEAK,
        .state_names = state_names,
        .n_state_names = sizeof state_names / sizeof *state_names,
    };
    snprintf(info->name, sizeof info->name, "riscv%u", t->xlen);
    if (riscv_make_regs(t) || riscv_decoder_new(t)) {
        riscv_unrealize(t);
        return tn_fail(t->host, error, -ENOMEM, "no memory");
    }
    return 0;
}

static const struct tn_target_info *riscv_target_info(void *self)
{
    return &((struct riscv_target *)self)->info;
}

static int32_t cpu_init(void *self, struct tn_cpu *cpu, struct tn_error *error)
{
    struct riscv_target *t = self;
    struct riscv_cpu *c = riscv_cpu(cpu);

    c->t = t;
    if (riscv_timer_new(c))
        return tn_fail(t->host, error, -ENOMEM, "no memory for a timer");
    riscv_reset(t, cpu, TN_RESET_COLD);
    return 0;
}

static void cpu_fini(void *self, struct tn_cpu *cpu)
{
    (void)self;
    riscv_timer_free(riscv_cpu(cpu));
}

static uint32_t riscv_fetch_mode(void *self, uint64_t key)
{
    (void)self;
    return (key & KEY_FETCH) >> KEY_FETCH_SHIFT;
}

static const char *riscv_lister(void *self)
{
    return ((struct riscv_target *)self)->info.name;
}

static void riscv_resume(void *self, struct tn_cpu *cpu)
{
    struct riscv_cpu *c = riscv_cpu(cpu);

    (void)self;
    riscv_update_key(c);
    riscv_update_virtual(c);
    if (cpu->services && cpu->services->set_space)
        cpu->services->set_space(cpu, riscv_space(c));
    riscv_timer_update(c);
    riscv_counters_resume(c);
}

static const struct tn_target riscv_target_ops = {
    .size = sizeof riscv_target_ops,
    .info = riscv_target_info,
    .cpu_init = cpu_init,
    .cpu_fini = cpu_fini,
    .cpu_reset = riscv_reset,
    .decode = riscv_decode,
    .fetch_mode = riscv_fetch_mode,
    .walk = riscv_walk,
    .irq_pending = riscv_irq_pending,
    .take_irq = riscv_take_irq,
    .take_exception = riscv_take_exception,
    .set_line = riscv_set_line,
    .read_reg = riscv_read_reg,
    .write_reg = riscv_write_reg,
    .describe_cpu = riscv_describe_cpu,
    .lister = riscv_lister,
    .resume = riscv_resume,
};

/* The target has no state beside its CPUs': their registers are saved by
 * name. */
static const struct tn_state riscv_state = {
    .size = sizeof riscv_state,
    .version = 1,
    .oldest = 1,
    .field_size = sizeof(struct tn_field),
};

static const void *riscv_get_interface(void *self, const char *id)
{
    (void)self;
    if (!strcmp(id, TN_TARGET))
        return &riscv_target_ops;
    if (!strcmp(id, TN_RISCV_HARTS))
        return &riscv_harts;
    if (!strcmp(id, TN_STATE))
        return &riscv_state;
    return NULL;
}

static const struct tn_component_ops riscv_component_ops = {
    .size = sizeof riscv_component_ops,
    .create = riscv_create,
    .destroy = riscv_destroy,
    .configure = configure,
    .realize = riscv_realize,
    .unrealize = riscv_unrealize,
    .get_interface = riscv_get_interface,
};

TN_COMPONENT(riscv_component, riscv_info, riscv_component_ops);

TN_PLUGIN_ENTRY_FAST(riscv_plugin, &riscv_component)
