/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries that are loaded when they are first needed, because as
 * usual dependencies they would cost every start of a program more than all of
 * its own work. Control thread.
 */
#ifndef TENON_CORE_UTIL_LIBRARY_H
#define TENON_CORE_UTIL_LIBRARY_H

#include <glib.h>

#include "core/util/error.h"

struct tn_library_function {
    const char *name;
    void **function; /* set */
};

/* Load NAME, a shared object as the dynamic linker finds it, and all its
 * functions of the list. It is never unloaded. Returns 0, or -ELIBACC and
 * ERROR says what is missing. */
int32_t tn_library_load(const char *name,
                        const struct tn_library_function *functions, gsize n,
                        struct tn_error *error);

#endif
