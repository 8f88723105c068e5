/* SPDX-License-Identifier: Apache-2.0 */
/* Floating point. */
#include "gen.h"

bool gen_fp(struct gen *g, uint32_t i, const struct tn_ir_op *o)
{
    (void)g;
    (void)i;
    (void)o;
    return false;
}

void gen_cold_fp(struct gen *g, struct cold *c)
{
    (void)g;
    (void)c;
}
