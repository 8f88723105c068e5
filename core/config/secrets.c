/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [secret NAME]: where keys and passwords are to be found. They are read when
 * the first disk is opened, not here: checking a machine needs none of them.
 */
#include <string.h>
#include <sys/stat.h>

#include "core/block/secret.h"
#include "core/config/resolve.h"
#include "core/util/nearest.h"

struct tn_secrets_desc *tn_secrets_desc_new(void)
{
    struct tn_secrets_desc *secrets = g_new0(struct tn_secrets_desc, 1);

    secrets->list = g_ptr_array_new();
    return secrets;
}

void tn_secrets_desc_free(struct tn_secrets_desc *secrets)
{
    if (!secrets)
        return;
    for (guint i = 0; i < secrets->list->len; i++) {
        struct tn_secret_desc *secret = secrets->list->pdata[i];

        for (guint row = 0; row < TN_SECRET_ROWS; row++)
            tn_value_clear(&secret->values[row]);
        g_free(secret->id);
        g_free(secret);
    }
    g_ptr_array_free(secrets->list, TRUE);
    block_secrets_free(secrets->store);
    g_free(secrets);
}

static void check_mode(struct tn_resolver *resolver,
                       const struct tn_section *section, const char *path)
{
    struct tn_key *key = tn_section_key(section, "file");
    struct stat st;

    /* A file that is missing is a mistake when the machine runs, as an
     * image is. */
    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return;
    if (st.st_mode & S_IWOTH)
        tn_resolve_warning(resolver, section, key,
                           "anybody can change '%s' (chmod o= to mend that)",
                           path);
    else if (st.st_mode & S_IROTH)
        tn_resolve_warning(resolver, section, key,
                           "anybody can read '%s' (chmod o= to mend that)",
                           path);
}

static void resolve_one(struct tn_resolver *resolver,
                        struct tn_section *section)
{
    struct tn_secret_desc *secret = g_new0(struct tn_secret_desc, 1);
    struct tn_value_set set = {"\n", tn_secret_schema, TN_SECRET_ROWS,
                               secret->values, FALSE};

    secret->id = g_strdup(section->name);
    g_ptr_array_add(resolver->desc->secrets->list, secret);
    tn_apply_keys(resolver, section, NULL, 0, &set, 1);
    if (!secret->values[TN_SECRET_FILE].set ==
        !secret->values[TN_SECRET_ENV].set)
        tn_resolve_error(resolver, section, NULL,
                         "needs one of 'file' and 'env'");
    else if (secret->values[TN_SECRET_FILE].text)
        check_mode(resolver, section, secret->values[TN_SECRET_FILE].text);
}

void tn_resolve_secrets(struct tn_resolver *resolver)
{
    GPtrArray *list = resolver->sections->list;

    for (guint i = 0; i < list->len; i++) {
        struct tn_section *section = list->pdata[i];

        if (!strcmp(section->type, "secret"))
            resolve_one(resolver, section);
    }
}

static gboolean is_secret(const struct tn_secrets_desc *secrets, const char *id,
                          struct tn_nearest *nearest)
{
    for (guint i = 0; i < secrets->list->len; i++) {
        const struct tn_secret_desc *secret = secrets->list->pdata[i];

        if (!strcmp(secret->id, id))
            return TRUE;
        tn_nearest_offer(nearest, secret->id);
    }
    return FALSE;
}

/* Properties called "...-secret" name one. */
static void check_values(struct tn_resolver *resolver, const char *block,
                         const struct tn_component_entry *entry,
                         const struct tn_value *values)
{
    for (guint i = 0; entry && i < entry->info.n_properties; i++) {
        const char *name = entry->properties[i].name;
        g_autofree char *hint = NULL;
        struct tn_nearest nearest;

        if (!values[i].text || !g_str_has_suffix(name, "-secret"))
            continue;
        tn_nearest_init(&nearest, values[i].text);
        if (is_secret(resolver->desc->secrets, values[i].text, &nearest))
            continue;
        hint = tn_nearest_hint(&nearest);
        tn_diagnose(resolver->diagnostics, FALSE, values[i].file,
                    values[i].line, block, "%s: there is no [secret %s]%s",
                    name, values[i].text, hint);
    }
}

void tn_check_secrets(struct tn_resolver *resolver)
{
    for (guint i = 0; i < resolver->desc->blocks->len; i++) {
        const struct tn_block_desc *block = resolver->desc->blocks->pdata[i];
        g_autofree char *title = g_strdup(block->id);

        g_strdelimit(title, ".", ' ');
        check_values(resolver, title, block->format, block->format_values);
        check_values(resolver, title, block->protocol, block->protocol_values);
    }
}
