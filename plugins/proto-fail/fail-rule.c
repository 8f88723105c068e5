/* SPDX-License-Identifier: Apache-2.0 */
/* See fail-rule.h. */
#include "fail-rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"

#define MILLION 1000000u

static const struct {
    const char *name;
    uint32_t ops;
} op_names[] = {
    {"read", 1u << TN_DISK_READ},       {"write", 1u << TN_DISK_WRITE},
    {"flush", 1u << TN_DISK_FLUSH},     {"zero", 1u << TN_DISK_ZERO},
    {"discard", 1u << TN_DISK_DISCARD}, {"any", UINT32_MAX},
};

static const struct {
    const char *name;
    int32_t value;
} errors[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EROFS", EROFS},
    {"EINVAL", EINVAL}, {"ENOMEM", ENOMEM}, {"EACCES", EACCES},
    {"EPERM", EPERM},   {"ENODEV", ENODEV}, {"EOPNOTSUPP", EOPNOTSUPP},
    {"EFBIG", EFBIG},   {"ETIMEDOUT", ETIMEDOUT},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int is_name(const char *text, size_t bytes, const char *name)
{
    return strlen(name) == bytes && !memcmp(text, name, bytes);
}

static int32_t parse_op(struct fail_rule *rule, const char *text, size_t bytes)
{
    for (size_t i = 0; i < COUNT(op_names); i++)
        if (is_name(text, bytes, op_names[i].name)) {
            rule->ops = op_names[i].ops;
            return 0;
        }
    return -EINVAL;
}

static int32_t parse_errno(struct fail_rule *rule, const char *text,
                           size_t bytes)
{
    for (size_t i = 0; i < COUNT(errors); i++)
        if (is_name(text, bytes, errors[i].name)) {
            rule->result = -errors[i].value;
            return 0;
        }
    return -EINVAL;
}

/* "0.5", "1", ".001" as millionths. */
static int32_t parse_chance(struct fail_rule *rule, const char *text)
{
    uint64_t value = 0, unit = MILLION;

    for (; isdigit((unsigned char)*text) && value < 2; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    value *= MILLION;
    if (*text == '.')
        for (text++; isdigit((unsigned char)*text) && unit > 1; text++) {
            unit /= 10;
            value += unit * (uint64_t)(*text - '0');
        }
    rule->millionth = value;
    return *text || value > MILLION ? -EINVAL : 0;
}

static int32_t parse_number(struct fail_rule *rule, const char *name,
                            size_t bytes, const char *text)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"nth", &rule->nth},   {"count", &rule->count},
                   {"seed", &rule->seed}, {"from", &rule->from},
                   {"to", &rule->to}};

    for (size_t i = 0; i < COUNT(numbers); i++)
        if (is_name(name, bytes, numbers[i].name))
            return filter_parse_bytes(text, numbers[i].value);
    return is_name(name, bytes, "chance") ? parse_chance(rule, text) : -EINVAL;
}

static struct fail_rule *new_rule(struct fail_rules *rules)
{
    if (rules->n == FAIL_RULES)
        return NULL;
    rules->rules[rules->n] = (struct fail_rule){
        .ops = UINT32_MAX,
        .result = -EIO,
        .nth = 1,
        .count = UINT64_MAX,
        .millionth = MILLION,
        .seed = rules->n + 1,
        .to = UINT64_MAX,
    };
    return &rules->rules[rules->n++];
}

int32_t fail_rules_parse(struct fail_rules *rules, const char *text,
                         const char **wrong)
{
    struct fail_rule *rule = NULL;

    rules->n = 0;
    while (*text) {
        size_t bytes = strcspn(text, ",");
        size_t name = strcspn(text, "=,");
        char value[64] = "";
        int32_t rc = -EINVAL;

        *wrong = text;
        if (name < bytes && bytes - name - 1 < sizeof value) {
            memcpy(value, text + name + 1, bytes - name - 1);
            if (!rule || is_name(text, name, "op"))
                rule = new_rule(rules);
            if (!rule)
                rc = -EINVAL;
            else if (is_name(text, name, "op"))
                rc = parse_op(rule, value, strlen(value));
            else if (is_name(text, name, "errno"))
                rc = parse_errno(rule, value, strlen(value));
            else
                rc = parse_number(rule, text, name, value);
        }
        if (rc || rule->nth == 0)
            return -EINVAL;
        text += bytes;
        text += *text == ',';
    }
    return 0;
}

/* Steele, Lea, Flood: splitmix64. The same every time. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int applies(struct fail_rule *rule,
                   const struct tn_protocol_request *request)
{
    uint64_t end = request->offset + request->bytes;

    if (!(rule->ops >> request->op & 1))
        return 0;
    if (request->bytes && (end <= rule->from || request->offset > rule->to))
        return 0;
    rule->seen++;
    if (rule->seen < rule->nth || rule->seen - rule->nth >= rule->count)
        return 0;
    return rule->millionth == MILLION ||
           next_random(&rule->seed) % MILLION < rule->millionth;
}

int32_t fail_rules_apply(struct fail_rules *rules,
                         const struct tn_protocol_request *request)
{
    int32_t result = 0;

    /* Every rule counts, the first that applies decides. */
    for (uint32_t i = 0; i < rules->n; i++)
        if (applies(&rules->rules[i], request) && !result)
            result = rules->rules[i].result;
    return result;
}
