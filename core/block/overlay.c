/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See overlay.h.
 */
#include "core/block/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/block/values.h"
#include "core/config/machine-desc.h"

static const char *temporary_directory(void)
{
    const char *directory = g_getenv("TMPDIR");

    /* Not /tmp: that is memory on many machines. */
    return directory && directory[0] ? directory : "/var/tmp";
}

static int32_t find_format(struct block_overlay *overlay,
                           struct tn_registry *registry,
                           struct tn_error *error)
{
    overlay->format =
        tn_registry_find(registry, TN_KIND_FORMAT, TN_OVERLAY_FORMAT);
    if (!overlay->format) {
        g_autofree char *hint =
            tn_registry_hint(registry, TN_KIND_FORMAT, TN_OVERLAY_FORMAT);

        return tn_error_set(error, -ENOENT,
                            "snapshot = yes needs the format '%s'%s",
                            TN_OVERLAY_FORMAT, hint);
    }
    return 0;
}

static int32_t set_values(struct block_overlay *overlay, uint64_t bytes,
                          struct tn_error *error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);

    overlay->values = block_values_new(overlay->format, error);
    return overlay->values
               ? block_values_set(overlay->format, overlay->values, "bytes",
                                  text, error)
               : -EINVAL;
}

/* The temporary file, which loses its name as soon as it is open. */
static int32_t open_over(struct block_overlay *overlay,
                         const struct node_options *image,
                         struct block_node *base, struct block_node **node,
                         struct tn_error *error)
{
    g_autofree char *path =
        g_build_filename(overlay->directory, "tenon-disk-XXXXXX", NULL);
    struct node_options over = {
        .registry = image->registry,
        .context = image->context,
        .image = path,
        .format = overlay->format,
        .format_values = overlay->values,
        .flags = TN_IMAGE_WRITABLE,
        .discard = image->discard,
        .no_flush = TRUE, /* nothing of it has to last */
        .backing_node = base,
    };
    int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    int32_t rc;

    if (fd < 0)
        return tn_error_set(error, -errno,
                            "no temporary file for snapshot = yes in %s "
                            "(TMPDIR names another directory): %s",
                            overlay->directory, g_strerror(errno));
    close(fd);
    rc = node_open(&over, node, error);
    g_unlink(path);
    return rc;
}

int32_t block_overlay_open(struct block_overlay *overlay,
                           const struct node_options *image,
                           struct block_node **node, struct tn_error *error)
{
    struct node_options options = *image;
    struct block_node *base = NULL;
    int32_t rc = find_format(overlay, image->registry, error);

    options.flags &= ~TN_IMAGE_WRITABLE;
    overlay->directory = temporary_directory();
    if (!rc)
        rc = node_open(&options, &base, error);
    if (!rc)
        rc = set_values(overlay, base->info.bytes, error);
    if (!rc)
        rc = open_over(overlay, image, base, node, error);
    if (!rc) {
        (*node)->info.block_bytes = base->info.block_bytes;
        return 0;
    }
    node_close(base, NULL);
    block_overlay_clear(overlay);
    return rc;
}

void block_overlay_clear(struct block_overlay *overlay)
{
    if (overlay->values)
        block_values_free(overlay->format, overlay->values);
    *overlay = (struct block_overlay){0};
}
