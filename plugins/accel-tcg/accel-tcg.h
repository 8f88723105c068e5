/* SPDX-License-Identifier: Apache-2.0 */
/* The component's table, for the tests. */
#ifndef TENON_ACCEL_TCG_COMPONENT_H
#define TENON_ACCEL_TCG_COMPONENT_H

#include "tenon/abi.h"

extern const struct tn_component_ops tcg_component_ops;

#endif
