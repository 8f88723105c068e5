/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading boot files.
 */
#ifndef TENON_CORE_MACHINE_BOOT_FILE_H
#define TENON_CORE_MACHINE_BOOT_FILE_H

#include <stdint.h>

#include "core/util/error.h"

/* The file PATH, with EXPAND_IT unpacked if it is compressed, of at most LIMIT
 * bytes then.
 * *DATA is freed with g_free(). */
int32_t boot_file_read(const char *path, uint64_t limit, gboolean expand_it,
                       void **data, uint64_t *bytes, struct tn_error *error);

#endif
