/* SPDX-License-Identifier: Apache-2.0 */
/* The test host: loading, life of instances, saved state. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/private.h"

/* ---- services ---- */

static const void *service(struct tn_host *host, const char *id)
{
    static const struct {
        const char *id;
        const void *table;
    } own[] = {
        {TN_HOST_LOG, &testhost_log},       {TN_HOST_PROPS, &testhost_props},
        {TN_HOST_MEMORY, &testhost_memory}, {TN_HOST_IRQ, &testhost_irqs},
        {TN_HOST_LOOP, &testhost_loop},     {TN_HOST_CLOCK, &testhost_clock},
        {TN_HOST_TREE, &testhost_tree},
    };
    struct testhost *machine = instance_of(host)->machine;

    for (uint32_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (!strcmp(id, own[i].id))
            return own[i].table;
    for (uint32_t i = 0; i < machine->n_services; i++)
        if (!strcmp(id, machine->services[i].id))
            return machine->services[i].table;
    return NULL;
}

void testhost_add_service(struct testhost *machine, const char *id,
                          const void *table)
{
    snprintf(machine->services[machine->n_services].id,
             sizeof machine->services[0].id, "%s", id);
    machine->services[machine->n_services++].table = table;
}

void *testhost_data(struct tn_host *host, const char *key)
{
    struct test_instance *instance = instance_of(host);

    for (uint32_t i = 0; i < instance->n_data; i++)
        if (!strcmp(instance->data[i].key, key))
            return instance->data[i].data;
    return NULL;
}

void testhost_set_data(struct test_instance *instance, const char *key,
                       void *data)
{
    snprintf(instance->data[instance->n_data].key, sizeof instance->data[0].key,
             "%s", key);
    instance->data[instance->n_data++].data = data;
}

void *testhost_machine_data(struct tn_host *host, const char *key)
{
    struct testhost *machine = instance_of(host)->machine;

    for (uint32_t i = 0; i < machine->n_data; i++)
        if (!strcmp(machine->data[i].key, key))
            return machine->data[i].data;
    return NULL;
}

void testhost_set_machine_data(struct testhost *machine, const char *key,
                               void *data)
{
    snprintf(machine->data[machine->n_data].key, sizeof machine->data[0].key,
             "%s", key);
    machine->data[machine->n_data++].data = data;
}

/* ---- instances ---- */

/* The instance whose lock INSTANCE has. */
static struct test_instance *lock_of(struct test_instance *instance)
{
    while (instance->parent &&
           instance->component->info->flags & TN_COMPONENT_PARENT_LOCK)
        instance = instance->parent;
    return instance;
}

int32_t test_enter(struct test_instance *instance)
{
    instance = lock_of(instance);
    if (instance->inside)
        return -EDEADLK;
    instance->inside++;
    return 0;
}

void test_leave(struct test_instance *instance)
{
    lock_of(instance)->inside--;
}

static const struct tn_component *load(struct testhost *machine,
                                       const char *plugin, const char *id)
{
    const struct tn_entry_args args = {sizeof args, TN_ABI_MAJOR, TN_ABI_MINOR,
                                       TN_FAST_MAJOR, TN_FAST_MINOR};
    const char *build = getenv("TENON_TOP_BUILDDIR");
    const struct tn_plugin *(*entry)(const struct tn_entry_args *);
    const struct tn_plugin *descriptor;
    char path[400];
    void *library;

    snprintf(path, sizeof path, "%s/plugins/%s/.libs/%s.so",
             build ? build : ".", plugin, plugin);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(machine->error, sizeof machine->error, "%s", dlerror());
        return NULL;
    }
    *(void **)&entry = dlsym(library, "tenon_plugin_entry");
    descriptor = entry ? entry(&args) : NULL;
    for (uint32_t i = 0; descriptor && i < descriptor->info->n_components; i++)
        if (!strcmp(descriptor->components[i]->info->id, id))
            return descriptor->components[i];
    snprintf(machine->error, sizeof machine->error, "no %.40s in %s", id, path);
    return NULL;
}

static int32_t take_props(struct test_instance *instance,
                          const char *const *given)
{
    const struct tn_component_info *info = instance->component->info;
    const struct tn_property *schema = (const struct tn_property *)(info + 1);

    if (info->n_properties > MAX_PROPS)
        abort();
    instance->n_props = info->n_properties;
    for (uint32_t i = 0; i < info->n_properties; i++) {
        struct test_prop *p = &instance->props[i];

        p->schema = &schema[i];
        snprintf(p->value, sizeof p->value, "%s", schema[i].default_value);
    }
    for (; given && *given; given++) {
        size_t length = strcspn(*given, "=");
        uint32_t i = 0;

        while (i < instance->n_props &&
               (strlen(schema[i].name) != length ||
                strncmp(schema[i].name, *given, length)))
            i++;
        if (i == instance->n_props)
            return -ENOENT;
        instance->props[i].given = 1;
        snprintf(instance->props[i].value, sizeof instance->props[i].value,
                 "%s", *given + length + 1);
    }
    return 0;
}

struct test_instance *testhost_add(struct testhost *machine, const char *plugin,
                                   const char *component, const char *id,
                                   struct test_instance *parent,
                                   const char *const *props)
{
    const struct tn_component *c = load(machine, plugin, component);
    struct test_instance *instance;
    int32_t rc;

    if (!c) {
        fprintf(stderr, "%s\n", machine->error);
        return NULL;
    }
    instance = calloc(1, sizeof *instance);
    if (!instance || machine->n_instances == MAX_INSTANCES)
        abort();
    instance->host.service = service;
    instance->machine = machine;
    instance->parent = parent;
    instance->component = c;
    snprintf(instance->id, sizeof instance->id, "%s", id);
    rc = take_props(instance, props);
    if (rc) {
        snprintf(machine->error, sizeof machine->error, "unknown property");
    } else if (!c->ops->create(&instance->host, &instance->self)) {
        if (c->ops->configure)
            rc = c->ops->configure(instance->self, (void *)machine->error);
        if (rc)
            c->ops->destroy(instance->self);
    }
    if (rc) {
        free(instance);
        return NULL;
    }
    machine->instances[machine->n_instances++] = instance;
    return instance;
}

void testhost_addresses(struct test_instance *instance,
                        const uint64_t *addresses, uint32_t n)
{
    memcpy(instance->addresses, addresses, n * sizeof addresses[0]);
    instance->n_addresses = n;
}

int32_t testhost_realize(struct test_instance *instance, uint64_t address)
{
    const struct tn_component_ops *ops = instance->component->ops;
    struct tn_region *region;
    int32_t rc = 0;

    test_enter(instance);
    if (ops->realize)
        rc = ops->realize(instance->self, (void *)instance->machine->error);
    test_leave(instance);
    if (rc)
        return rc;
    instance->realized = 1;
    for (uint32_t i = 0; i < instance->n_addresses; i++)
        if ((region = testhost_board_region(instance, i)))
            testhost_memory.map(&instance->host, region, NULL,
                                instance->addresses[i], 0);
    for (uint32_t i = 0;
         address && (region = testhost_board_region(instance, i)); i++) {
        uint64_t bytes = (uint64_t)region->bytes;

        address = (address + bytes - 1) & ~(bytes - 1);
        testhost_memory.map(&instance->host, region, NULL, address, 0);
        address += bytes;
    }
    return 0;
}

void testhost_reset(struct testhost *machine)
{
    for (uint32_t i = 0; i < machine->n_instances; i++) {
        struct test_instance *instance = machine->instances[i];

        test_enter(instance);
        if (instance->component->ops->reset)
            instance->component->ops->reset(instance->self, TN_RESET_COLD);
        test_leave(instance);
    }
}

void testhost_start(struct testhost *machine)
{
    machine->running = 1;
    for (uint32_t i = 0; i < machine->n_instances; i++) {
        struct test_instance *instance = machine->instances[i];

        test_enter(instance);
        if (instance->component->ops->start &&
            instance->component->ops->start(instance->self, NULL))
            abort();
        test_leave(instance);
    }
}

void testhost_stop(struct testhost *machine)
{
    if (!machine->running)
        return;
    machine->running = 0;
    for (uint32_t i = machine->n_instances; i-- > 0;) {
        struct test_instance *instance = machine->instances[i];

        if (instance->component->ops->stop)
            instance->component->ops->stop(instance->self);
    }
    for (uint32_t i = machine->n_instances; i-- > 0;) {
        struct test_instance *instance = machine->instances[i];

        if (instance->component->ops->quiesce)
            instance->component->ops->quiesce(instance->self);
    }
}

void testhost_remove(struct test_instance *instance)
{
    struct testhost *machine = instance->machine;
    const struct tn_component_ops *ops = instance->component->ops;
    uint32_t at = 0;

    if (instance->realized) {
        if (ops->quiesce)
            ops->quiesce(instance->self);
        if (ops->unrealize)
            ops->unrealize(instance->self);
        testhost_free_regions(instance);
        testhost_run(machine);
        testhost_free_events(instance);
    }
    ops->destroy(instance->self);
    while (machine->instances[at] != instance)
        at++;
    memmove(&machine->instances[at], &machine->instances[at + 1],
            (--machine->n_instances - at) * sizeof machine->instances[0]);
    free(instance);
}

struct testhost *testhost_new(void)
{
    struct testhost *machine = calloc(1, sizeof *machine);

    if (!machine)
        abort();
    return machine;
}

void testhost_free(struct testhost *machine)
{
    testhost_stop(machine);
    while (machine->n_instances)
        testhost_remove(machine->instances[machine->n_instances - 1]);
    for (uint32_t i = 0; i < machine->n_rams; i++)
        free(machine->ram[i].memory);
    free(machine);
}

const char *testhost_error(struct testhost *machine)
{
    return machine->error;
}

uint32_t testhost_guest_errors(struct testhost *machine)
{
    uint32_t n = machine->guest_errors;

    machine->guest_errors = 0;
    return n;
}

const char *testhost_last_log(struct testhost *machine)
{
    return machine->last_log;
}

void testhost_verbose(struct testhost *machine, uint32_t on)
{
    machine->verbose = on;
}

void *testhost_self(struct test_instance *instance)
{
    return instance->self;
}

struct tn_host *testhost_handle(struct test_instance *instance)
{
    return &instance->host;
}

const void *testhost_interface(struct test_instance *instance, const char *id)
{
    if (!instance->component->ops->get_interface)
        return NULL;
    return instance->component->ops->get_interface(instance->self, id);
}

/* ---- saved state ---- */

static uint8_t *element(struct test_instance *instance,
                        const struct tn_field *field, uint32_t i)
{
    uint32_t stride = field->stride ? field->stride : field->width;

    return (uint8_t *)instance->self + field->offset + (uint64_t)stride * i;
}

uint8_t *testhost_save(struct test_instance *instance, size_t *bytes)
{
    const struct tn_state *state = testhost_interface(instance, TN_STATE);
    uint8_t *saved = NULL;

    *bytes = 0;
    if (!state)
        return NULL;
    if (state->before_save && state->before_save(instance->self, NULL))
        return NULL;
    for (uint32_t f = 0; f < state->n_fields; f++) {
        const struct tn_field *field = &state->fields[f];
        uint32_t count = field->count ? field->count : 1;

        saved = realloc(saved, *bytes + (size_t)count * field->width);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(saved + *bytes, element(instance, field, i), field->width);
            *bytes += field->width;
        }
    }
    return saved ? saved : calloc(1, 1);
}

int32_t testhost_load(struct test_instance *instance, const uint8_t *saved,
                      size_t bytes)
{
    const struct tn_state *state = testhost_interface(instance, TN_STATE);
    size_t at = 0;

    for (uint32_t f = 0; f < state->n_fields; f++) {
        const struct tn_field *field = &state->fields[f];
        uint32_t count = field->count ? field->count : 1;

        for (uint32_t i = 0; i < count; i++) {
            if (at + field->width > bytes)
                return -EINVAL;
            memcpy(element(instance, field, i), saved + at, field->width);
            at += field->width;
        }
    }
    return state->loaded ? state->loaded(instance->self, state->version,
                                         (void *)instance->machine->error)
                         : 0;
}
