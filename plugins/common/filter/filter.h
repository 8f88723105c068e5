/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What protocols that stand before another one share: their names, options,
 * and everything they pass on.
 *
 * A name is SCHEME://OPTIONS@CHILD. OPTIONS are NAME=VALUE with commas between
 * them and come before properties of the same name; CHILD is any name of an
 * image. Without '@', or where what is before the first one cannot be options,
 * all is CHILD.
 */
#ifndef TENON_COMMON_FILTER_H
#define TENON_COMMON_FILTER_H

#include <tenon/block-plugin.h>

/* First member of a filter's instance. */
struct filter {
    struct tn_host *host;
    const struct tn_children *children;
    const struct tn_props *props;
    struct tn_child *child;
    char *options; /* NULL: none */
    char *name;    /* the child's */
};

/* Takes NAME apart; what follows looks into it. KNOWN ends with NULL. */
int32_t filter_parse(struct filter *filter, const char *name,
                     const char *const *known, struct tn_error *error);
/* ... and opens the child. */
int32_t filter_open(struct filter *filter, const char *name, uint32_t flags,
                    const char *const *known, struct tn_error *error);
void filter_close(struct filter *filter);

/* An option of the name, else the property. The text is freed by the caller;
 * NULL: neither is there. */
char *filter_text(struct filter *filter, const char *name);
/* The same of a property of type TIME, SIZE or UINT. */
int32_t filter_nanoseconds(struct filter *filter, const char *name,
                           uint64_t *value, struct tn_error *error);
int32_t filter_bytes(struct filter *filter, const char *name, uint64_t *value,
                     struct tn_error *error);
/* "10ms", "64K", "0x200"; -EINVAL. */
int32_t filter_parse_time(const char *text, uint64_t *value);
int32_t filter_parse_bytes(const char *text, uint64_t *value);

/* For the tn_protocol table; SELF begins with a struct filter. */
void filter_info(void *self, struct tn_protocol_info *info);
int32_t filter_resize(void *self, uint64_t bytes, struct tn_error *error);
int32_t filter_status(void *self, uint64_t offset, uint64_t *bytes);
/* The child is made; KNOWN as above. */
int32_t filter_create(struct filter *filter, const char *name,
                      const char *const *known, uint64_t bytes,
                      struct tn_error *error);
void filter_destroy(void *self);

#endif
