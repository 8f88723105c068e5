/* SPDX-License-Identifier: Apache-2.0 */
/* The records inside Tenon's notes: used by elf-note.c alone. */
#ifndef TENON_CORE_PLUGIN_NOTE_RECORDS_H
#define TENON_CORE_PLUGIN_NOTE_RECORDS_H

#include "core/plugin/elf-note.h"

/* Take one note of owner "Tenon" into NOTES. Types this host does not know are
 * passed over: a newer plugin may have more. */
int32_t tn_note_record(struct tn_plugin_notes *notes, uint32_t type,
                       const uint8_t *data, gsize bytes,
                       struct tn_error *error);

/* Do the records make a whole? */
int32_t tn_note_finish(struct tn_plugin_notes *notes, struct tn_error *error);

#endif
