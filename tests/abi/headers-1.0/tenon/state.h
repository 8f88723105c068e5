/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved state: what of an instance is written to a snapshot or sent to another
 * host. A component offers "tenon.state/1" from get_interface(): a table of
 * named fields. Core reads them while the machine is stopped and the instance
 * quiesced, and sets them before start(). Names, not positions: a field may be
 * added with the version that brought it; an older stream leaves it at its
 * reset value. A component without the interface blocks saving, and
 * `tenon check` says so; one with no state offers an empty table.
 */
#ifndef TENON_STATE_H
#define TENON_STATE_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_FIELD_UINT 1u  /* `width` bytes, host order in memory */
#define TN_FIELD_BYTES 2u /* `width` bytes as they are */

struct tn_field {
    uint32_t size;
    uint32_t type;
    char name[32];
    uint64_t offset; /* from self */
    uint32_t width;  /* bytes of one element */
    uint32_t count;  /* elements in a row; 0 is 1 */
    uint32_t stride; /* bytes between elements; 0 is width */
    uint32_t since;  /* state version that brought it */
};
#define TN_FIELD(type_, self_, member_, since_)                                \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = (type_), .name = #member_,    \
        .offset = offsetof(self_, member_),                                    \
        .width = sizeof(((self_ *)0)->member_), .since = (since_)              \
    }
#define TN_FIELD_ARRAY(self_, member_, since_)                                 \
    {                                                                          \
        .size = sizeof(struct tn_field), .type = TN_FIELD_UINT,                \
        .name = #member_, .offset = offsetof(self_, member_),                  \
        .width = sizeof(((self_ *)0)->member_[0]),                             \
        .count = sizeof(((self_ *)0)->member_) /                               \
                 sizeof(((self_ *)0)->member_[0]),                             \
        .since = (since_)                                                      \
    }

#define TN_STATE "tenon.state/1"
struct tn_state {
    uint32_t size;
    uint32_t version; /* current */
    uint32_t oldest;  /* oldest version that can be loaded */
    uint32_t n_fields;
    uint32_t field_size; /* sizeof(struct tn_field) */
    uint32_t reserved;
    const struct tn_field *fields;
    /* [control] Optional: before the fields are read / after they were set.
     * loaded() checks values: they come from a file or a network. */
    int32_t (*before_save)(void *self, struct tn_error *error);
    int32_t (*loaded)(void *self, uint32_t version, struct tn_error *error);
};

#ifdef __cplusplus
}
#endif
#endif
