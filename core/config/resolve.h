/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sections to a machine description, in steps that each walk the whole
 * list, so that a mistake in one does not hide those of another:
 *   settings   [machine], [board], accelerators, target, boot protocol
 *   secrets    where keys and passwords are
 *   instances  a section's component(s), and its keys as property values
 *   buses      parents, slots, adapters
 *   wiring     addresses, interrupts, references
 *   order      of creation
 */
#ifndef TENON_CORE_CONFIG_RESOLVE_H
#define TENON_CORE_CONFIG_RESOLVE_H

#include "core/config/config.h"
#include "core/config/section-types.h"
#include "core/config/sections.h"

struct tn_resolver {
    struct tn_registry *registry;
    struct tn_diagnostics *diagnostics;
    struct tn_sections *sections;
    struct tn_machine_desc *desc;
    /* Instances in the order of the files; moved to desc->instances by the
     * last step. */
    GPtrArray *all;
    /* instance -> struct tn_section *, for the steps after the first. */
    GHashTable *section_of;
    gboolean missing_component; /* a name that is not found may be its */
};

/* One schema that a section's keys may belong to. */
struct tn_value_set {
    const char *prefix; /* "device.": names this one alone */
    const struct tn_property *schema;
    guint rows;
    struct tn_value *values; /* `rows` */
    gboolean open;           /* schema unknown: its component is missing */
};

/* Report at KEY's place, or at the section's if KEY is NULL. */
void tn_resolve_error(struct tn_resolver *resolver,
                      const struct tn_section *section,
                      const struct tn_key *key, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void tn_resolve_warning(struct tn_resolver *resolver,
                        const struct tn_section *section,
                        const struct tn_key *key, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Give each key of SECTION that RESERVED does not have to the first of SETS
 * that knows it, then defaults to the rest, and report what is unknown or
 * missing. SECTION may be NULL: only defaults; OWNER is then who needs them. */
void tn_apply_keys(struct tn_resolver *resolver,
                   const struct tn_section *section,
                   const struct tn_property *reserved, guint n_reserved,
                   struct tn_value_set *sets, guint n_sets);
/* Defaults and missing ones alone. */
void tn_apply_defaults(struct tn_resolver *resolver,
                       const struct tn_section *section,
                       struct tn_value_set *sets, guint n_sets);
/* Parse KEY as SCHEMA says into VALUE; reports and returns FALSE if it is
 * wrong. An empty text sets nothing. */
gboolean tn_apply_key(struct tn_resolver *resolver,
                      const struct tn_section *section, struct tn_key *key,
                      const struct tn_property *schema, struct tn_value *value);

/* The component, or NULL after reporting at KEY. WHAT says what needs it. */
struct tn_component_entry *
tn_resolve_component(struct tn_resolver *resolver,
                     const struct tn_section *section, const struct tn_key *key,
                     uint32_t kind, const char *id);

/* A new instance with empty values, at the end of resolver->all if LISTED. */
struct tn_instance_desc *tn_new_instance(struct tn_resolver *resolver,
                                         const char *id,
                                         struct tn_component_entry *component,
                                         struct tn_section *section,
                                         gboolean listed);
struct tn_value_set tn_instance_values(struct tn_instance_desc *instance,
                                       const char *prefix);
struct tn_instance_desc *tn_find_instance(const struct tn_resolver *resolver,
                                          const char *id);
/* "; did you mean 'x'?" from the ids of all instances. g_free(). */
char *tn_instance_hint(const struct tn_resolver *resolver, const char *id);
/* N if ID is "cpuN", else -1. */
gint tn_cpu_number(const char *id);

void tn_resolve_settings(struct tn_resolver *resolver);
void tn_resolve_secrets(struct tn_resolver *resolver);
/* Is every secret there that a disk's property names? */
void tn_check_secrets(struct tn_resolver *resolver);
void tn_resolve_instances(struct tn_resolver *resolver);
void tn_resolve_buses(struct tn_resolver *resolver);
void tn_resolve_wiring(struct tn_resolver *resolver);
void tn_resolve_order(struct tn_resolver *resolver);

#endif
