/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the x87 and m68k extended format.  Threads: [any]. */
#define SF_F f80
#define SF_T struct sf_f80
#include "softfloat-format.h"
