/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, on standard error, and the status line under it.
 *
 * Levels are those of the ABI (TN_LOG_*, tenon/host.h). Every function may be
 * called on any thread; a message is written with one write(2), so lines of
 * several threads do not mix.
 */
#ifndef TENON_CORE_UTIL_LOG_H
#define TENON_CORE_UTIL_LOG_H

#include <glib.h>
#include <stdint.h>

#include <tenon/host.h>

/* Who speaks. One a machine instance, zero-initialised except for the name;
 * holds the rate limit of its TN_LOG_GUEST messages: what a guest can make us
 * say must not fill a disk. Must outlive calls that use it. */
struct tn_log_source {
    const char *name;     /* "disk.root"; NULL: Tenon itself */
    int64_t window_start; /* monotonic microseconds; the log's own */
    uint32_t in_window;
    uint32_t suppressed;
};

/* Guest messages let through per source and window. */
#define TN_LOG_GUEST_BURST 10u
#define TN_LOG_GUEST_WINDOW_US (10 * G_TIME_SPAN_SECOND)

/* Show messages of LEVEL (TN_LOG_DEBUG..ERROR) and above; the default is
 * TN_LOG_INFO. Guest messages count as warnings. */
void tn_log_set_level(uint32_t level);
gboolean tn_log_enabled(uint32_t level);

/* Write to FD instead of standard error (tests). -1 restores. */
void tn_log_set_fd(int fd);

/* One line, no newline needed; control characters are shown as \xNN since
 * text may come from a guest. SOURCE may be NULL. */
void tn_log_write(struct tn_log_source *source, uint32_t level,
                  const char *text);
/* printf into tn_log_write(NULL, ...): for core and tools. */
void tn_log_printf(uint32_t level, const char *format, ...) G_GNUC_PRINTF(2, 3);
#define tn_debug(...) tn_log_printf(TN_LOG_DEBUG, __VA_ARGS__)
#define tn_info(...) tn_log_printf(TN_LOG_INFO, __VA_ARGS__)
#define tn_warning(...) tn_log_printf(TN_LOG_WARNING, __VA_ARGS__)
#define tn_log_error(...) tn_log_printf(TN_LOG_ERROR, __VA_ARGS__)

/* Replace the status line: what is going on while somebody waits ("loading
 * vmlinuz"). Shown only if standard error is a terminal; the next message or
 * tn_status_clear() removes it. */
void tn_status(const char *format, ...) G_GNUC_PRINTF(1, 2);
void tn_status_clear(void);

#endif
