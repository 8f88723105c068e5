/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user or an image calls an image: a path, a URI, json:{...}, or a list
 * of KEY=VALUE with nested keys ("file.driver=nbd"). The names of the keys are
 * those that other tools use. [control]
 */
#ifndef TENON_CORE_BLOCK_SPEC_H
#define TENON_CORE_BLOCK_SPEC_H

#include <glib.h>

#include "core/block/node.h"

struct image_spec {
    char *name; /* a path or URI, for the protocol */
    char *text; /* as it was given, for messages */
    struct tn_component_entry *format; /* NULL: look at it */
    struct tn_value *format_values;    /* NULL: defaults */
    struct tn_component_entry *protocol; /* NULL: by the name */
    struct tn_value *protocol_values;
    struct image_spec *backing; /* instead of the one that the image names */
    gboolean no_backing;
    gboolean read_only;
    gboolean shared; /* take no locks */
    gboolean direct;
    gboolean no_flush;
};

/* A name: path, URI, "json:{...}", "nbd:HOST:PORT". NULL with ERROR. */
struct image_spec *image_spec_new(struct tn_registry *registry,
                                  const char *name, struct tn_error *error);
/* KEY=VALUE,KEY=VALUE ...; a comma in a value is written twice. */
struct image_spec *image_spec_from_options(struct tn_registry *registry,
                                           const char *options,
                                           struct tn_error *error);
void image_spec_free(struct image_spec *spec);
typedef struct image_spec image_spec;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(image_spec, image_spec_free)

/* Fill what SPEC says into OPTIONS, which points into it from then on. */
void image_spec_apply(const struct image_spec *spec,
                      struct node_options *options);

/* Is NAME more than a path: a URI, json: or such? */
gboolean image_spec_has_protocol(const char *name);

/* The next KEY=VALUE of a list with doubled commas; FALSE at the end. A key
 * without '=' has the value NULL. Both are the caller's. */
gboolean image_spec_next(const char **list, char **key, char **value);

#endif
