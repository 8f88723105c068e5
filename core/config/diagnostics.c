/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a machine file; see diagnostics.h. */
#include "core/config/diagnostics.h"

#include <stdarg.h>

static void free_diagnostic(gpointer data)
{
    struct tn_diagnostic *diagnostic = data;

    g_free(diagnostic->text);
    g_free(diagnostic);
}

struct tn_diagnostics *tn_diagnostics_new(void)
{
    struct tn_diagnostics *diagnostics = g_new0(struct tn_diagnostics, 1);

    diagnostics->list = g_ptr_array_new_with_free_func(free_diagnostic);
    return diagnostics;
}

void tn_diagnostics_free(struct tn_diagnostics *diagnostics)
{
    if (!diagnostics)
        return;
    g_ptr_array_free(diagnostics->list, TRUE);
    g_free(diagnostics);
}

void tn_diagnose(struct tn_diagnostics *diagnostics, gboolean warning,
                 const char *file, guint line, const char *section,
                 const char *format, ...)
{
    struct tn_diagnostic *diagnostic = g_new0(struct tn_diagnostic, 1);
    GString *text = g_string_new(NULL);
    va_list ap;

    if (file && line)
        g_string_append_printf(text, "%s:%u: ", file, line);
    else if (file)
        g_string_append_printf(text, "%s: ", file);
    if (warning)
        g_string_append(text, "warning: ");
    if (section)
        g_string_append_printf(text, "[%s] ", section);
    va_start(ap, format);
    g_string_append_vprintf(text, format, ap);
    va_end(ap);
    diagnostic->warning = warning;
    diagnostic->text = g_string_free(text, FALSE);
    g_ptr_array_add(diagnostics->list, diagnostic);
    if (warning)
        diagnostics->warnings++;
    else
        diagnostics->errors++;
}
