/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's terminal: taken by one instance at a time, and given back as
 * it was on every way out.
 */
#ifndef TENON_CHAR_STDIO_TERMINAL_H
#define TENON_CHAR_STDIO_TERMINAL_H

#include <stdint.h>

/* Make standard input and output OWNER's, and not block. 0, or -EBUSY. */
int32_t terminal_take(void *owner);
/* No echo, no lines; with SIGNALS the terminal's keys still send theirs.
 * Nothing happens if standard input is no terminal. */
void terminal_make_raw(uint32_t signals);
uint32_t terminal_is_raw(void);
void terminal_give_back(void *owner);

#endif
