/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal belongs to the process, so what is needed to give it back in a
 * signal handler cannot be an instance's. `owner` makes sure that one instance
 * at a time has it. A signal that ends the process finds the terminal as it
 * was, one that stops it too, and when it goes on it is raw again.
 */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

static struct {
    _Atomic(void *) owner;
    struct termios saved, raw;
    atomic_int changed;
    int in_flags, out_flags; /* -1: not known */
} terminal = {.in_flags = -1, .out_flags = -1};

static const int signals[] = {SIGABRT, SIGBUS,  SIGFPE, SIGILL,  SIGSEGV,
                              SIGQUIT, SIGHUP,  SIGINT, SIGTERM, SIGTSTP,
                              SIGCONT};
#define N_SIGNALS (sizeof signals / sizeof *signals)
static struct sigaction previous[N_SIGNALS];

/* ---- async-signal-safe ---- */

static void restore_flags(void)
{
    if (terminal.in_flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, terminal.in_flags);
    if (terminal.out_flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, terminal.out_flags);
}

static void restore_terminal(void)
{
    if (atomic_exchange(&terminal.changed, 0))
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
    restore_flags();
}

/* Give the terminal back, then die (or go on) as without us. */
static void on_fatal_signal(int number)
{
    restore_terminal();
    for (size_t i = 0; i < N_SIGNALS; i++)
        if (signals[i] == number)
            sigaction(number, &previous[i], NULL);
    raise(number);
}

static void on_stop(int number)
{
    int error = errno;

    (void)number;
    if (atomic_load(&terminal.changed))
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved);
    restore_flags();
    kill(getpid(), SIGSTOP);
    errno = error;
}

/* In the background the terminal is another's. */
static void on_continue(int number)
{
    int error = errno;

    (void)number;
    if (terminal.in_flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, terminal.in_flags | O_NONBLOCK);
    if (terminal.out_flags >= 0)
        fcntl(STDOUT_FILENO, F_SETFL, terminal.out_flags | O_NONBLOCK);
    if (atomic_load(&terminal.changed) &&
        tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.raw);
    errno = error;
}

/* ---- [control] ---- */

static void (*handler_of(int number))(int)
{
    if (number == SIGTSTP)
        return on_stop;
    return number == SIGCONT ? on_continue : on_fatal_signal;
}

static void catch_signals(void)
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        struct sigaction action = {.sa_handler = handler_of(signals[i]),
                                   .sa_flags = SA_RESTART};

        sigaction(signals[i], NULL, &previous[i]);
        /* What is ignored stays so (nohup). */
        if (previous[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(void)
{
    struct sigaction now;

    for (size_t i = 0; i < N_SIGNALS; i++)
        if (sigaction(signals[i], NULL, &now) == 0 &&
            now.sa_handler == handler_of(signals[i]))
            sigaction(signals[i], &previous[i], NULL);
}

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return flags;
}

int32_t terminal_take(void *owner)
{
    void *none = NULL;

    if (!atomic_compare_exchange_strong(&terminal.owner, &none, owner))
        return -EBUSY;
    terminal.in_flags = set_nonblocking(STDIN_FILENO);
    terminal.out_flags = set_nonblocking(STDOUT_FILENO);
    catch_signals();
    return 0;
}

void terminal_make_raw(uint32_t with_signals)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal.saved) < 0)
        return;
    raw = terminal.saved;
    raw.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR |
                                IGNCR | ICRNL | IXON);
    raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!with_signals)
        raw.c_lflag &= (tcflag_t)~ISIG;
    raw.c_cflag &= (tcflag_t) ~(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    terminal.raw = raw;
    atomic_store(&terminal.changed, 1);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        atomic_store(&terminal.changed, 0);
}

uint32_t terminal_is_raw(void)
{
    return (uint32_t)atomic_load(&terminal.changed);
}

void terminal_give_back(void *owner)
{
    if (atomic_load(&terminal.owner) != owner)
        return;
    restore_terminal();
    release_signals();
    terminal.in_flags = terminal.out_flags = -1;
    atomic_store(&terminal.owner, NULL);
}
