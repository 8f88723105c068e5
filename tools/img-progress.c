/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress: the percentage that scripts know, and on a terminal speed and time
 * left behind it. SIGUSR1 shows where a run without -p is.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/tenon-img.h"

#define INTERVAL_US (G_USEC_PER_SEC / 5)

static struct {
    uint64_t total, done;
    int64_t started, shown;
    double percent;
    gboolean active, terminal;
} state;
static volatile sig_atomic_t asked;

static void ask(int signal)
{
    (void)signal;
    asked = 1;
}

static double percentage(void)
{
    return state.total ? 100.0 * (double)state.done / (double)state.total
                       : 100.0;
}

static void show(void)
{
    double seconds =
        (double)(g_get_monotonic_time() - state.started) / G_USEC_PER_SEC;
    double speed = seconds > 0 ? (double)state.done / seconds : 0;

    printf("    (%3.2f/100%%)", percentage());
    if (state.terminal && speed > 0 && seconds > 0.5) {
        g_autofree char *rate = img_size_text((uint64_t)speed);
        uint64_t left = (uint64_t)((double)(state.total - state.done) / speed);

        printf("  %s/s, %" G_GUINT64_FORMAT ":%02u left    ", rate, left / 60,
               (unsigned)(left % 60));
    }
    putchar('\r');
    fflush(stdout);
    state.percent = percentage();
}

void img_progress_begin(uint64_t total)
{
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};

    state.total = total;
    state.done = 0;
    state.started = state.shown = g_get_monotonic_time();
    state.active = img.progress && !img.quiet;
    state.terminal = isatty(STDOUT_FILENO);
    sigaction(SIGUSR1, &action, NULL);
    if (state.active)
        show();
}

void img_progress(void *unused, uint64_t done)
{
    int64_t now;

    (void)unused;
    state.done = MIN(done, state.total);
    if (asked) {
        asked = 0;
        show();
        if (!state.active)
            putchar('\n');
        fflush(stdout);
    }
    if (!state.active)
        return;
    now = g_get_monotonic_time();
    if (now - state.shown < INTERVAL_US || percentage() - state.percent < 0.01)
        return;
    state.shown = now;
    show();
}

void img_progress_end(void)
{
    if (!state.active)
        return;
    state.done = state.total;
    show();
    putchar('\n');
    state.active = FALSE;
}
