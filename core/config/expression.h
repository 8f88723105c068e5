/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic in board files: `0x10001000 + 0x1000 * %`. */
#ifndef TENON_CORE_CONFIG_EXPRESSION_H
#define TENON_CORE_CONFIG_EXPRESSION_H

#include <glib.h>
#include <stdint.h>

#include "core/util/error.h"

/* Numbers (as tn_parse_size() reads them), + - * with the usual precedence, and
 * parentheses; 64 bits unsigned, a result outside is an error. A '%' has been
 * replaced by the section's index before; one that is left is a mistake.
 * 0 or -EINVAL. */
int32_t tn_expression(const char *text, uint64_t *result,
                      struct tn_error *error);

#endif
