/* SPDX-License-Identifier: Apache-2.0 */
/* See filter.h. */
#include "filter/filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text, size_t bytes)
{
    char *made = malloc(bytes + 1);

    if (made) {
        memcpy(made, text, bytes);
        made[bytes] = 0;
    }
    return made;
}

/* ---- names ---- */

/* Is it NAME=VALUE,NAME=VALUE? */
static int looks_like_options(const char *text, size_t bytes)
{
    return bytes == 0 || (isalpha((unsigned char)text[0]) &&
                          memchr(text, '=', bytes) != NULL);
}

static int is_known(const char *const *known, const char *name, size_t bytes)
{
    for (; *known; known++)
        if (strlen(*known) == bytes && !memcmp(*known, name, bytes))
            return 1;
    return 0;
}

static int32_t check_options(struct filter *filter, const char *const *known,
                             struct tn_error *error)
{
    const char *at = filter->options;

    while (at && *at) {
        size_t bytes = strcspn(at, ",");
        size_t name = strcspn(at, ",=");

        if (name == bytes)
            return tn_fail(filter->host, error, -EINVAL,
                           "'%.*s' is no option: NAME=VALUE", (int)bytes, at);
        if (!is_known(known, at, name))
            return tn_fail(filter->host, error, -EINVAL,
                           "there is no option '%.*s'", (int)name, at);
        at += bytes;
        at += *at == ',';
    }
    return 0;
}

int32_t filter_parse(struct filter *filter, const char *name,
                     const char *const *known, struct tn_error *error)
{
    const char *rest = strstr(name, "://");
    const char *at;

    filter_close(filter);
    filter->children = tn_service(filter->host, TN_HOST_CHILD);
    filter->props = tn_service(filter->host, TN_HOST_PROPS);
    if (!filter->children)
        return tn_fail(filter->host, error, -ENOTSUP,
                       "this program has no room for filters");
    rest = rest ? rest + 3 : name;
    at = strchr(rest, '@');
    if (at && looks_like_options(rest, (size_t)(at - rest))) {
        filter->options = copy(rest, (size_t)(at - rest));
        rest = at + 1;
    }
    filter->name = copy(rest, strlen(rest));
    if (!filter->name || (at && rest == at + 1 && !filter->options))
        return -ENOMEM;
    if (!rest[0])
        return tn_fail(filter->host, error, -EINVAL,
                       "'%s' names no image behind it", name);
    return check_options(filter, known, error);
}

int32_t filter_open(struct filter *filter, const char *name, uint32_t flags,
                    const char *const *known, struct tn_error *error)
{
    int32_t rc = filter_parse(filter, name, known, error);

    if (!rc)
        rc = filter->children->open(filter->host, filter->name, flags,
                                    &filter->child, error);
    if (rc)
        filter_close(filter);
    return rc;
}

void filter_close(struct filter *filter)
{
    if (filter->child)
        filter->children->close(filter->host, filter->child);
    free(filter->options);
    free(filter->name);
    filter->child = NULL;
    filter->options = NULL;
    filter->name = NULL;
}

void filter_destroy(void *self)
{
    filter_close(self);
    free(self);
}

/* ---- options ---- */

static char *find_option(const struct filter *filter, const char *name)
{
    size_t length = strlen(name);
    const char *at = filter->options;

    while (at && *at) {
        size_t bytes = strcspn(at, ",");

        if (bytes > length && at[length] == '=' && !memcmp(at, name, length))
            return copy(at + length + 1, bytes - length - 1);
        at += bytes;
        at += *at == ',';
    }
    return NULL;
}

char *filter_text(struct filter *filter, const char *name)
{
    char *text = find_option(filter, name);
    const char *property;

    if (text)
        return text;
    property = filter->props->get_string(filter->host, name);
    return property ? copy(property, strlen(property)) : NULL;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

static int32_t parse(const char *text, const struct unit *units,
                     uint64_t *value)
{
    char *end;

    errno = 0;
    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    *value = strtoull(text, &end, 0);
    if (errno)
        return -EINVAL;
    for (; units->suffix; units++)
        if (!strcmp(end, units->suffix))
            return __builtin_mul_overflow(*value, units->factor, value)
                       ? -EINVAL
                       : 0;
    return -EINVAL;
}

int32_t filter_parse_time(const char *text, uint64_t *value)
{
    static const struct unit units[] = {
        {"", 1},        {"ns", 1},          {"us", 1000},
        {"ms", 1000000}, {"s", 1000000000}, {NULL, 0}};

    return parse(text, units, value);
}

int32_t filter_parse_bytes(const char *text, uint64_t *value)
{
    static const struct unit units[] = {
        {"", 1},        {"k", 1 << 10}, {"K", 1 << 10},
        {"M", 1 << 20}, {"G", 1 << 30}, {"T", UINT64_C(1) << 40},
        {NULL, 0}};

    return parse(text, units, value);
}

static int32_t get_number(struct filter *filter, const char *name,
                          int32_t (*parse_text)(const char *, uint64_t *),
                          uint64_t *value, struct tn_error *error)
{
    char *text = find_option(filter, name);
    int32_t rc = 0;

    if (!text) {
        *value = filter->props->get_uint(filter->host, name);
        return 0;
    }
    if (parse_text(text, value))
        rc = tn_fail(filter->host, error, -EINVAL,
                     "'%s' is no value for %s", text, name);
    free(text);
    return rc;
}

int32_t filter_nanoseconds(struct filter *filter, const char *name,
                           uint64_t *value, struct tn_error *error)
{
    return get_number(filter, name, filter_parse_time, value, error);
}

int32_t filter_bytes(struct filter *filter, const char *name, uint64_t *value,
                     struct tn_error *error)
{
    return get_number(filter, name, filter_parse_bytes, value, error);
}

/* ---- what is passed on ---- */

void filter_info(void *self, struct tn_protocol_info *info)
{
    struct filter *filter = self;

    filter->children->info(filter->host, filter->child, info);
    info->fd = -1;
    /* The engine lines up what the child wants aligned. */
    info->block_bytes = 1;
    info->memory_alignment = 1;
}

int32_t filter_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct filter *filter = self;

    return filter->children->resize(filter->host, filter->child, bytes, error);
}

int32_t filter_status(void *self, uint64_t offset, uint64_t *bytes)
{
    struct filter *filter = self;

    return filter->children->status(filter->host, filter->child, offset,
                                    bytes);
}

int32_t filter_create(struct filter *filter, const char *name,
                      const char *const *known, uint64_t bytes,
                      struct tn_error *error)
{
    int32_t rc = filter_parse(filter, name, known, error);

    if (!rc)
        rc = filter->children->create(filter->host, filter->name, bytes,
                                      error);
    filter_close(filter);
    return rc;
}
