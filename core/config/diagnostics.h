/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a machine file: a list, so that every mistake is
 * reported. A message names the place and the section:
 *   vm.conf:12: [disk root] unknown property 'imge'; did you mean 'image'?
 */
#ifndef TENON_CORE_CONFIG_DIAGNOSTICS_H
#define TENON_CORE_CONFIG_DIAGNOSTICS_H

#include <glib.h>

struct tn_diagnostic {
    gboolean warning;
    char *text; /* complete, with place */
};

struct tn_diagnostics {
    GPtrArray *list; /* of struct tn_diagnostic * */
    guint errors;
    guint warnings;
};

struct tn_diagnostics *tn_diagnostics_new(void);
void tn_diagnostics_free(struct tn_diagnostics *diagnostics);

/* FILE NULL: no place. LINE 0: the file as a whole, or "--set". SECTION is the
 * header's text without brackets, or NULL. */
void tn_diagnose(struct tn_diagnostics *diagnostics, gboolean warning,
                 const char *file, guint line, const char *section,
                 const char *format, ...) G_GNUC_PRINTF(6, 7);

#endif
