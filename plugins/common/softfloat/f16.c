/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of binary16 (IEEE Std 754-2019, 3.6).  Threads: [any]. */
#define SF_F f16
#define SF_T uint16_t
#include "softfloat-format.h"
