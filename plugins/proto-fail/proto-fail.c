/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "fail": another one, some of whose requests fail by rule. For tests
 * of what is done about errors. A request that fails does not reach the child.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail-rule.h"
#include "filter/filter.h"

static const char *const options[] = {"op",   "nth",  "count", "chance",
                                      "seed", "from", "to",    "errno", NULL};

struct fail {
    struct filter filter;
    struct fail_rules rules;
};

static int32_t fail_new(struct tn_host *host, void **self)
{
    struct fail *fail = calloc(1, sizeof *fail);

    if (!fail)
        return -ENOMEM;
    fail->filter.host = host;
    *self = fail;
    return 0;
}

static int32_t parse_rules(struct fail *fail, struct tn_error *error)
{
    const char *text = fail->filter.options;
    const char *wrong = "";

    if (!text)
        text = fail->filter.props->get_string(fail->filter.host, "rules");
    if (text && fail_rules_parse(&fail->rules, text, &wrong))
        return tn_fail(fail->filter.host, error, -EINVAL,
                       "'%.40s': not understood, as in "
                       "op=write,nth=3,errno=EIO", wrong);
    return 0;
}

static int32_t fail_open(void *self, const char *name, uint32_t flags,
                         struct tn_error *error)
{
    struct fail *fail = self;
    int32_t rc = filter_open(&fail->filter, name, flags, options, error);

    if (rc)
        return rc;
    rc = parse_rules(fail, error);
    if (rc)
        filter_close(&fail->filter);
    return rc;
}

static void fail_close(void *self)
{
    filter_close(self);
}

static int32_t fail_create(void *self, const char *name, uint64_t bytes,
                           struct tn_error *error)
{
    return filter_create(self, name, options, bytes, error);
}

static void fail_now(void *opaque)
{
    struct tn_protocol_request *request = opaque;

    request->done(request, (int32_t)(intptr_t)request->plugin[0]);
}

static void fail_submit(void *self, struct tn_protocol_request *request)
{
    struct fail *fail = self;
    int32_t result = fail_rules_apply(&fail->rules, request);

    if (!result) {
        fail->filter.children->submit(fail->filter.host, fail->filter.child,
                                      request);
        return;
    }
    /* done() is not called from in here. */
    request->plugin[0] = (void *)(intptr_t)result;
    fail->filter.children->later(fail->filter.host, 0, fail_now, request);
}

static const struct tn_protocol fail_protocol = {
    .size = sizeof fail_protocol,
    .schemes = "fail",
    .open = fail_open,
    .close = fail_close,
    .info = filter_info,
    .create = fail_create,
    .submit = fail_submit,
    .resize = filter_resize,
    .status = filter_status,
};

static const void *fail_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &fail_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-fail",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Images with errors, for tests"},
};

TN_COMPONENT_INFO(fail_component, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, fail_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 1), .id = "fail",
             .summary = "Another image, some of whose requests fail"},
    .properties =
        {
            {.name = "rules", .type = TN_PROP_STRING,
             .doc = "Which, if the name has none: "
                    "op=write,nth=3,errno=EIO,op=read,chance=0.01"},
        },
};

static const struct tn_component_ops fail_ops = {
    .size = sizeof fail_ops,
    .create = fail_new,
    .destroy = filter_destroy,
    .get_interface = fail_interface,
};

TN_COMPONENT(fail, fail_component, fail_ops);
TN_PLUGIN_ENTRY(plugin_info, &fail)
