/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A UART, after National Semiconductor's PC16550D data sheet (June 1995).
 * Characters leave at once: the rate the divisor asks for is not kept, so the
 * transmitter is empty again as soon as the back-end took the byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/char.h"
#include "tenon/clock.h"
#include "tenon/fdt.h"
#include "tenon/irq.h"
#include "tenon/memory.h"
#include "tenon/state.h"

/* Registers (table II); those in brackets while DLAB is set. */
#define RBR_THR 0u /* receiver buffer, transmitter holding [divisor low] */
#define IER 1u     /* interrupt enable [divisor high] */
#define IIR_FCR 2u /* interrupt identification, FIFO control */
#define LCR 3u
#define MCR 4u
#define LSR 5u
#define MSR 6u
#define SCR 7u

#define IER_RECEIVED 0x01u
#define IER_TRANSMIT_EMPTY 0x02u
#define IER_LINE 0x04u
#define IER_MODEM 0x08u
#define IER_MASK 0x0fu

#define IIR_NONE 0x01u
#define IIR_MODEM 0x00u
#define IIR_TRANSMIT_EMPTY 0x02u
#define IIR_RECEIVED 0x04u
#define IIR_LINE 0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFOS 0xc0u

#define FCR_ENABLE 0x01u
#define FCR_RESET_RECEIVE 0x02u
#define FCR_RESET_TRANSMIT 0x04u

#define LCR_BREAK 0x40u
#define LCR_DLAB 0x80u

#define MCR_DTR 0x01u
#define MCR_RTS 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_MASK 0x1fu

#define LSR_DATA 0x01u
#define LSR_OVERRUN 0x02u
#define LSR_BREAK 0x10u
#define LSR_HOLDING_EMPTY 0x20u
#define LSR_EMPTY 0x40u
#define LSR_FIFO_ERROR 0x80u

#define MSR_DELTAS 0x0fu
#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RING 0x40u
#define MSR_CARRIER 0x80u

#define FIFO_SIZE 16u
/* No character read for four character times (8.6.2): at 115200 baud. */
#define TIMEOUT_NS (4ull * 10 * 1000000000 / 115200)

struct uart {
    struct tn_host *host;
    const struct tn_chars *chars;
    const struct tn_clock *clock;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    struct tn_region *region;
    struct tn_char_stream *stream;
    struct tn_irq *irq;
    struct tn_timer *timer;
    uint64_t frequency;
    uint32_t stride_bits; /* log2 bytes between registers */
    uint8_t receive[FIFO_SIZE];
    uint8_t receive_break[FIFO_SIZE]; /* this character came with a break */
    uint32_t receive_head, receive_count;
    uint8_t transmit[FIFO_SIZE]; /* what the back-end has not taken yet */
    uint32_t transmit_count;
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint8_t transmit_interrupt; /* THR became empty; read IIR clears */
    uint8_t timed_out;
    uint16_t divisor;
};

static uint32_t receive_capacity(const struct uart *u)
{
    return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

/* Characters in the FIFO that raise the received-data interrupt (FCR 7:6). */
static uint32_t trigger_level(const struct uart *u)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};

    return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

/* What IIR shows, without the FIFO bits: the highest of table IV. */
static uint8_t interrupt_id(const struct uart *u)
{
    if (u->ier & IER_LINE && u->lsr & (LSR_OVERRUN | LSR_BREAK))
        return IIR_LINE;
    if (u->ier & IER_RECEIVED && u->receive_count >= trigger_level(u))
        return IIR_RECEIVED;
    if (u->ier & IER_RECEIVED && u->timed_out)
        return IIR_TIMEOUT;
    if (u->ier & IER_TRANSMIT_EMPTY && u->transmit_interrupt)
        return IIR_TRANSMIT_EMPTY;
    if (u->ier & IER_MODEM && u->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct uart *u)
{
    u->irqs->set(u->host, u->irq, interrupt_id(u) != IIR_NONE);
}

/* ---- receiver ---- */

static void restart_timeout(struct uart *u)
{
    u->timed_out = 0;
    if (u->fcr & FCR_ENABLE && u->receive_count > 0)
        u->clock->set_timer(u->host, u->timer,
                            u->clock->now(u->host, TN_CLOCK_VIRTUAL) +
                                TIMEOUT_NS);
    else
        u->clock->cancel_timer(u->host, u->timer);
}

static void timeout_fired(void *opaque)
{
    struct uart *u = opaque;

    u->timed_out = u->receive_count > 0;
    update_irq(u);
}

/* The character at the front brings its break condition into LSR. */
static void show_front(struct uart *u)
{
    if (u->receive_count == 0) {
        u->lsr &= (uint8_t)~(LSR_DATA | LSR_FIFO_ERROR);
        return;
    }
    u->lsr |= LSR_DATA;
    if (u->receive_break[u->receive_head]) {
        u->receive_break[u->receive_head] = 0;
        u->lsr |= LSR_BREAK;
    }
}

static void push_received(struct uart *u, uint8_t byte, uint8_t is_break)
{
    uint32_t at;

    if (u->receive_count == receive_capacity(u)) {
        u->lsr |= LSR_OVERRUN;
        return;
    }
    at = (u->receive_head + u->receive_count) % FIFO_SIZE;
    u->receive[at] = byte;
    u->receive_break[at] = is_break;
    u->receive_count++;
    show_front(u);
}

static uint8_t pop_received(struct uart *u)
{
    uint8_t byte;

    if (u->receive_count == 0)
        return 0;
    byte = u->receive[u->receive_head];
    u->receive_head = (u->receive_head + 1) % FIFO_SIZE;
    u->receive_count--;
    show_front(u);
    restart_timeout(u);
    u->chars->accept(u->host, u->stream);
    return byte;
}

static uint32_t can_receive(void *opaque)
{
    struct uart *u = opaque;

    return u->mcr & MCR_LOOP ? 0 : receive_capacity(u) - u->receive_count;
}

static void receive(void *opaque, const uint8_t *data, uint32_t bytes)
{
    struct uart *u = opaque;

    for (uint32_t i = 0; i < bytes; i++)
        push_received(u, data[i], 0);
    restart_timeout(u);
    update_irq(u);
}

static void set_modem_inputs(struct uart *u, uint8_t inputs)
{
    uint8_t changed = (u->msr ^ inputs) & (uint8_t)~MSR_DELTAS;

    /* The ring indicator's delta is set by its trailing edge only. */
    if (changed & MSR_RING && inputs & MSR_RING)
        changed &= (uint8_t)~MSR_RING;
    u->msr = (uint8_t)(inputs | (u->msr & MSR_DELTAS) | changed >> 4);
}

static void char_event(void *opaque, uint32_t event)
{
    struct uart *u = opaque;

    if (event == TN_CHAR_BREAK)
        push_received(u, 0, 1);
    else if (!(u->mcr & MCR_LOOP))
        set_modem_inputs(u, event == TN_CHAR_OPENED
                                ? MSR_CTS | MSR_DSR | MSR_CARRIER
                                : 0);
    update_irq(u);
}

/* ---- transmitter ---- */

static void drain(struct uart *u)
{
    uint32_t taken;

    if (u->transmit_count == 0)
        return;
    taken =
        u->chars->write(u->host, u->stream, u->transmit, u->transmit_count);
    u->transmit_count -= taken;
    memmove(u->transmit, u->transmit + taken, u->transmit_count);
    if (u->transmit_count == 0) {
        u->lsr |= LSR_HOLDING_EMPTY | LSR_EMPTY;
        u->transmit_interrupt = 1;
    }
}

static void writable(void *opaque)
{
    struct uart *u = opaque;

    drain(u);
    update_irq(u);
}

static void transmit(struct uart *u, uint8_t byte)
{
    uint32_t capacity = u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

    u->transmit_interrupt = 0;
    if (u->mcr & MCR_LOOP) {
        push_received(u, byte, 0);
        restart_timeout(u);
        u->transmit_interrupt = 1;
        return;
    }
    if (u->transmit_count == capacity)
        u->transmit_count--; /* the last one is overwritten */
    u->transmit[u->transmit_count++] = byte;
    u->lsr &= (uint8_t)~(LSR_HOLDING_EMPTY | LSR_EMPTY);
    drain(u);
}

/* ---- registers ---- */

static uint8_t read_iir(struct uart *u)
{
    uint8_t id = interrupt_id(u);

    if (id == IIR_TRANSMIT_EMPTY)
        u->transmit_interrupt = 0;
    return id | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_register(struct uart *u, uint32_t reg)
{
    uint8_t value;

    switch (reg) {
    case RBR_THR:
        return u->lcr & LCR_DLAB ? (uint8_t)u->divisor : pop_received(u);
    case IER:
        return u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        value = u->lsr;
        u->lsr &= (uint8_t)~(LSR_OVERRUN | LSR_BREAK);
        return value;
    case MSR:
        value = u->msr;
        u->msr &= (uint8_t)~MSR_DELTAS;
        return value;
    default:
        return u->scr;
    }
}

static void write_fcr(struct uart *u, uint8_t value)
{
    /* Changing the mode empties both FIFOs (8.6.1). */
    if ((u->fcr ^ value) & FCR_ENABLE)
        value |= FCR_RESET_RECEIVE | FCR_RESET_TRANSMIT;
    u->fcr = value & (uint8_t)~(FCR_RESET_RECEIVE | FCR_RESET_TRANSMIT);
    if (value & FCR_RESET_RECEIVE) {
        u->receive_count = 0;
        memset(u->receive_break, 0, sizeof u->receive_break);
        show_front(u);
        restart_timeout(u);
        u->chars->accept(u->host, u->stream);
    }
    if (value & FCR_RESET_TRANSMIT && u->transmit_count) {
        u->transmit_count = 0;
        u->lsr |= LSR_HOLDING_EMPTY | LSR_EMPTY;
        u->transmit_interrupt = 1;
    }
}

/* In loop-back the modem outputs are its inputs (8.7). */
static void write_mcr(struct uart *u, uint8_t value)
{
    u->mcr = value & MCR_MASK;
    if (u->mcr & MCR_LOOP)
        set_modem_inputs(u, (u->mcr & MCR_RTS ? MSR_CTS : 0) |
                                (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                                (u->mcr & MCR_OUT1 ? MSR_RING : 0) |
                                (u->mcr & MCR_OUT2 ? MSR_CARRIER : 0));
    else
        set_modem_inputs(u, u->chars->is_open(u->host, u->stream)
                                ? MSR_CTS | MSR_DSR | MSR_CARRIER
                                : 0);
    u->chars->accept(u->host, u->stream);
}

static void write_lcr(struct uart *u, uint8_t value)
{
    if (~u->lcr & value & LCR_BREAK)
        u->chars->send_break(u->host, u->stream);
    u->lcr = value;
}

static void write_ier(struct uart *u, uint8_t value)
{
    /* Enabling it while the transmitter is empty interrupts at once. */
    if (~u->ier & value & IER_TRANSMIT_EMPTY && u->lsr & LSR_HOLDING_EMPTY)
        u->transmit_interrupt = 1;
    u->ier = value & IER_MASK;
}

static void write_register(struct uart *u, uint32_t reg, uint8_t value)
{
    switch (reg) {
    case RBR_THR:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
        else
            transmit(u, value);
        break;
    case IER:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff) | value << 8);
        else
            write_ier(u, value);
        break;
    case IIR_FCR:
        write_fcr(u, value);
        break;
    case LCR:
        write_lcr(u, value);
        break;
    case MCR:
        write_mcr(u, value);
        break;
    case SCR:
        u->scr = value;
        break;
    default:
        break; /* LSR and MSR are read only */
    }
}

static uint64_t uart_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct uart *u = opaque;
    uint8_t value;

    (void)size;
    if (offset & ((1u << u->stride_bits) - 1))
        return 0;
    value = read_register(u, (uint32_t)(offset >> u->stride_bits) & 7);
    update_irq(u);
    return value;
}

static void uart_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct uart *u = opaque;

    (void)size;
    if (offset & ((1u << u->stride_bits) - 1))
        return;
    write_register(u, (uint32_t)(offset >> u->stride_bits) & 7,
                   (uint8_t)value);
    update_irq(u);
}

static const struct tn_region_ops uart_region = {
    .size = sizeof uart_region,
    .min_access = 1,
    .max_access = 1,
    .read = uart_read,
    .write = uart_write,
};

static const struct tn_char_handlers uart_handlers = {
    .size = sizeof uart_handlers,
    .can_receive = can_receive,
    .receive = receive,
    .event = char_event,
    .writable = writable,
};

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
    restart_timeout(u);
    drain(u);
    update_irq(u);
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
        drain(u);
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
        u->clock->new_timer(u->host, TN_CLOCK_VIRTUAL, timeout_fired, u);
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
    restart_timeout(u);
    update_irq(u);
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
