/* SPDX-License-Identifier: Apache-2.0 */
/* The component: properties, attaching a target, vCPUs, the machine's news. */
#include "accel-tcg.h"
#include "tcg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- vCPUs ---- */

static void cpu_free(struct tcg_cpu *tc)
{
    tlb_free(tc);
    for (uint32_t i = 0; i < N_JUMP_CACHES; i++)
        free(tc->jump_caches[i]);
    host_gen_free(tc->gen);
    free(tc->ir.ops);
    free(tc->cpu);
    free(tc);
}

static int32_t tcg_vcpu_new(void *self, uint32_t index, struct tn_cpu **cpu,
                            struct tn_error *error)
{
    struct tcg *t = self;
    struct tcg_cpu *tc = calloc(1, sizeof *tc);
    size_t bytes = ((size_t)t->info->state_bytes + 63) & ~(size_t)63;
    int32_t r;

    if (!tc)
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    tc->tcg = t;
    tc->cpu = aligned_alloc(64, bytes);
    tc->ir.ops = calloc(MAX_OPS, sizeof *tc->ir.ops);
    tc->gen = host_gen_new(t);
    if (tc->cpu) {
        memset(tc->cpu, 0, bytes);
        tlb_set_space(tc, 0);
    }
    if (!tc->cpu || !tc->ir.ops || !tc->gen || !tc->space) {
        cpu_free(tc);
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    }
    ir_fp_init(&tc->fp, t->info);
    tc->cpu->index = index;
    tc->cpu->services = &tcg_services;
    tc->cpu->target = t->target_self;
    tc->cpu->accel = tc;
    tc->cpu->accel_hot[HOT_RES_ADDR] = UINT64_MAX;
    r = t->target->cpu_init(t->target_self, tc->cpu, error);
    if (r < 0) {
        cpu_free(tc);
        return r;
    }
    t->cpus[index] = tc;
    *cpu = tc->cpu;
    return 0;
}

static void tcg_vcpu_free(void *self, struct tn_cpu *cpu)
{
    struct tcg *t = self;
    struct tcg_cpu *tc = tcg_cpu_of(cpu);

    t->target->cpu_fini(t->target_self, cpu);
    if (t->log & LOG_STATS)
        log_statistics(tc);
    t->cpus[cpu->index] = NULL;
    cpu_free(tc);
}

static void tcg_vcpu_changed(void *self, struct tn_cpu *cpu)
{
    struct tcg_cpu *tc = tcg_cpu_of(cpu);

    (void)self;
    tlb_flush_all(tc);
    tc->halted = false;
    cpu->accel_hot[HOT_LEFT] = 0;
    cpu->accel_hot[HOT_RES_ADDR] = UINT64_MAX;
}

static void tcg_request(void *self, struct tn_cpu *cpu, uint32_t bits)
{
    (void)self;
    sync_request(cpu, bits);
}

/* ---- the machine's news ---- */

static void tcg_code_written(void *self, uint64_t ram_offset, uint64_t bytes)
{
    struct tcg *t = self;
    uint64_t at = ram_offset, end = ram_offset + bytes;

    while (at < end) {
        uint64_t page_end = (at | PAGE_MASK) + 1;
        uint64_t last = (end < page_end ? end : page_end) - 1;

        cache_written(t, at >> PAGE_BITS, at & PAGE_MASK, last & PAGE_MASK,
                      NULL);
        at = page_end;
    }
}

static void flush_each(struct tcg *t, void *opaque)
{
    (void)opaque;
    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (t->cpus[i]) {
            t->cpus[i]->ram.size = 0;
            tlb_flush_all(t->cpus[i]);
        }
}

static void tcg_map_changed(void *self)
{
    sync_exclusive(self, NULL, flush_each, NULL);
}

static void drop_writes_each(struct tcg *t, void *opaque)
{
    (void)opaque;
    for (uint32_t i = 0; i < t->n_cpus; i++)
        if (t->cpus[i])
            tlb_drop_all_writes(t->cpus[i]);
}

static void tcg_dirty_log_started(void *self)
{
    sync_exclusive(self, NULL, drop_writes_each, NULL);
}

static int32_t tcg_statistics(void *self, char *text, uint32_t bytes)
{
    struct tcg *t = self;
    struct tcg_cpu s = {0};

    for (uint32_t i = 0; i < t->n_cpus; i++) {
        const struct tcg_cpu *tc = t->cpus[i];

        if (!tc)
            continue;
        s.n_units += tc->n_units;
        s.n_insns += tc->n_insns;
        s.n_code_bytes += tc->n_code_bytes;
        s.n_lookups += tc->n_lookups;
        s.n_exits += tc->n_exits;
        s.n_slow_loads += tc->n_slow_loads;
        s.n_slow_stores += tc->n_slow_stores;
        s.n_walks += tc->n_walks;
        s.n_flushes += tc->n_flushes;
    }
    snprintf(text, bytes,
             "units %llu of %llu instructions, %llu bytes; entered %llu, "
             "looked up %llu; slow loads %llu, stores %llu; page walks %llu, "
             "flushes %llu",
             (unsigned long long)s.n_units, (unsigned long long)s.n_insns,
             (unsigned long long)s.n_code_bytes, (unsigned long long)s.n_exits,
             (unsigned long long)s.n_lookups,
             (unsigned long long)s.n_slow_loads,
             (unsigned long long)s.n_slow_stores,
             (unsigned long long)s.n_walks, (unsigned long long)s.n_flushes);
    return 0;
}

/* ---- attaching ---- */

static int32_t open_logs(struct tcg *t, const struct tn_props *props,
                         struct tn_error *error)
{
    const char *name = props->get_string(t->host, "log-file");

    t->log_file = stderr;
    if (t->log && name && *name) {
        t->log_file = fopen(name, "w");
        if (!t->log_file)
            return tn_fail(t->host, error, -errno, "%s: %s", name,
                           strerror(errno));
    }
    if (props->get_uint(t->host, "perf-map")) {
        char path[64];

        snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
        t->perf_map = fopen(path, "w");
    }
    return 0;
}

static int32_t tcg_attach(void *self, const struct tn_target *target,
                          void *target_self, uint32_t n_cpus,
                          struct tn_error *error)
{
    struct tcg *t = self;
    int32_t r;

    t->target = target;
    t->target_self = target_self;
    t->info = target->info(target_self);
    t->mem = tn_service(t->host, TN_HOST_GUESTMEM);
    if (!t->mem)
        return tn_fail(t->host, error, -ENOTSUP,
                       "the host has no guest memory service");
    if (t->info->reg_size != sizeof(struct tn_reg) ||
        t->info->helper_size != sizeof(struct tn_helper) ||
        t->info->page_bits < PAGE_BITS)
        return tn_fail(t->host, error, -ENOTSUP,
                       "target %s does not fit this accelerator",
                       t->info->name);
    for (uint32_t i = 0; i < t->info->n_regs; i++)
        if (t->info->regs[i].role == TN_ROLE_PC) {
            t->pc_offset = t->info->regs[i].offset;
            t->pc_bytes = t->info->regs[i].bits / 8;
        }
    if (!t->pc_bytes)
        return tn_fail(t->host, error, -ENOTSUP,
                       "target %s has no program counter", t->info->name);
    t->address_mask = t->info->address_bits == 32 ? UINT32_MAX : UINT64_MAX;
    t->cpus = calloc(n_cpus, sizeof(struct tcg_cpu *));
    if (!t->cpus)
        return tn_fail(t->host, error, -ENOMEM, "out of memory");
    t->n_cpus = n_cpus;
    if (t->log & (LOG_GUEST | LOG_HOST))
        list_init(t);
    r = cache_init(t, error);
    return r < 0 ? r : host_init(t, error);
}

/* ---- component ---- */

static int32_t tcg_create(struct tn_host *host, void **self)
{
    struct tcg *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->host = host;
    t->code_fd = -1;
    pthread_mutex_init(&t->translate_lock, NULL);
    pthread_mutex_init(&t->exclusive_lock, NULL);
    pthread_mutex_init(&t->state_lock, NULL);
    pthread_cond_init(&t->state_changed, NULL);
    *self = t;
    return 0;
}

static void tcg_destroy(void *self)
{
    struct tcg *t = self;

    host_fini(t);
    cache_fini(t);
    gdb_forget(t);
    list_fini(t);
    free(t->cpus);
    if (t->log_file && t->log_file != stderr)
        fclose(t->log_file);
    if (t->perf_map)
        fclose(t->perf_map);
    pthread_mutex_destroy(&t->translate_lock);
    pthread_mutex_destroy(&t->exclusive_lock);
    pthread_mutex_destroy(&t->state_lock);
    pthread_cond_destroy(&t->state_changed);
    free(t);
}

static const struct {
    const char *name;
    uint32_t bit;
} log_names[] = {
    {"guest", LOG_GUEST}, {"ir", LOG_IR},   {"host", LOG_HOST},
    {"exec", LOG_EXEC},   {"int", LOG_INT}, {"stats", LOG_STATS},
};

static int32_t read_log(struct tcg *t, const struct tn_props *props,
                        struct tn_error *error)
{
    uint32_t n = props->count(t->host, "log");

    for (uint32_t i = 0; i < n; i++) {
        const char *item = props->get_item(t->host, "log", i);
        uint32_t bit = 0;

        for (size_t k = 0; k < sizeof log_names / sizeof *log_names; k++)
            if (item && !strcmp(item, log_names[k].name))
                bit = log_names[k].bit;
        if (!bit && item && *item)
            return tn_fail(t->host, error, -EINVAL,
                           "log: '%s' is none of guest, ir, host, exec, int, "
                           "stats",
                           item);
        t->log |= bit;
    }
    return 0;
}

static int32_t tcg_configure(void *self, struct tn_error *error)
{
    struct tcg *t = self;
    const struct tn_props *p = tn_service(t->host, TN_HOST_PROPS);
    int32_t r;

    t->cache_size = p->get_uint(t->host, "cache-size");
    t->max_insns = (uint32_t)p->get_uint(t->host, "max-insns");
    t->chain = p->get_uint(t->host, "chain") != 0;
    t->gdb_symbols = p->get_uint(t->host, "gdb-symbols") != 0;
    t->verify = p->get_uint(t->host, "verify") != 0;
    t->flush_every = (uint32_t)p->get_uint(t->host, "cache-flush-every");
    r = read_log(t, p, error);
    return r < 0 ? r : open_logs(t, p, error);
}

static const struct tn_accel accel = {
    .size = sizeof accel,
    .attach = tcg_attach,
    .vcpu_new = tcg_vcpu_new,
    .vcpu_free = tcg_vcpu_free,
    .vcpu_changed = tcg_vcpu_changed,
    .run = tcg_run,
    .request = tcg_request,
    .code_written = tcg_code_written,
    .map_changed = tcg_map_changed,
    .dirty_log_started = tcg_dirty_log_started,
    .statistics = tcg_statistics,
};

static const void *tcg_get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_ACCEL) == 0 ? &accel : NULL;
}

const struct tn_component_ops tcg_component_ops = {
    .size = sizeof tcg_component_ops,
    .create = tcg_create,
    .destroy = tcg_destroy,
    .configure = tcg_configure,
    .get_interface = tcg_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_FAST, .n_components = 1, .id = "accel-tcg",
             .version = "0.1", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "dynamic translator"},
};

TN_COMPONENT_INFO(component_info, 9) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, component_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_ACCEL, 9),
             .flags = TN_COMPONENT_PARALLEL, .id = "tcg",
             .summary = "Translates guest code to code of this host"},
    .properties =
        {
            {.name = "cache-size", .type = TN_PROP_SIZE,
             .default_value = "256M", .minimum = "4M", .maximum = "1G",
             .unit = "bytes", .doc = "Room for translated code"},
            {.name = "max-insns", .type = TN_PROP_UINT, .default_value = "48",
             .minimum = "1", .maximum = "256",
             .doc = "Most guest instructions in one translation"},
            {.name = "chain", .type = TN_PROP_BOOL, .default_value = "true",
             .doc = "Let translations jump to each other"},
            {.name = "verify", .type = TN_PROP_BOOL, .default_value = "false",
             .doc = "Check the intermediate code of each translation"},
            {.name = "cache-flush-every", .type = TN_PROP_UINT,
             .default_value = "0", .maximum = "1000000000",
             .doc = "Throw all translations away after so many entries; 0: "
                    "when the room is used up"},
            {.name = "log", .type = TN_PROP_STRING, .flags = TN_PROP_LIST,
             .doc = "What to write down: guest, ir, host, exec, int, stats"},
            {.name = "log-file", .type = TN_PROP_PATH,
             .doc = "Where to write it; standard error if not set"},
            {.name = "perf-map", .type = TN_PROP_BOOL,
             .default_value = "false",
             .doc = "Write /tmp/perf-PID.map for perf(1)"},
            {.name = "gdb-symbols", .type = TN_PROP_BOOL,
             .default_value = "false",
             .doc = "Tell a debugger of this process the names of "
                    "translations"},
        },
};

static const struct tn_component tcg = {
    .size = sizeof tcg, .info = &component_info.info, .ops = &tcg_component_ops};
static const struct tn_component *const components[] = {&tcg};
static const struct tn_plugin plugin = {.size = sizeof plugin,
                                        .info = &plugin_info.info,
                                        .components = components};

TN_EXPORT const struct tn_plugin *
tenon_plugin_entry(const struct tn_entry_args *args)
{
    return args->abi_major == TN_ABI_MAJOR &&
                   args->fast_major == TN_FAST_MAJOR
               ? &plugin
               : NULL;
}
