/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log and the status line; see log.h. One lock orders messages, the status
 * line and the rate limits of all sources; it is held across write(2), which
 * is why nothing on a hot path logs without asking tn_log_enabled() first.
 */
#include "core/util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static GMutex lock;
static int log_fd = STDERR_FILENO; /* under lock */
static gboolean status_shown;      /* under lock */
static gint threshold = TN_LOG_INFO;

static const char *const level_names[] = {
    [TN_LOG_DEBUG] = "debug: ",     [TN_LOG_INFO] = "",
    [TN_LOG_WARNING] = "warning: ", [TN_LOG_ERROR] = "error: ",
    [TN_LOG_GUEST] = "guest: ",
};

/* Where a level stands against the threshold. */
static uint32_t severity(uint32_t level)
{
    return level == TN_LOG_GUEST ? TN_LOG_WARNING : level;
}

void tn_log_set_level(uint32_t level)
{
    g_atomic_int_set(&threshold, (gint)severity(level));
}

gboolean tn_log_enabled(uint32_t level)
{
    return severity(level) >= (uint32_t)g_atomic_int_get(&threshold);
}

void tn_log_set_fd(int fd)
{
    g_mutex_lock(&lock);
    log_fd = fd < 0 ? STDERR_FILENO : fd;
    status_shown = FALSE;
    g_mutex_unlock(&lock);
}

/* Nobody can be told that the log cannot be written. */
static void write_all(const char *text, gsize bytes)
{
    while (bytes) {
        ssize_t done = write(log_fd, text, bytes);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        text += done;
        bytes -= (gsize)done;
    }
}

static void erase_status(void)
{
    if (status_shown)
        write_all("\r\033[K", 4);
    status_shown = FALSE;
}

/* Terminal escapes and stray newlines must not pass. */
static void append_printable(GString *line, const char *text)
{
    gsize length = strlen(text);

    while (length && text[length - 1] == '\n')
        length--;
    for (gsize i = 0; i < length; i++) {
        guchar c = (guchar)text[i];

        if (c < 0x20 || c == 0x7f)
            g_string_append_printf(line, "\\x%02x", c);
        else
            g_string_append_c(line, (char)c);
    }
}

/* May this guest message pass? Appends to LINE that others did not. */
static gboolean guest_allowed(struct tn_log_source *source, GString *line)
{
    int64_t now = g_get_monotonic_time();

    if (source->window_start == 0 ||
        now - source->window_start >= TN_LOG_GUEST_WINDOW_US) {
        source->window_start = now;
        source->in_window = 0;
    }
    if (source->in_window >= TN_LOG_GUEST_BURST) {
        source->suppressed++;
        return FALSE;
    }
    source->in_window++;
    if (source->suppressed)
        g_string_append_printf(line, "(%u messages left out) ",
                               source->suppressed);
    source->suppressed = 0;
    return TRUE;
}

void tn_log_write(struct tn_log_source *source, uint32_t level,
                  const char *text)
{
    static struct tn_log_source anonymous;
    g_autoptr(GString) line = NULL;

    if (!tn_log_enabled(level))
        return;
    line = g_string_new("tenon: ");
    if (level < G_N_ELEMENTS(level_names))
        g_string_append(line, level_names[level]);
    if (source && source->name)
        g_string_append_printf(line, "%s: ", source->name);
    g_mutex_lock(&lock);
    if (level != TN_LOG_GUEST ||
        guest_allowed(source ? source : &anonymous, line)) {
        append_printable(line, text ? text : "(null)");
        g_string_append_c(line, '\n');
        erase_status();
        write_all(line->str, line->len);
    }
    g_mutex_unlock(&lock);
}

void tn_log_printf(uint32_t level, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!tn_log_enabled(level))
        return;
    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    tn_log_write(NULL, level, text);
}

void tn_status(const char *format, ...)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_mutex_lock(&lock);
    if (isatty(log_fd)) {
        erase_status();
        append_printable(line, text);
        write_all(line->str, line->len);
        status_shown = TRUE;
    }
    g_mutex_unlock(&lock);
}

void tn_status_clear(void)
{
    g_mutex_lock(&lock);
    erase_status();
    g_mutex_unlock(&lock);
}
