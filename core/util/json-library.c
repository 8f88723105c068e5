/* SPDX-License-Identifier: Apache-2.0 */
/* json-glib on demand; see json-library.h. */
#include "core/util/json-library.h"

#ifdef HAVE_JSON_GLIB
#    include <dlfcn.h>
#    include <errno.h>

#    define LIBRARY "libjson-glib-1.0.so.0"

const struct tn_json_library *tn_json_library(struct tn_error *error)
{
    static struct tn_json_library library;
    static const struct {
        const char *name;
        void **function;
    } functions[] = {
#    define X(name) {#name, (void **)(void *)&library.name},
        TN_JSON_FUNCTIONS(X)
#    undef X
    };
    static gboolean loaded;
    void *handle;

    if (loaded)
        return &library;
    handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        tn_error_set(error, -ELIBACC, "%s", dlerror());
        return NULL;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(functions); i++) {
        *functions[i].function = dlsym(handle, functions[i].name);
        if (!*functions[i].function) {
            tn_error_set(error, -ELIBACC, "%s: %s", LIBRARY, dlerror());
            return NULL;
        }
    }
    loaded = TRUE;
    return &library;
}
#endif
