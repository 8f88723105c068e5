/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver, the transmitter, and the interrupt that they raise. */
#include "uart.h"

#include <string.h>

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

uint8_t uart_interrupt_id(const struct uart *u)
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

void uart_update_irq(struct uart *u)
{
    u->irqs->set(u->host, u->irq, uart_interrupt_id(u) != IIR_NONE);
}

/* ---- receiver ---- */

void uart_restart_timeout(struct uart *u)
{
    u->timed_out = 0;
    if (u->fcr & FCR_ENABLE && u->receive_count > 0)
        u->clock->set_timer(u->host, u->timer,
                            u->clock->now(u->host, TN_CLOCK_VIRTUAL) +
                                TIMEOUT_NS);
    else
        u->clock->cancel_timer(u->host, u->timer);
}

void uart_timeout_fired(void *opaque)
{
    struct uart *u = opaque;

    u->timed_out = u->receive_count > 0;
    uart_update_irq(u);
}

/* The character at the front brings its break condition into LSR. */
void uart_show_front(struct uart *u)
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
    uart_show_front(u);
}

uint8_t uart_pop_received(struct uart *u)
{
    uint8_t byte;

    if (u->receive_count == 0)
        return 0;
    byte = u->receive[u->receive_head];
    u->receive_head = (u->receive_head + 1) % FIFO_SIZE;
    u->receive_count--;
    uart_show_front(u);
    uart_restart_timeout(u);
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
    uart_restart_timeout(u);
    uart_update_irq(u);
}

void uart_set_modem_inputs(struct uart *u, uint8_t inputs)
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
        uart_set_modem_inputs(u, event == TN_CHAR_OPENED
                                ? MSR_CTS | MSR_DSR | MSR_CARRIER
                                : 0);
    uart_update_irq(u);
}

/* ---- transmitter ---- */

void uart_drain(struct uart *u)
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

    uart_drain(u);
    uart_update_irq(u);
}

void uart_transmit(struct uart *u, uint8_t byte)
{
    uint32_t capacity = u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

    u->transmit_interrupt = 0;
    if (u->mcr & MCR_LOOP) {
        push_received(u, byte, 0);
        uart_restart_timeout(u);
        u->transmit_interrupt = 1;
        return;
    }
    if (u->transmit_count == capacity)
        u->transmit_count--; /* the last one is overwritten */
    u->transmit[u->transmit_count++] = byte;
    u->lsr &= (uint8_t)~(LSR_HOLDING_EMPTY | LSR_EMPTY);
    uart_drain(u);
}

const struct tn_char_handlers uart_handlers = {
    .size = sizeof uart_handlers,
    .can_receive = can_receive,
    .receive = receive,
    .event = char_event,
    .writable = writable,
};
