/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epoch-based reclamation: readers of published data never lock.
 *
 * A reader brackets its use with epoch_enter() and epoch_exit(), which nest
 * and must not enclose anything that blocks. A writer unpublishes an object,
 * then retires it: it is freed once every reader that might have seen it has
 * left. One domain for the process; threads join it at their first enter.
 */
#ifndef TENON_CORE_MACHINE_EPOCH_H
#define TENON_CORE_MACHINE_EPOCH_H

#include <glib.h>

void epoch_enter(void);
void epoch_exit(void);

/* FREE_OBJECT(OBJECT) once no reader can hold it; on any later retire() or
 * synchronize(), on that call's thread. */
void epoch_retire(void *object, void (*free_object)(void *object));

/* Wait until every reader that was inside has left, and free all that was
 * retired before. Not from inside a read section. */
void epoch_synchronize(void);

#endif
