/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A UART, after National Semiconductor's PC16550D data sheet (June 1995).
 * Characters leave at once: the rate the divisor asks for is not kept, so the
 * transmitter is empty again as soon as the back-end took the byte.
 */
#ifndef TENON_SERIAL_16550_UART_H
#define TENON_SERIAL_16550_UART_H

#include "tenon/char.h"
#include "tenon/clock.h"
#include "tenon/irq.h"
#include "tenon/memory.h"

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

/* ---- uart-fifo.c ---- */

/* What IIR shows, without the FIFO bits: the highest of table IV. */
uint8_t uart_interrupt_id(const struct uart *u);
/* The line, as the interrupts stand now. */
void uart_update_irq(struct uart *u);
/* Characters wait, or do not any more: the timeout begins anew. */
void uart_restart_timeout(struct uart *u);
void uart_timeout_fired(void *opaque);
/* LSR tells of the character at the front of the receiver's FIFO. */
void uart_show_front(struct uart *u);
uint8_t uart_pop_received(struct uart *u);
/* MSR's inputs, and its deltas. */
void uart_set_modem_inputs(struct uart *u, uint8_t inputs);
/* To the back-end, as much as it takes. */
void uart_drain(struct uart *u);
void uart_transmit(struct uart *u, uint8_t byte);

extern const struct tn_char_handlers uart_handlers;

/* ---- uart-registers.c ---- */

extern const struct tn_region_ops uart_region;

#endif
