/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See policy.h. Links are followed before comparing, so a link inside an
 * allowed directory does not lead out of it.
 */
#include "core/block/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct block_policy *block_policy_new(void)
{
    return g_new0(struct block_policy, 1);
}

void block_policy_free(struct block_policy *policy)
{
    if (!policy)
        return;
    if (policy->directories)
        g_ptr_array_unref(policy->directories);
    g_free(policy);
}

int32_t block_policy_add_directory(struct block_policy *policy,
                                   const char *directory,
                                   struct tn_error *error)
{
    char *real = realpath(directory, NULL);

    if (!real)
        return tn_error_set(error, -errno, "%s: %s", directory,
                            g_strerror(errno));
    if (!policy->directories)
        policy->directories = g_ptr_array_new_with_free_func(free);
    g_ptr_array_add(policy->directories, real);
    return 0;
}

static gboolean is_below(const char *path, const char *directory)
{
    gsize n = strlen(directory);

    return !strncmp(path, directory, n) &&
           (path[n] == '/' || path[n] == 0 || !strcmp(directory, "/"));
}

static gboolean is_listed(const struct block_policy *policy, const char *path)
{
    for (guint i = 0; i < policy->directories->len; i++)
        if (is_below(path, g_ptr_array_index(policy->directories, i)))
            return TRUE;
    return FALSE;
}

/* The real path of NAME, as the protocol "file" reads it; NULL: it is none, or
 * there is no such file. */
static char *real_path(const char *name, const char *protocol)
{
    if (strcmp(protocol, "file") != 0)
        return NULL;
    if (g_str_has_prefix(name, "file://"))
        name += strlen("file://");
    else if (g_str_has_prefix(name, "file:"))
        name += strlen("file:");
    return strstr(name, "://") ? NULL : realpath(name, NULL);
}

int32_t block_policy_backing(const struct block_policy *policy,
                             const char *image, const char *name,
                             const char *protocol, struct tn_error *error)
{
    char *path;
    gboolean allowed;

    if (!policy)
        return 0;
    if (policy->forbid_backing)
        return tn_error_set(error, -EPERM,
                            "%s is based on '%s', and following backing files "
                            "is forbidden here", image, name);
    if (!policy->directories)
        return 0;
    path = real_path(name, protocol);
    allowed = path && is_listed(policy, path);
    free(path);
    return allowed ? 0
                   : tn_error_set(error, -EPERM,
                                  "%s is based on '%s', which is in none of "
                                  "the allowed directories", image, name);
}

int32_t block_policy_file(const struct block_policy *policy, const char *image,
                          const char *name, const char *protocol,
                          struct tn_error *error)
{
    g_autofree char *home = NULL;
    char *path, *own;
    gboolean allowed;

    if (!policy || (!policy->forbid_backing && !policy->directories))
        return 0;
    path = real_path(name, protocol);
    home = g_path_get_dirname(image);
    own = realpath(home, NULL);
    allowed = path && ((own && is_below(path, own)) ||
                       (policy->directories && is_listed(policy, path)));
    free(path);
    free(own);
    return allowed ? 0
                   : tn_error_set(error, -EPERM,
                                  "%s has a part in '%s', which is not in its "
                                  "own directory nor an allowed one", image,
                                  name);
}
