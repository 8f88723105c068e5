/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up components. create() gives the struct fake itself as SELF; it is
 * found by the instance's id.
 */
#include "core/machine/machine-test.h"

#include <errno.h>
#include <string.h>

atomic_uint fake_runs, fake_running, fake_code_writes;

static struct fake *known[64];
static guint n_known;

static struct fake *find_fake(const char *id)
{
    for (guint i = 0; i < n_known; i++)
        if (!strcmp(known[i]->id, id))
            return known[i];
    return NULL;
}

static int32_t create(struct tn_host *host, void **self)
{
    struct fake *fake = find_fake(tn_host_description(host)->id);

    if (!fake)
        return -ENOMEM;
    fake->host = host;
    *self = fake;
    return 0;
}

static void destroy(void *self)
{
    ((struct fake *)self)->host = NULL;
}

static struct tn_instance_desc *instance_desc(struct fake *fake)
{
    struct tn_instance_desc *desc = g_new0(struct tn_instance_desc, 1);
    struct tn_component_entry *entry = g_new0(struct tn_component_entry, 1);

    known[n_known++] = fake;
    g_assert(n_known < G_N_ELEMENTS(known));
    entry->loaded = TRUE;
    entry->info.kind = fake->kind ? fake->kind : TN_KIND_DEVICE;
    entry->info.flags = fake->flags;
    g_strlcpy(entry->info.id, fake->id, sizeof entry->info.id);
    entry->ops = (struct tn_component_ops){
        .size = sizeof entry->ops,
        .create = create,
        .destroy = destroy,
        .configure = fake->configure,
        .realize = fake->realize,
        .unrealize = fake->unrealize,
        .reset = fake->reset,
        .start = fake->start,
        .stop = fake->stop,
        .get_interface = fake->get_interface,
    };
    desc->id = g_strdup(fake->id);
    desc->component = entry;
    desc->slot = -1;
    if (fake->address) {
        desc->addresses = g_new(uint64_t, 1);
        desc->addresses[0] = fake->address;
        desc->n_addresses = 1;
    }
    return desc;
}

static void instance_desc_free(gpointer data)
{
    struct tn_instance_desc *desc = data;

    g_free(desc->component);
    g_free(desc->addresses);
    g_free(desc->id);
    g_free(desc);
}

struct tn_machine_desc *test_desc(struct fake *fakes, guint n, uint64_t memory)
{
    struct tn_machine_desc *desc = g_new0(struct tn_machine_desc, 1);

    n_known = 0;
    desc->memory = memory;
    desc->instances = g_ptr_array_new_with_free_func(instance_desc_free);
    desc->accels = g_ptr_array_new_with_free_func(instance_desc_free);
    for (guint i = 0; i < n; i++) {
        struct tn_instance_desc *one = instance_desc(&fakes[i]);

        one->board_order = i;
        for (guint j = 0; j < i; j++)
            if (fakes[i].parent && !strcmp(fakes[i].parent, fakes[j].id))
                one->parent = g_ptr_array_index(desc->instances, j);
        g_ptr_array_add(desc->instances, one);
    }
    return desc;
}

void test_desc_free(struct tn_machine_desc *desc)
{
    g_ptr_array_unref(desc->instances);
    g_ptr_array_unref(desc->accels);
    g_free(desc);
}

struct tn_machine *test_machine(struct fake *fakes, guint n, uint64_t memory)
{
    struct tn_machine_desc *desc = test_desc(fakes, n, memory);
    struct tn_machine *machine = tn_machine_new(desc, NULL, NULL);

    assert_non_null(machine);
    return machine;
}

void test_end(struct tn_machine *machine)
{
    struct tn_machine_desc *desc =
        (struct tn_machine_desc *)tn_machine_description(machine);

    tn_machine_free(machine);
    test_desc_free(desc);
}

/* ---- a target and an accelerator ---- */

struct fake_cpu {
    struct tn_cpu head;
    uint64_t pad[32];
    GMutex lock;
    GCond changed;
    uint64_t pc;
};

static const struct tn_cpu_line lines[] = {{"irq"}};
static const struct tn_reg regs[] = {
    {.name = "pc", .bits = 64, .role = TN_ROLE_PC, .alias_of = -1}};
static const struct tn_target_info info = {
    .size = sizeof info,
    .name = "fake64",
    .n_regs = 1,
    .reg_size = sizeof(struct tn_reg),
    .regs = regs,
    .n_lines = 1,
    .lines = lines,
};

static const struct tn_target_info *target_info(void *self)
{
    (void)self;
    return &info;
}

static uint32_t cpu_reset(void *self, struct tn_cpu *cpu, uint32_t kind)
{
    (void)self, (void)kind;
    ((struct fake_cpu *)cpu)->pc = 0;
    return 1;
}

static void set_line(void *self, struct tn_cpu *cpu, uint32_t line,
                     uint32_t level)
{
    (void)self, (void)line;
    ((struct fake_cpu *)cpu)->pad[0] = level;
}

static int32_t read_reg(void *self, struct tn_cpu *cpu, const char *name,
                        void *value, uint32_t *bytes)
{
    (void)self;
    if (strcmp(name, "pc"))
        return -ENOENT;
    memcpy(value, &((struct fake_cpu *)cpu)->pc, 8);
    *bytes = 8;
    return 0;
}

static int32_t write_reg(void *self, struct tn_cpu *cpu, const char *name,
                         const void *value, uint32_t bytes)
{
    (void)self;
    if (strcmp(name, "pc"))
        return -ENOENT;
    if (bytes != 8)
        return -EINVAL;
    memcpy(&((struct fake_cpu *)cpu)->pc, value, 8);
    return 0;
}

static const struct tn_target target = {
    .size = sizeof target,
    .info = target_info,
    .cpu_reset = cpu_reset,
    .set_line = set_line,
    .read_reg = read_reg,
    .write_reg = write_reg,
};

static const void *target_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_TARGET) ? NULL : &target;
}

struct fake fake_target = {
    .id = "cpu",
    .kind = TN_KIND_TARGET,
    .get_interface = target_interface,
};

static int32_t attach(void *self, const struct tn_target *table,
                      void *target_self, uint32_t n_cpus,
                      struct tn_error *error)
{
    (void)self, (void)table, (void)target_self, (void)n_cpus, (void)error;
    return 0;
}

static int32_t vcpu_new(void *self, uint32_t index, struct tn_cpu **cpu,
                        struct tn_error *error)
{
    struct fake_cpu *new_cpu = g_new0(struct fake_cpu, 1);

    (void)self, (void)error;
    g_mutex_init(&new_cpu->lock);
    g_cond_init(&new_cpu->changed);
    new_cpu->head.index = index;
    *cpu = &new_cpu->head;
    return 0;
}

static void vcpu_free(void *self, struct tn_cpu *cpu)
{
    (void)self;
    g_free(cpu);
}

static void vcpu_changed(void *self, struct tn_cpu *cpu)
{
    (void)self, (void)cpu;
}

/* Sleeps as a halted vCPU does. */
static int32_t run(void *self, struct tn_cpu *cpu)
{
    struct fake_cpu *fake = (struct fake_cpu *)cpu;

    (void)self;
    atomic_fetch_add(&fake_runs, 1);
    atomic_fetch_add(&fake_running, 1);
    g_mutex_lock(&fake->lock);
    while (!(__atomic_load_n(&cpu->request, __ATOMIC_SEQ_CST) & TN_CPU_STOP))
        g_cond_wait(&fake->changed, &fake->lock);
    __atomic_and_fetch(&cpu->request, ~TN_CPU_STOP, __ATOMIC_SEQ_CST);
    g_mutex_unlock(&fake->lock);
    atomic_fetch_sub(&fake_running, 1);
    return TN_RUN_STOPPED;
}

static void request(void *self, struct tn_cpu *cpu, uint32_t bits)
{
    struct fake_cpu *fake = (struct fake_cpu *)cpu;

    (void)self;
    g_mutex_lock(&fake->lock);
    __atomic_or_fetch(&cpu->request, bits, __ATOMIC_SEQ_CST);
    g_cond_broadcast(&fake->changed);
    g_mutex_unlock(&fake->lock);
}

static void code_written(void *self, uint64_t ram_offset, uint64_t bytes)
{
    (void)self, (void)ram_offset, (void)bytes;
    atomic_fetch_add(&fake_code_writes, 1);
}

static const struct tn_accel accel = {
    .size = sizeof accel,
    .attach = attach,
    .vcpu_new = vcpu_new,
    .vcpu_free = vcpu_free,
    .vcpu_changed = vcpu_changed,
    .run = run,
    .request = request,
    .code_written = code_written,
};

static const void *accel_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_ACCEL) ? NULL : &accel;
}

static struct fake fake_accel = {
    .id = "accel",
    .kind = TN_KIND_ACCEL,
    .flags = TN_COMPONENT_PARALLEL,
    .get_interface = accel_interface,
};

void test_add_cpus(struct tn_machine_desc *desc, guint n)
{
    struct tn_instance_desc *one = instance_desc(&fake_target);

    desc->cpus = n;
    desc->target = one;
    g_ptr_array_insert(desc->instances, 0, one);
    g_ptr_array_add(desc->accels, instance_desc(&fake_accel));
}
