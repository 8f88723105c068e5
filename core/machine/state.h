/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved state: instances' tables of fields to and from a stream of names and
 * values, whose form state-stream.h describes.
 */
#ifndef TENON_CORE_MACHINE_STATE_H
#define TENON_CORE_MACHINE_STATE_H

#include <glib.h>
#include <stdint.h>

#include "core/util/error.h"

struct instance;

/* Is what INSTANCE says of its state sound? An instance that says nothing is;
 * it only cannot be saved. */
int32_t state_check(struct instance *instance, struct tn_error *error);

#endif
