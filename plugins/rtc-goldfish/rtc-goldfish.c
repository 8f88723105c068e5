/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goldfish real-time clock: nanoseconds since 1970 in two registers, and an
 * alarm. Registers as in Android's goldfish documentation ("Goldfish timer").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/clock.h"
#include "tenon/fdt.h"
#include "tenon/irq.h"
#include "tenon/memory.h"
#include "tenon/state.h"

#define TIME_LOW 0x00u /* reading it latches TIME_HIGH */
#define TIME_HIGH 0x04u
#define ALARM_LOW 0x08u /* writing it arms the alarm */
#define ALARM_HIGH 0x0cu
#define IRQ_ENABLED 0x10u
#define CLEAR_ALARM 0x14u
#define ALARM_STATUS 0x18u
#define CLEAR_INTERRUPT 0x1cu

struct rtc {
    struct tn_host *host;
    const struct tn_clock *clock;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    struct tn_region *region;
    struct tn_irq *irq;
    struct tn_timer *timer;
    int64_t offset; /* guest's time - the host's real time, ns */
    uint64_t alarm;
    uint32_t time_high;
    uint32_t alarm_high;
    uint32_t armed;
    uint32_t pending;
    uint32_t enabled;
};

static uint64_t guest_time(const struct rtc *r)
{
    return r->clock->now(r->host, TN_CLOCK_REALTIME) + (uint64_t)r->offset;
}

static void update_irq(struct rtc *r)
{
    r->irqs->set(r->host, r->irq, r->pending && r->enabled);
}

/* Fire now or set the timer for when the alarm's time comes. */
static void update_alarm(struct rtc *r)
{
    uint64_t now = guest_time(r);

    if (!r->armed) {
        r->clock->cancel_timer(r->host, r->timer);
    } else if (r->alarm <= now) {
        r->armed = 0;
        r->pending = 1;
        r->clock->cancel_timer(r->host, r->timer);
        update_irq(r);
    } else {
        uint64_t start = r->clock->now(r->host, TN_CLOCK_HOST), deadline;

        if (__builtin_add_overflow(start, r->alarm - now, &deadline))
            deadline = UINT64_MAX;
        r->clock->set_timer(r->host, r->timer, deadline);
    }
}

static void timer_fired(void *opaque)
{
    update_alarm(opaque);
}

static uint64_t rtc_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct rtc *r = opaque;
    uint64_t now;

    (void)size;
    switch (offset) {
    case TIME_LOW:
        now = guest_time(r);
        r->time_high = (uint32_t)(now >> 32);
        return (uint32_t)now;
    case TIME_HIGH:
        return r->time_high;
    case ALARM_LOW:
        return (uint32_t)r->alarm;
    case ALARM_HIGH:
        return (uint32_t)(r->alarm >> 32);
    case IRQ_ENABLED:
        return r->enabled;
    case ALARM_STATUS:
        return r->armed;
    default:
        return 0;
    }
}

/* The guest sets the time: high half first. */
static void write_time(struct rtc *r, uint64_t new_time)
{
    r->offset += (int64_t)(new_time - guest_time(r));
    update_alarm(r);
}

static void rtc_write(void *opaque, uint64_t offset, uint64_t value,
                      uint32_t size)
{
    struct rtc *r = opaque;
    uint64_t now = guest_time(r);

    (void)size;
    switch (offset) {
    case TIME_LOW:
        write_time(r, (now & ~0xffffffffull) | (uint32_t)value);
        break;
    case TIME_HIGH:
        write_time(r, (now & 0xffffffffu) | value << 32);
        break;
    case ALARM_LOW:
        r->alarm = (uint64_t)r->alarm_high << 32 | (uint32_t)value;
        r->armed = 1;
        update_alarm(r);
        break;
    case ALARM_HIGH:
        r->alarm_high = (uint32_t)value;
        break;
    case IRQ_ENABLED:
        r->enabled = value & 1;
        update_irq(r);
        break;
    case CLEAR_ALARM:
        r->armed = 0;
        update_alarm(r);
        break;
    case CLEAR_INTERRUPT:
        r->pending = 0;
        update_irq(r);
        break;
    default:
        break;
    }
}

static const struct tn_region_ops rtc_region = {
    .size = sizeof rtc_region,
    .min_access = 4,
    .max_access = 4,
    .read = rtc_read,
    .write = rtc_write,
};

static int32_t rtc_describe(void *self, const struct tn_fdt *fdt)
{
    struct rtc *r = self;
    uint64_t address = 0, bytes = 0;
    char name[32];

    r->memory->region_address(r->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "rtc@%llx", (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", "google,goldfish-rtc");
    fdt->reg(fdt->builder);
    fdt->interrupts(fdt->builder);
    fdt->end(fdt->builder);
    return 0;
}

static const struct tn_fdt_node rtc_fdt = {
    .size = sizeof rtc_fdt,
    .describe = rtc_describe,
};

static const struct tn_field rtc_fields[] = {
    TN_FIELD(TN_FIELD_UINT, struct rtc, offset, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, alarm, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, time_high, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, alarm_high, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, armed, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, pending, 1),
    TN_FIELD(TN_FIELD_UINT, struct rtc, enabled, 1),
};

static int32_t rtc_loaded(void *self, uint32_t version, struct tn_error *error)
{
    (void)version, (void)error;
    update_alarm(self);
    update_irq(self);
    return 0;
}

static const struct tn_state rtc_state = {
    .size = sizeof rtc_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof rtc_fields / sizeof *rtc_fields,
    .field_size = sizeof(struct tn_field),
    .fields = rtc_fields,
    .loaded = rtc_loaded,
};

static int32_t rtc_create(struct tn_host *host, void **self)
{
    struct rtc *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->host = host;
    *self = r;
    return 0;
}

static void rtc_destroy(void *self)
{
    free(self);
}

static void rtc_unrealize(void *self)
{
    struct rtc *r = self;

    r->clock->free_timer(r->host, r->timer);
    if (r->region)
        r->memory->free_region(r->host, r->region);
    r->timer = NULL;
    r->region = NULL;
}

static int32_t rtc_realize(void *self, struct tn_error *error)
{
    struct rtc *r = self;

    r->clock = tn_service(r->host, TN_HOST_CLOCK);
    r->irqs = tn_service(r->host, TN_HOST_IRQ);
    r->memory = tn_service(r->host, TN_HOST_MEMORY);
    if (!r->clock || !r->irqs || !r->memory)
        return tn_fail(r->host, error, -ENOSYS, "the host lacks a service");
    r->irq = r->irqs->output(r->host, 0);
    r->timer = r->clock->new_timer(r->host, TN_CLOCK_HOST, timer_fired, r);
    r->region = r->memory->new_mmio(r->host, "rtc", 0x1000, &rtc_region, r);
    if (r->timer && r->region)
        return 0;
    rtc_unrealize(r);
    return -ENOMEM;
}

/* The clock itself runs on a battery: only the alarm is reset. */
static void rtc_reset(void *self, uint32_t kind)
{
    struct rtc *r = self;

    (void)kind;
    r->alarm = 0;
    r->alarm_high = 0;
    r->armed = 0;
    r->pending = 0;
    r->enabled = 0;
    update_alarm(r);
    update_irq(r);
}

static const void *rtc_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &rtc_fdt;
    return strcmp(id, TN_STATE) == 0 ? &rtc_state : NULL;
}

static const struct tn_component_ops rtc_ops = {
    .size = sizeof rtc_ops,
    .create = rtc_create,
    .destroy = rtc_destroy,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .get_interface = rtc_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "rtc-goldfish",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Goldfish real-time clock"},
};

TN_COMPONENT_INFO(rtc_info, 0) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, rtc_info),
    .info = {TN_COMPONENT_INFO_DEVICE(0),
             .flags = TN_COMPONENT_SAVES,
             .id = "rtc-goldfish",
             .summary = "Goldfish real-time clock with alarm"},
};

TN_COMPONENT(rtc_component, rtc_info, rtc_ops);

TN_PLUGIN_ENTRY(plugin_info, &rtc_component)
