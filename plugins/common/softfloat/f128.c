/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of binary128 (IEEE Std 754-2019, 3.6).  Threads: [any]. */
#define SF_F f128
#define SF_T struct sf_f128
#include "softfloat-format.h"
