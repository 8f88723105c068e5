/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of binary32 (IEEE Std 754-2019, 3.6).  Threads: [any]. */
#define SF_F f32
#define SF_T uint32_t
#include "softfloat-format.h"
