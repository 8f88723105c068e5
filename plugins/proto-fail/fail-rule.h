/* SPDX-License-Identifier: Apache-2.0 */
/* When a request fails. */
#ifndef TENON_PROTO_FAIL_RULE_H
#define TENON_PROTO_FAIL_RULE_H

#include <tenon/block-plugin.h>

#define FAIL_RULES 32u

struct fail_rule {
    uint32_t ops;     /* bits 1 << TN_DISK_* */
    int32_t result;   /* what it fails with */
    uint64_t nth;     /* the first that fails, from 1 */
    uint64_t count;   /* how many fail; UINT64_MAX: all from then on */
    uint64_t millionth; /* of those, how many of a million; 1000000: all */
    uint64_t seed;
    uint64_t from, to; /* touches bytes from..to */
    uint64_t seen;     /* requests that it looked at */
};

struct fail_rules {
    uint32_t n;
    struct fail_rule rules[FAIL_RULES];
};

/* TEXT is "op=write,nth=3,errno=ENOSPC,op=read,...": each op= begins a rule.
 * 0 or -EINVAL, *WRONG being what is not understood. */
int32_t fail_rules_parse(struct fail_rules *rules, const char *text,
                         const char **wrong);
/* 0, or what REQUEST fails with. */
int32_t fail_rules_apply(struct fail_rules *rules,
                         const struct tn_protocol_request *request);

#endif
