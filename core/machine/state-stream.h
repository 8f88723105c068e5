/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of saved state.
 *
 * A stream is a header, the virtual time, and sections. A section is a name,
 * a version, and fields until an empty field name; a field is a name, the
 * width of its elements in bytes, and their bytes, unsigned numbers with the
 * lowest byte first. An empty section name ends the stream. All numbers are 32
 * bits, lowest byte first; names are a length and bytes.
 *
 * A section is named
 *   - "machine" for what is pending: "requests", bits 1 << TN_REQUEST_*, and
 *     "fail-detail", four bytes each, lowest first;
 *   - for an instance: its fields are those of its table;
 *   - "cpuN": a field a register;
 *   - "ram:NAME" for a RAM block: a field a run of bytes, whose name is the
 *     offset in hexadecimal. What no run covers is zero.
 */
#ifndef TENON_CORE_MACHINE_STATE_STREAM_H
#define TENON_CORE_MACHINE_STATE_STREAM_H

#include <glib.h>
#include <stdint.h>

#include <tenon/state.h>

#include "core/util/error.h"

struct tn_machine;

#define STATE_MAGIC "TenonST1" /* without its zero */
#define STATE_MAGIC_BYTES 8u
#define STATE_MACHINE "machine"
#define STATE_REQUESTS_BYTES 4u
#define STATE_RAM_PREFIX "ram:"
#define STATE_MAX_REGISTER_BYTES 64u

/* state.c: field INDEX of TABLE, one value at a time. */
struct tn_field state_field(const struct tn_state *table, guint index);
void state_copy_element(uint8_t *to, const uint8_t *from,
                        const struct tn_field *field);

/* state-stream.c: writing. */
void state_put_u32(GByteArray *stream, uint32_t value);
void state_put_name(GByteArray *stream, const char *name);
void state_put_bytes(GByteArray *stream, const char *name, const void *data,
                     uint32_t bytes);

/* Reading. Once BAD, whatever is taken is empty. */
struct state_reader {
    const uint8_t *at;
    gsize left;
    gboolean bad;
};
const uint8_t *state_take(struct state_reader *reader, gsize bytes);
uint32_t state_take_u32(struct state_reader *reader);
/* A new string, empty at the end of a list or of a damaged stream. */
char *state_take_name(struct state_reader *reader);
/* FALSE at the end of the section, or if the stream is damaged. */
gboolean state_take_field(struct state_reader *reader, char **name,
                          uint32_t *width, uint32_t *bytes,
                          const uint8_t **data);

/* state-save.c: end what instances have under way. */
int32_t state_quiesce_all(struct tn_machine *machine, struct tn_error *error);

/* state-ram.c: one section a RAM block. */
int32_t state_put_ram(GByteArray *stream, struct tn_machine *machine,
                      struct tn_error *error);
int32_t state_take_ram(struct state_reader *reader, struct tn_machine *machine,
                       const char *section, struct tn_error *error);

#endif
