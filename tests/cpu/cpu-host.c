/* SPDX-License-Identifier: Apache-2.0 */
/* The small host: plugins, services, RAM, and the run. See cpu-host.h. */
#include "cpu-host.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u

/* The host's side of one instance. */
struct side {
    struct tn_host host; /* first: what the plugin gets */
    struct cpu_machine *m;
    const char *prefix; /* of its properties */
    const struct tn_component *component;
    void *self;
    bool realized;
};

struct cpu_machine {
    struct side target, accel;
    const struct cpu_setup *setup;
    const struct tn_target *target_ops;
    const struct tn_accel *accel_ops;
    struct tn_cpu *cpu;
    uint8_t *ram, *page_flags;
    uint64_t ram_base, ram_bytes;
    /* The run's end. */
    uint64_t finish_value;
    uint32_t finished; /* atomic */
    uint32_t stopped;  /* atomic: run() has returned */
    uint64_t tohost;
    unsigned seconds;
};

static struct side *side_of(struct tn_host *host)
{
    return (struct side *)(void *)host;
}

/* ---- log ---- */

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    (void)host, (void)level;
    fprintf(stderr, "%s\n", text);
}

static void log_set_error(struct tn_host *host, struct tn_error *error,
                          const char *text)
{
    (void)host, (void)error;
    fprintf(stderr, "error: %s\n", text);
}

static uint32_t log_enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    return level >= TN_LOG_WARNING;
}

static const struct tn_log log_service = {.size = sizeof log_service,
                                          .write = log_write,
                                          .set_error = log_set_error,
                                          .enabled = log_enabled};

/* ---- properties ---- */

static const struct tn_property *schema(struct tn_host *host, const char *name)
{
    const struct tn_component_info *info = side_of(host)->component->info;
    const uint8_t *p = (const uint8_t *)(info + 1);

    for (uint32_t i = 0; i < info->n_properties; i++, p += info->property_size)
        if (!strcmp(((const struct tn_property *)(const void *)p)->name, name))
            return (const void *)p;
    return NULL;
}

/* The text given for "prefix.name", or NULL. */
static const char *given(struct tn_host *host, const char *name)
{
    const struct side *s = side_of(host);
    const struct cpu_setup *setup = s->m->setup;
    char want[80];
    size_t n = (size_t)snprintf(want, sizeof want, "%s.%s=", s->prefix, name);

    for (uint32_t i = setup->n_properties; i-- > 0;)
        if (!strncmp(setup->properties[i], want, n))
            return setup->properties[i] + n;
    return NULL;
}

static uint32_t props_is_set(struct tn_host *host, const char *name)
{
    return given(host, name) != NULL;
}

static const char *props_get_string(struct tn_host *host, const char *name)
{
    const struct tn_property *p = schema(host, name);
    const char *text = given(host, name);

    if (!text && p && p->default_value[0])
        text = p->default_value;
    return text;
}

static uint64_t choice_index(const char *choices, const char *text)
{
    size_t n = strlen(text);
    uint64_t index = 0;

    for (const char *s = choices; s; s = strchr(s, '|'), index++) {
        s += *s == '|';
        if (!strncmp(s, text, n) && (s[n] == '|' || !s[n]))
            return index;
    }
    fprintf(stderr, "no choice \"%s\" in %s\n", text, choices);
    exit(1);
}

static uint64_t props_get_uint(struct tn_host *host, const char *name)
{
    const struct tn_property *p = schema(host, name);
    const char *text = props_get_string(host, name);
    char *end;
    uint64_t value;

    if (!p || !text)
        return 0;
    if (p->type == TN_PROP_ENUM)
        return choice_index(p->choices, text);
    if (p->type == TN_PROP_BOOL)
        return !strcmp(text, "on") || !strcmp(text, "true") ||
               !strcmp(text, "yes") || !strcmp(text, "1");
    value = strtoull(text, &end, 0);
    for (const char *units = "KMGT"; *units; units++)
        if (*end == *units)
            value <<= 10 * (units - "KMGT" + 1);
    return value;
}

static int64_t props_get_int(struct tn_host *host, const char *name)
{
    return (int64_t)props_get_uint(host, name);
}

static const char *props_instance_id(struct tn_host *host)
{
    return side_of(host)->prefix;
}

static uint32_t props_count(struct tn_host *host, const char *name)
{
    return props_get_string(host, name) != NULL;
}

static const char *props_get_item(struct tn_host *host, const char *name,
                                  uint32_t index)
{
    return index ? NULL : props_get_string(host, name);
}

static const struct tn_props props_service = {.size = sizeof props_service,
                                              .is_set = props_is_set,
                                              .get_uint = props_get_uint,
                                              .get_int = props_get_int,
                                              .get_string = props_get_string,
                                              .count = props_count,
                                              .get_item = props_get_item,
                                              .instance_id =
                                                  props_instance_id};

/* ---- clock: time passes, no timer ever fires ---- */

static uint64_t clock_now(struct tn_host *host, uint32_t clock)
{
    struct timespec t;

    (void)host;
    clock_gettime(clock == TN_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC,
                  &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct tn_timer *clock_new_timer(struct tn_host *host, uint32_t clock,
                                        void (*fire)(void *opaque),
                                        void *opaque)
{
    (void)host, (void)clock, (void)fire;
    return opaque;
}

static void clock_free_timer(struct tn_host *host, struct tn_timer *timer)
{
    (void)host, (void)timer;
}

static void clock_set_timer(struct tn_host *host, struct tn_timer *timer,
                            uint64_t deadline)
{
    (void)host, (void)timer, (void)deadline;
}

static const struct tn_clock clock_service = {
    .size = sizeof clock_service,
    .now = clock_now,
    .new_timer = clock_new_timer,
    .free_timer = clock_free_timer,
    .set_timer = clock_set_timer,
    .cancel_timer = clock_free_timer,
};

/* ---- memory: RAM, a page of finisher, nothing else ---- */

static void mem_resolve(struct tn_host *host, uint64_t pa,
                        struct tn_backing *backing)
{
    struct cpu_machine *m = side_of(host)->m;
    uint64_t last = m->ram_base + m->ram_bytes - 1;

    memset(backing, 0, sizeof *backing);
    backing->size = sizeof *backing;
    if (pa >= m->ram_base && pa <= last) {
        backing->start = m->ram_base;
        backing->last = last;
        backing->memory = m->ram;
        backing->page_flags = m->page_flags;
        return;
    }
    backing->start = pa & ~(uint64_t)(PAGE - 1);
    backing->last = backing->start + PAGE - 1;
    backing->flags = backing->start == FINISHER_BASE ? TN_BACKING_DEVICE
                                                     : TN_BACKING_NONE;
}

static void finish(struct cpu_machine *m, uint64_t value)
{
    m->finish_value = value;
    __atomic_store_n(&m->finished, 1, __ATOMIC_RELEASE);
    m->accel_ops->request(m->accel.self, m->cpu, TN_CPU_STOP);
}

static int32_t mem_io_read(struct tn_host *host, uint64_t pa, uint32_t bytes,
                           uint64_t *value)
{
    (void)host, (void)bytes;
    *value = 0;
    return pa >= FINISHER_BASE && pa < FINISHER_BASE + PAGE ? 0 : -EFAULT;
}

static int32_t mem_io_write(struct tn_host *host, uint64_t pa, uint32_t bytes,
                            uint64_t value)
{
    (void)bytes;
    if (pa < FINISHER_BASE || pa >= FINISHER_BASE + PAGE)
        return -EFAULT;
    finish(side_of(host)->m, value);
    return 0;
}

static uint64_t mem_ram_bytes(struct tn_host *host)
{
    return side_of(host)->m->ram_bytes;
}

static const struct tn_guestmem guestmem_service = {
    .size = sizeof guestmem_service,
    .resolve = mem_resolve,
    .io_read = mem_io_read,
    .io_write = mem_io_write,
    .ram_bytes = mem_ram_bytes,
};

static const void *service(struct tn_host *host, const char *id)
{
    (void)host;
    if (!strcmp(id, TN_HOST_LOG))
        return &log_service;
    if (!strcmp(id, TN_HOST_PROPS))
        return &props_service;
    if (!strcmp(id, TN_HOST_CLOCK))
        return &clock_service;
    if (!strcmp(id, TN_HOST_GUESTMEM))
        return &guestmem_service;
    return NULL;
}

/* ---- instances ---- */

static const struct tn_component *load(const char *plugin, uint32_t kind)
{
    const struct tn_entry_args args = {sizeof args, TN_ABI_MAJOR, TN_ABI_MINOR,
                                       TN_FAST_MAJOR, TN_FAST_MINOR};
    const char *top = getenv("TENON_TOP_BUILDDIR");
    const struct tn_plugin *(*entry)(const struct tn_entry_args *);
    const struct tn_plugin *p;
    char path[4096];
    void *so;

    snprintf(path, sizeof path, "%s/plugins/%s/.libs/%s.so", top ? top : ".",
             plugin, plugin);
    so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so) {
        fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    *(void **)&entry = dlsym(so, "tenon_plugin_entry");
    p = entry ? entry(&args) : NULL;
    for (uint32_t i = 0; p && i < p->info->n_components; i++)
        if (p->components[i]->info->kind == kind)
            return p->components[i];
    fprintf(stderr, "%s has no component of kind %u\n", path, kind);
    return NULL;
}

static bool side_start(struct cpu_machine *m, struct side *s,
                       const char *prefix, const char *plugin, uint32_t kind)
{
    const struct tn_component_ops *ops;

    s->host.service = service;
    s->m = m;
    s->prefix = prefix;
    s->component = load(plugin, kind);
    if (!s->component)
        return false;
    ops = s->component->ops;
    if (ops->create(&s->host, &s->self)) {
        s->self = NULL;
        return false;
    }
    if (ops->configure && ops->configure(s->self, NULL))
        return false;
    if (ops->realize && ops->realize(s->self, NULL))
        return false;
    s->realized = true;
    return true;
}

static void side_stop(struct side *s)
{
    if (s->realized && s->component->ops->unrealize)
        s->component->ops->unrealize(s->self);
    if (s->self)
        s->component->ops->destroy(s->self);
}

static bool start_accel(struct cpu_machine *m)
{
    if (!side_start(m, &m->accel, "accel", m->setup->accel_plugin,
                    TN_KIND_ACCEL))
        return false;
    m->accel_ops =
        m->accel.component->ops->get_interface(m->accel.self, TN_ACCEL);
    return m->accel_ops &&
           m->accel_ops->attach(m->accel.self, m->target_ops, m->target.self, 1,
                                NULL) == 0 &&
           m->accel_ops->vcpu_new(m->accel.self, 0, &m->cpu, NULL) == 0;
}

struct cpu_machine *cpu_machine_new(const struct cpu_setup *setup)
{
    struct cpu_machine *m = calloc(1, sizeof *m);

    m->setup = setup;
    m->ram_base = setup->ram_base;
    m->ram_bytes = setup->ram_bytes;
    m->page_flags = calloc(1, m->ram_bytes / PAGE);
    m->ram = mmap(NULL, m->ram_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->ram == MAP_FAILED)
        exit(1);
    if (!side_start(m, &m->target, "target", setup->target_plugin,
                    TN_KIND_TARGET)) {
        cpu_machine_free(m);
        return NULL;
    }
    m->target_ops =
        m->target.component->ops->get_interface(m->target.self, TN_TARGET);
    if (setup->accel_plugin && !start_accel(m)) {
        cpu_machine_free(m);
        return NULL;
    }
    return m;
}

void cpu_machine_free(struct cpu_machine *m)
{
    if (m->cpu)
        m->accel_ops->vcpu_free(m->accel.self, m->cpu);
    side_stop(&m->accel);
    side_stop(&m->target);
    munmap(m->ram, m->ram_bytes);
    free(m->page_flags);
    free(m);
}

const struct tn_target *cpu_target(struct cpu_machine *m, void **self)
{
    *self = m->target.self;
    return m->target_ops;
}

struct tn_cpu *cpu_cpu(struct cpu_machine *m)
{
    return m->cpu;
}

uint8_t *cpu_ram(struct cpu_machine *m)
{
    return m->ram;
}

uint8_t *cpu_memory(struct cpu_machine *m, uint64_t pa, uint64_t bytes)
{
    if (pa < m->ram_base || pa - m->ram_base > m->ram_bytes ||
        bytes > m->ram_bytes - (pa - m->ram_base))
        return NULL;
    return m->ram + (pa - m->ram_base);
}

void cpu_changed(struct cpu_machine *m)
{
    m->accel_ops->code_written(m->accel.self, 0, m->ram_bytes);
    m->accel_ops->vcpu_changed(m->accel.self, m->cpu);
}

uint64_t cpu_get(struct cpu_machine *m, const char *reg)
{
    uint8_t bytes[64] = {0};
    uint64_t value;
    uint32_t n;

    if (m->target_ops->read_reg(m->target.self, m->cpu, reg, bytes, &n)) {
        fprintf(stderr, "no register %s\n", reg);
        exit(1);
    }
    memcpy(&value, bytes, sizeof value);
    return value;
}

void cpu_set(struct cpu_machine *m, const char *reg, uint64_t value)
{
    if (m->target_ops->write_reg(m->target.self, m->cpu, reg, &value,
                                 m->target_ops->info(m->target.self)
                                         ->address_bits / 8)) {
        fprintf(stderr, "cannot set register %s\n", reg);
        exit(1);
    }
}

/* ---- the run ---- */

/* Watches the time and the tohost word. */
static void *watch(void *opaque)
{
    struct cpu_machine *m = opaque;
    uint64_t end = clock_now(NULL, TN_CLOCK_HOST) + m->seconds * 1000000000ull;
    uint8_t *word = m->tohost ? cpu_memory(m, m->tohost, 8) : NULL;

    while (!__atomic_load_n(&m->stopped, __ATOMIC_ACQUIRE)) {
        uint64_t value = 0;

        if (word)
            memcpy(&value, word, sizeof value);
        if (value) {
            finish(m, value);
            break;
        }
        if (clock_now(NULL, TN_CLOCK_HOST) > end) {
            m->accel_ops->request(m->accel.self, m->cpu, TN_CPU_STOP);
            break;
        }
        usleep(500);
    }
    return NULL;
}

int cpu_run(struct cpu_machine *m, uint64_t tohost, unsigned seconds,
            uint64_t *value)
{
    pthread_t watcher;
    int32_t r;

    m->finished = m->stopped = 0;
    m->tohost = tohost;
    m->seconds = seconds;
    if (m->target_ops->resume)
        m->target_ops->resume(m->target.self, m->cpu);
    pthread_create(&watcher, NULL, watch, m);
    r = m->accel_ops->run(m->accel.self, m->cpu);
    __atomic_store_n(&m->stopped, 1, __ATOMIC_RELEASE);
    pthread_join(watcher, NULL);
    *value = m->finish_value;
    if (r != TN_RUN_STOPPED)
        return CPU_FAILED;
    return m->finished ? CPU_FINISHED : CPU_TIMEOUT;
}
