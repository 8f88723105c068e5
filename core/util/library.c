/* SPDX-License-Identifier: Apache-2.0 */
/* See library.h. */
#include "core/util/library.h"

#include <dlfcn.h>
#include <errno.h>

int32_t tn_library_load(const char *name,
                        const struct tn_library_function *functions, gsize n,
                        struct tn_error *error)
{
    void *handle = dlopen(name, RTLD_LAZY | RTLD_LOCAL);

    if (!handle)
        return tn_error_set(error, -ELIBACC, "%s", dlerror());
    for (gsize i = 0; i < n; i++) {
        *functions[i].function = dlsym(handle, functions[i].name);
        if (!*functions[i].function)
            return tn_error_set(error, -ELIBACC, "%s: %s", name, dlerror());
    }
    return 0;
}
