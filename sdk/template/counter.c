/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that counts: reading its register at 0 gives the number, writing
 * sets it, writing 1 to the register at 8 raises its interrupt.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/abi.h>
#include <tenon/host.h>
#include <tenon/irq.h>
#include <tenon/memory.h>
#include <tenon/state.h>

#define REGISTER_COUNT 0u
#define REGISTER_IRQ 8u
#define REGISTER_BYTES 16u

struct counter {
    struct tn_host *host;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    struct tn_region *region;
    struct tn_irq *irq;
    uint64_t start; /* property */
    uint64_t step;  /* property */
    uint64_t count;
    uint32_t level;
};

static uint64_t counter_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct counter *counter = opaque;
    uint64_t value = counter->count;

    (void)size;
    if (offset == REGISTER_IRQ)
        return counter->level;
    counter->count += counter->step;
    return value;
}

static void counter_write(void *opaque, uint64_t offset, uint64_t value,
                          uint32_t size)
{
    struct counter *counter = opaque;

    (void)size;
    if (offset == REGISTER_COUNT) {
        counter->count = value;
        return;
    }
    counter->level = value & 1;
    counter->irqs->set(counter->host, counter->irq, counter->level);
}

static const struct tn_region_ops counter_region = {
    .size = sizeof counter_region,
    .min_access = 8,
    .max_access = 8,
    .read = counter_read,
    .write = counter_write,
};

static int32_t counter_create(struct tn_host *host, void **self)
{
    struct counter *counter = calloc(1, sizeof *counter);

    if (!counter)
        return -ENOMEM;
    counter->host = host;
    *self = counter;
    return 0;
}

static void counter_destroy(void *self)
{
    free(self);
}

static int32_t counter_configure(void *self, struct tn_error *error)
{
    struct counter *counter = self;
    const struct tn_props *props = tn_service(counter->host, TN_HOST_PROPS);

    if (!props)
        return tn_fail(counter->host, error, -ENOSYS, "no property service");
    counter->start = props->get_uint(counter->host, "start");
    counter->step = props->get_uint(counter->host, "step");
    return 0;
}

static int32_t counter_realize(void *self, struct tn_error *error)
{
    struct counter *counter = self;

    counter->irqs = tn_service(counter->host, TN_HOST_IRQ);
    counter->memory = tn_service(counter->host, TN_HOST_MEMORY);
    if (!counter->irqs || !counter->memory)
        return tn_fail(counter->host, error, -ENOSYS,
                       "the host has no memory or interrupts");
    counter->irq = counter->irqs->output(counter->host, 0);
    counter->region = counter->memory->new_mmio(
        counter->host, "counter", REGISTER_BYTES, &counter_region, counter);
    return counter->region ? 0
                           : tn_fail(counter->host, error, -ENOMEM,
                                     "no memory for a region");
}

static void counter_unrealize(void *self)
{
    struct counter *counter = self;

    counter->memory->free_region(counter->host, counter->region);
    counter->region = NULL;
}

static void counter_reset(void *self, uint32_t kind)
{
    struct counter *counter = self;

    (void)kind;
    counter->count = counter->start;
    counter->level = 0;
    counter->irqs->set(counter->host, counter->irq, 0);
}

static const struct tn_field counter_fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct counter, count, 1),
    TN_FIELD(TN_FIELD_UINT, struct counter, level, 1),
};

static const struct tn_state counter_state = {
    .size = sizeof counter_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof counter_fields / sizeof counter_fields[0],
    .field_size = sizeof counter_fields[0],
    .fields = counter_fields,
};

static const void *counter_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_STATE) ? NULL : &counter_state;
}

static const struct tn_component_ops counter_ops = {
    .size = sizeof counter_ops,
    .create = counter_create,
    .destroy = counter_destroy,
    .configure = counter_configure,
    .realize = counter_realize,
    .unrealize = counter_unrealize,
    .reset = counter_reset,
    .get_interface = counter_interface,
};

TN_COMPONENT_INFO(counter_info, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, counter_info),
    .info = {TN_COMPONENT_INFO_DEVICE(2),
             .flags = TN_COMPONENT_SAVES, .id = "com.example.counter",
             .summary = "a register that counts"},
    .properties = {{.name = "start",
                    .type = TN_PROP_UINT,
                    .default_value = "0",
                    .doc = "the number after a reset"},
                   {.name = "step",
                    .type = TN_PROP_UINT,
                    .default_value = "1",
                    .minimum = "1",
                    .maximum = "1000",
                    .doc = "how far one read counts"}},
};

TN_PLUGIN_INFO(counter_plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, counter_plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1,
             .id = "com.example.counter", .version = "1.0", .vendor = "Example",
             .licence = "Apache-2.0", .summary = "template of a device plugin"},
};

static const struct tn_component counter_component = {
    .size = sizeof counter_component,
    .info = &counter_info.info,
    .ops = &counter_ops,
};

TN_PLUGIN_ENTRY(counter_plugin_info, &counter_component)
