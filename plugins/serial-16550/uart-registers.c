/* SPDX-License-Identifier: Apache-2.0 */
/* The registers, table II of the data sheet. */
#include "uart.h"

#include <string.h>

static uint8_t read_iir(struct uart *u)
{
    uint8_t id = uart_interrupt_id(u);

    if (id == IIR_TRANSMIT_EMPTY)
        u->transmit_interrupt = 0;
    return id | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_register(struct uart *u, uint32_t reg)
{
    uint8_t value;

    switch (reg) {
    case RBR_THR:
        return u->lcr & LCR_DLAB ? (uint8_t)u->divisor : uart_pop_received(u);
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
        uart_show_front(u);
        uart_restart_timeout(u);
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
        uart_set_modem_inputs(u, (u->mcr & MCR_RTS ? MSR_CTS : 0) |
                                (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                                (u->mcr & MCR_OUT1 ? MSR_RING : 0) |
                                (u->mcr & MCR_OUT2 ? MSR_CARRIER : 0));
    else
        uart_set_modem_inputs(u, u->chars->is_open(u->host, u->stream)
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
            uart_transmit(u, value);
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
    uart_update_irq(u);
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
    uart_update_irq(u);
}

const struct tn_region_ops uart_region = {
    .size = sizeof uart_region,
    .min_access = 1,
    .max_access = 1,
    .read = uart_read,
    .write = uart_write,
};
