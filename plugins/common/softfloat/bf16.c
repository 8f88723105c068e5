/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of bfloat16.  Threads: [any]. */
#define SF_F bf16
#define SF_T uint16_t
#include "softfloat-format.h"
