/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts; see error.h. */
#include "core/util/error.h"

int32_t tn_error_setv(struct tn_error *error, int32_t code, const char *format,
                      va_list ap)
{
    if (error) {
        char *text = g_strdup_vprintf(format, ap);

        /* The old text may be among the arguments: it goes last. */
        g_free(error->text);
        error->text = text;
    }
    return code;
}

int32_t tn_error_set(struct tn_error *error, int32_t code, const char *format,
                     ...)
{
    va_list ap;

    va_start(ap, format);
    tn_error_setv(error, code, format, ap);
    va_end(ap);
    return code;
}

void tn_error_prefix(struct tn_error *error, const char *format, ...)
{
    g_autofree char *prefix = NULL;
    g_autofree char *old = NULL;
    va_list ap;

    if (!error || !error->text)
        return;
    va_start(ap, format);
    prefix = g_strdup_vprintf(format, ap);
    va_end(ap);
    old = error->text;
    error->text = g_strconcat(prefix, old, NULL);
}

const char *tn_error_text(const struct tn_error *error, int32_t code)
{
    if (error && error->text)
        return error->text;
    return code < 0 ? g_strerror(-code) : "unknown error";
}

void tn_error_clear(struct tn_error *error)
{
    g_clear_pointer(&error->text, g_free);
}
