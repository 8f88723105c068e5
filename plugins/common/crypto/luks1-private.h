/* SPDX-License-Identifier: Apache-2.0 */
/* What luks1.c and luks1-keys.c share. */
#ifndef TENON_COMMON_LUKS1_PRIVATE_H
#define TENON_COMMON_LUKS1_PRIVATE_H

#include "crypto/crypto.h"

#define LUKS1_HEADER_BYTES 592u
#define LUKS1_STRIPES 4000u /* the specification's recommendation */
#define LUKS1_MIN_ITERATIONS 1000u

/* What a header that somebody else made may ask of us. */
#define LIMIT_STRIPES (1u << 16)
/* Of one attempt to open, all slots together: minutes, not days. */
#define LIMIT_ITERATIONS (UINT64_C(1) << 29)

/* What the key material of a slot takes, in whole sectors. */
uint64_t luks1_material_bytes(uint32_t key_bytes, uint32_t stripes);
int32_t luks1_write_header(const struct luks1 *luks, struct tn_error *error);

#endif
