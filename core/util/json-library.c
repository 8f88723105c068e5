/* SPDX-License-Identifier: Apache-2.0 */
/* json-glib on demand; see json-library.h. */
#include "core/util/json-library.h"

#ifdef HAVE_JSON_GLIB
#    include "core/util/library.h"

#    define LIBRARY "libjson-glib-1.0.so.0"

const struct tn_json_library *tn_json_library(struct tn_error *error)
{
    static struct tn_json_library library;
    static const struct tn_library_function functions[] = {
#    define X(name) {#name, (void **)(void *)&library.name},
        TN_JSON_FUNCTIONS(X)
#    undef X
    };
    static gboolean loaded;

    if (!loaded)
        loaded = tn_library_load(LIBRARY, functions, G_N_ELEMENTS(functions),
                                 error) == 0;
    return loaded ? &library : NULL;
}
#endif
