/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets of a machine's description; see core/config/secrets.c. */
#ifndef TENON_CORE_BLOCK_SECRET_READ_H
#define TENON_CORE_BLOCK_SECRET_READ_H

#include "core/config/machine-desc.h"

/* Fill SECRETS->store if that was not done. Returns 0, or a negative errno;
 * ERROR begins with the file and line of the section. */
int32_t block_secrets_read(struct tn_secrets_desc *secrets,
                           struct tn_error *error);

#endif
