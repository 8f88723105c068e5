/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's log and properties. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/private.h"

static void log_write(struct tn_host *host, uint32_t level, const char *text)
{
    struct testhost *machine = instance_of(host)->machine;

    if (level == TN_LOG_GUEST)
        machine->guest_errors++;
    snprintf(machine->last_log, sizeof machine->last_log, "%s", text);
    if (machine->verbose)
        fprintf(stderr, "%s: %s\n", instance_of(host)->id, text);
}

static void set_error(struct tn_host *host, struct tn_error *error,
                      const char *text)
{
    struct testhost *machine = instance_of(host)->machine;

    if (error)
        snprintf(machine->error, sizeof machine->error, "%s", text);
}

static uint32_t enabled(struct tn_host *host, uint32_t level)
{
    (void)host;
    (void)level;
    return 1;
}

const struct tn_log testhost_log = {
    .size = sizeof(struct tn_log),
    .write = log_write,
    .set_error = set_error,
    .enabled = enabled,
};

/* Asking for what the schema does not have is a bug of the plugin. */
static struct test_prop *prop(struct tn_host *host, const char *name)
{
    struct test_instance *instance = instance_of(host);

    for (uint32_t i = 0; i < instance->n_props; i++)
        if (!strcmp(instance->props[i].schema->name, name))
            return &instance->props[i];
    fprintf(stderr, "%s has no property %s\n", instance->id, name);
    abort();
}

static uint32_t is_set(struct tn_host *host, const char *name)
{
    return prop(host, name)->given;
}

static uint64_t number(const struct test_prop *p, const char *text)
{
    const char *choice = p->schema->choices;
    char *end;
    uint64_t value;

    if (p->schema->type == TN_PROP_BOOL)
        return !strcmp(text, "true") || !strcmp(text, "yes") ||
               !strcmp(text, "on") || !strcmp(text, "1");
    for (value = 0; p->schema->type == TN_PROP_ENUM; value++) {
        size_t length = strcspn(choice, "|");

        if (strlen(text) == length && !strncmp(choice, text, length))
            return value;
        if (!choice[length])
            abort();
        choice += length + 1;
    }
    value = strtoull(text, &end, 0);
    if (p->schema->type == TN_PROP_TIME)
        value *= !strcmp(end, "s")    ? 1000000000u
                 : !strcmp(end, "ms") ? 1000000u
                 : !strcmp(end, "us") ? 1000u
                                      : 1u;
    else
        value <<= *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    return value;
}

static uint64_t get_uint(struct tn_host *host, const char *name)
{
    struct test_prop *p = prop(host, name);

    return number(p, p->value);
}

static int64_t get_int(struct tn_host *host, const char *name)
{
    return strtoll(prop(host, name)->value, NULL, 0);
}

static const char *get_string(struct tn_host *host, const char *name)
{
    struct test_prop *p = prop(host, name);

    return p->value[0] ? p->value : NULL;
}

static uint32_t count(struct tn_host *host, const char *name)
{
    const char *text = prop(host, name)->value;
    uint32_t n = text[0] != 0;

    for (; *text; text++)
        n += *text == ',';
    return n;
}

static const char *get_item(struct tn_host *host, const char *name,
                            uint32_t index)
{
    static char items[8][128];
    static uint32_t turn;
    const char *text = prop(host, name)->value;
    char *item = items[turn++ % 8];

    while (index--)
        text = strchr(text, ',') + 1;
    text += strspn(text, " ");
    snprintf(item, sizeof items[0], "%.*s", (int)strcspn(text, ","), text);
    return item;
}

static uint64_t get_item_uint(struct tn_host *host, const char *name,
                              uint32_t index)
{
    return number(prop(host, name), get_item(host, name, index));
}

static int32_t get_mac(struct tn_host *host, const char *name, uint8_t mac[6])
{
    unsigned m[6];

    if (sscanf(prop(host, name)->value, "%x:%x:%x:%x:%x:%x", &m[0], &m[1],
               &m[2], &m[3], &m[4], &m[5]) != 6)
        return -ENOENT;
    for (uint32_t i = 0; i < 6; i++)
        mac[i] = (uint8_t)m[i];
    return 0;
}

static const char *instance_id(struct tn_host *host)
{
    return instance_of(host)->id;
}

const struct tn_props testhost_props = {
    .size = sizeof(struct tn_props),
    .is_set = is_set,
    .get_uint = get_uint,
    .get_int = get_int,
    .get_string = get_string,
    .count = count,
    .get_item = get_item,
    .get_item_uint = get_item_uint,
    .get_mac = get_mac,
    .instance_id = instance_id,
};
