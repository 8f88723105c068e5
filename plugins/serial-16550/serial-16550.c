/* SPDX-License-Identifier: Apache-2.0 */
/* The component: device tree, saved state, life cycle. */
#include "uart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/fdt.h"
#include "tenon/state.h"

/* ---- device tree: ns16550a ---- */

static int32_t uart_describe(void *self, const struct tn_fdt *fdt)
{
    struct uart *u = self;
    const uint32_t frequency = (uint32_t)u->frequency, shift = u->stride_bits;
    uint64_t address = 0, bytes = 0;
    char name[32];

    u->memory->region_address(u->host, 0, &address, &bytes);
    snprintf(name, sizeof name, "serial@%llx", (unsigned long long)address);
    fdt->begin(fdt->builder, name);
    fdt->string(fdt->builder, "compatible", "ns16550a");
    fdt->reg(fdt->builder);
    fdt->u32(fdt->builder, "clock-frequency", &frequency, 1);
    if (shift)
        fdt->u32(fdt->builder, "reg-shift", &shift, 1);
    fdt->interrupts(fdt->builder);
    fdt->end(fdt->builder);
    return 0;
}

/* The first port with a node becomes the firmware's and kernel's console. */
static int32_t uart_chosen(void *self, const struct tn_fdt *fdt,
                           const char *path)
{
    (void)self;
    fdt->string(fdt->builder, "stdout-path", path);
    return 0;
}

static const struct tn_fdt_node uart_fdt = {
    .size = sizeof uart_fdt,
    .describe = uart_describe,
    .describe_chosen = uart_chosen,
};

/* ---- saved state ---- */

static const struct tn_field uart_fields[] = {
    TN_FIELD(TN_FIELD_BYTES, struct uart, receive, 1),
    TN_FIELD(TN_FIELD_BYTES, struct uart, receive_break, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, receive_head, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, receive_count, 1),
    TN_FIELD(TN_FIELD_BYTES, struct uart, transmit, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, transmit_count, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, ier, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, fcr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, lcr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, mcr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, lsr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, msr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, scr, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, transmit_interrupt, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, timed_out, 1),
    TN_FIELD(TN_FIELD_UINT, struct uart, divisor, 1),
};

static int32_t uart_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct uart *u = self;

    (void)version;
    if (u->receive_head >= FIFO_SIZE || u->receive_count > FIFO_SIZE ||
        u->transmit_count > FIFO_SIZE)
        return tn_fail(u->host, error, -EINVAL, "a FIFO holds more than 16");
    uart_restart_timeout(u);
    uart_drain(u);
    uart_update_irq(u);
    return 0;
}

static const struct tn_state uart_state = {
    .size = sizeof uart_state,
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof uart_fields / sizeof *uart_fields,
    .field_size = sizeof(struct tn_field),
    .fields = uart_fields,
    .loaded = uart_loaded,
};

/* ---- life cycle ---- */

static int32_t uart_create(struct tn_host *host, void **self)
{
    struct uart *u = calloc(1, sizeof *u);

    if (!u)
        return -ENOMEM;
    u->host = host;
    *self = u;
    return 0;
}

static void uart_destroy(void *self)
{
    free(self);
}

static int32_t uart_configure(void *self, struct tn_error *error)
{
    struct uart *u = self;
    const struct tn_props *props = tn_service(u->host, TN_HOST_PROPS);

    (void)error;
    u->frequency = props->get_uint(u->host, "frequency");
    u->stride_bits = (uint32_t)props->get_uint(u->host, "reg-shift");
    return 0;
}

static void uart_unrealize(void *self)
{
    struct uart *u = self;

    if (u->stream) { /* what the guest sent last is still in the FIFO */
        if (TN_HAS(u->chars, flush))
            u->chars->flush(u->host, u->stream);
        uart_drain(u);
        u->chars->close(u->host, u->stream);
    }
    u->clock->free_timer(u->host, u->timer);
    if (u->region)
        u->memory->free_region(u->host, u->region);
    u->stream = NULL;
    u->timer = NULL;
    u->region = NULL;
}

static int32_t uart_realize(void *self, struct tn_error *error)
{
    struct uart *u = self;

    u->chars = tn_service(u->host, TN_HOST_CHAR);
    u->clock = tn_service(u->host, TN_HOST_CLOCK);
    u->irqs = tn_service(u->host, TN_HOST_IRQ);
    u->memory = tn_service(u->host, TN_HOST_MEMORY);
    if (!u->chars || !u->clock || !u->irqs || !u->memory)
        return tn_fail(u->host, error, -ENOSYS, "the host lacks a service");
    u->irq = u->irqs->output(u->host, 0);
    u->timer =
        u->clock->new_timer(u->host, TN_CLOCK_VIRTUAL, uart_timeout_fired, u);
    u->region = u->memory->new_mmio(u->host, "uart",
                                    8ull << u->stride_bits < 0x100
                                        ? 0x100
                                        : 8ull << u->stride_bits,
                                    &uart_region, u);
    u->stream = u->chars->open(u->host, NULL, &uart_handlers, u, error);
    if (u->timer && u->region && u->stream)
        return 0;
    uart_unrealize(u);
    return -EINVAL;
}

/* Table III. */
static void uart_reset(void *self, uint32_t kind)
{
    struct uart *u = self;

    (void)kind;
    u->receive_head = u->receive_count = u->transmit_count = 0;
    memset(u->receive_break, 0, sizeof u->receive_break);
    u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
    u->lsr = LSR_HOLDING_EMPTY | LSR_EMPTY;
    u->msr = u->chars->is_open(u->host, u->stream)
                 ? MSR_CTS | MSR_DSR | MSR_CARRIER
                 : 0;
    u->transmit_interrupt = u->timed_out = 0;
    u->divisor = 0;
    uart_restart_timeout(u);
    uart_update_irq(u);
    u->chars->accept(u->host, u->stream);
}

static const void *uart_get_interface(void *self, const char *id)
{
    (void)self;
    if (strcmp(id, TN_FDT_NODE) == 0)
        return &uart_fdt;
    return strcmp(id, TN_STATE) == 0 ? &uart_state : NULL;
}

static const struct tn_component_ops uart_ops = {
    .size = sizeof uart_ops,
    .create = uart_create,
    .destroy = uart_destroy,
    .configure = uart_configure,
    .realize = uart_realize,
    .unrealize = uart_unrealize,
    .reset = uart_reset,
    .get_interface = uart_get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "serial-16550",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "16550A serial port"},
};

TN_COMPONENT_INFO(uart_info, 3) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, uart_info),
    .info = {TN_COMPONENT_INFO_DEVICE(3),
             .flags = TN_COMPONENT_SAVES,
             .id = "uart16550",
             .summary = "16550A serial port with FIFOs"},
    .properties =
        {
            {.name = "chardev",
             .type = TN_PROP_REF,
             .doc = "Character back-end it is connected to"},
            {.name = "frequency",
             .type = TN_PROP_UINT,
             .default_value = "3686400",
             .minimum = "1",
             .maximum = "1000000000",
             .unit = "Hz",
             .doc = "Input clock, as the device tree states it"},
            {.name = "reg-shift",
             .type = TN_PROP_UINT,
             .default_value = "0",
             .minimum = "0",
             .maximum = "3",
             .doc = "Registers lie 2^reg-shift bytes apart"},
        },
};

TN_COMPONENT(uart_component, uart_info, uart_ops);

TN_PLUGIN_ENTRY(plugin_info, &uart_component)
