/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of binary64 (IEEE Std 754-2019, 3.6).  Threads: [any]. */
#define SF_F f64
#define SF_T uint64_t
#include "softfloat-format.h"
