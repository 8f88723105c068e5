/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct tn_error: one operation's error text.
 *
 * Plugins see it as an opaque handle that they pass to tn_log.set_error();
 * core and tools allocate it on the stack and hand its address down. Calls
 * that take one return 0 or a negative errno; the text says what failed and
 * which file, instance or property was at fault, without a final full stop.
 * An error object belongs to one thread at a time.
 */
#ifndef TENON_CORE_UTIL_ERROR_H
#define TENON_CORE_UTIL_ERROR_H

#include <glib.h>
#include <stdarg.h>
#include <stdint.h>

struct tn_error {
    char *text; /* NULL: none */
};

/* g_auto(tn_error_auto) e = TN_ERROR_INIT; frees the text at scope's end. */
typedef struct tn_error tn_error_auto;
#define TN_ERROR_INIT                                                          \
    {                                                                          \
        NULL                                                                   \
    }

/* Set ERROR's text (replacing an earlier one) and return CODE, so that one
 * statement reports and returns. ERROR may be NULL. */
int32_t tn_error_set(struct tn_error *error, int32_t code, const char *format,
                     ...) G_GNUC_PRINTF(3, 4);
int32_t tn_error_setv(struct tn_error *error, int32_t code, const char *format,
                      va_list ap) G_GNUC_PRINTF(3, 0);

/* Put text before what is there: "disk.root: " + "no such file". */
void tn_error_prefix(struct tn_error *error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* The text, or what CODE means if the failing call left none. Never NULL;
 * valid until ERROR changes. */
const char *tn_error_text(const struct tn_error *error, int32_t code);

void tn_error_clear(struct tn_error *error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(tn_error_auto, tn_error_clear)

#endif
