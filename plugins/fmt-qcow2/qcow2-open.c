/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing. */
#include "qcow2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t qcow2_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    uint32_t version;

    (void)length;
    if (bytes < 8 || get_be32(header) != QCOW2_MAGIC)
        return 0;
    version = get_be32(header + H_VERSION);
    return version == 2 || version == 3 ? 100 : 0;
}

/* ---- the file with the guest's data ---- */

/* Beside the image; or, since other tools make and look for it there, in the
 * current directory. */
static int32_t add_data_file(struct qcow2 *q, const char *name, uint32_t flags,
                             struct tn_error *error)
{
    int32_t rc = q->image->add_file(q->host, name, flags, error);
    char *here = rc == -ENOENT && name[0] != '/' ? realpath(name, NULL) : NULL;

    if (here) {
        rc = q->image->add_file(q->host, here, flags, error);
        free(here);
    }
    return rc;
}

static int32_t open_data_file(struct qcow2 *q, uint32_t flags,
                              struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    const char *name = props->get_string(q->host, "data-file");
    int32_t rc;

    if (!(q->incompatible & INCOMPAT_EXTERNAL_DATA)) {
        if (q->autoclear & AUTOCLEAR_RAW_EXTERNAL)
            return tn_fail(q->host, error, -EINVAL,
                           "not a valid qcow2 image: a raw data file without "
                           "a data file");
        return 0;
    }
    if (!name || !name[0])
        name = q->data_name;
    if (q->n_snapshots || (q->autoclear & AUTOCLEAR_RAW_EXTERNAL &&
                           q->has_backing))
        return tn_fail(q->host, error, -EINVAL,
                       "not a valid qcow2 image: a data file goes with "
                       "neither snapshots nor, if it is raw, a backing image");
    if (!name[0])
        return tn_fail(q->host, error, -EINVAL,
                       "the image does not say where its data file is: give "
                       "it as data-file");
    rc = add_data_file(q, name, flags, error);
    if (rc < 0)
        return rc;
    q->data_file = (uint32_t)rc;
    return 0;
}

/* ---- what is done before the first write ---- */

static int32_t repair_dirty(struct qcow2 *q, struct tn_error *error)
{
    struct tn_check check = {.size = sizeof check, .repair = 2};
    int32_t rc;

    tn_logf(q->host, TN_LOG_INFO,
            "the image was not closed cleanly: its reference counts are made "
            "again");
    rc = qcow2_check(q, &check, error);
    if (rc == 0 && q->incompatible & INCOMPAT_DIRTY)
        rc = tn_fail(q->host, error, -EROFS,
                     "the image was not closed cleanly and could not be "
                     "repaired: check it");
    return rc;
}

/* Others may keep what we do not know; we must say that we did not. */
static int32_t clear_features(struct qcow2 *q, struct tn_error *error)
{
    uint64_t known = AUTOCLEAR_BITMAPS | AUTOCLEAR_RAW_EXTERNAL;

    if (!(q->autoclear & ~known))
        return 0;
    q->autoclear &= known;
    return qcow2_header_write(q, error);
}

static int32_t prepare_writing(struct qcow2 *q, uint32_t flags,
                               struct tn_error *error)
{
    int32_t rc = 0;

    if (flags & TN_IMAGE_CHECK)
        return 0; /* check() first looks at it */
    if (q->incompatible & INCOMPAT_CORRUPT)
        return tn_fail(q->host, error, -EROFS,
                       "the image is marked corrupt: open it read-only, or "
                       "repair it");
    if (q->incompatible & INCOMPAT_DIRTY)
        rc = repair_dirty(q, error);
    if (rc == 0)
        rc = clear_features(q, error);
    if (rc == 0)
        rc = qcow2_refcount_table_fit(q, q->bytes, error);
    if (rc == 0)
        rc = qcow2_bitmaps_begin(q, error);
    q->lazy = q->compatible & COMPAT_LAZY_REFCOUNTS ? 1 : 0;
    return rc;
}

/* ---- what the engine has to know ---- */

static void describe_info(const struct qcow2 *q, struct tn_image_info *info)
{
    memcpy(info->backing, q->backing, sizeof info->backing);
    memcpy(info->backing_format, q->backing_format,
           sizeof info->backing_format);
    info->bytes = (q->bytes + 511) & ~511ull;
    info->cluster_bytes = (uint32_t)q->cluster;
    info->flags = TN_FORMAT_BACKING;
    if (q->version >= 3 || !q->has_backing) {
        info->flags |= TN_FORMAT_CAN_ZERO | TN_FORMAT_CAN_DISCARD;
        info->change_bytes = (uint32_t)q->cluster;
    }
    if (!q->data_file && !q->crypt_method) {
        info->flags |= TN_FORMAT_COMPRESSES;
        info->compress_bytes = (uint32_t)q->cluster;
        info->codec = q->compression;
    }
    if (q->incompatible & INCOMPAT_CORRUPT)
        info->flags |= TN_FORMAT_DAMAGED;
    if (q->incompatible & INCOMPAT_DIRTY)
        info->flags |= TN_FORMAT_DIRTY;
    if (q->crypt_method)
        info->flags |= TN_FORMAT_ENCRYPTED;
    if (q->writable && q->version >= 3) /* bitmaps may come */
        info->flags |= TN_FORMAT_TRACKS_WRITES;
    info->state_bytes = qcow2_l1_wanted(q, q->bytes)
                        << (q->cluster_bits + q->l2_bits);
    snprintf(info->format_version, sizeof info->format_version, "qcow2 v%u",
             q->version);
}

static int32_t open_parts(struct qcow2 *q, uint32_t flags,
                          struct tn_error *error)
{
    int32_t rc = qcow2_header_parse(q, flags, error);

    if (rc == 0)
        rc = q->image->set_block(q->host, qcow2_unit(q));
    if (rc == 0)
        rc = qcow2_read_tables(q, flags, error);
    if (rc == 0)
        rc = open_data_file(q, flags, error);
    if (rc == 0)
        rc = qcow2_bitmaps_read(q, flags, error);
    if (rc == 0)
        rc = qcow2_crypt_open(q, flags, error);
    if (rc == 0 && !q->codecs) {
        q->codecs = qcow2_codecs_new();
        rc = q->codecs ? 0 : -ENOMEM;
    }
    if (rc == 0 && q->writable)
        rc = prepare_writing(q, flags, error);
    return rc;
}

/* All that an earlier image left, but for the host. */
static void forget(struct qcow2 *q)
{
    struct tn_host *host = q->host;
    const struct tn_image *image = q->image;

    memset(q, 0, sizeof *q);
    q->host = host;
    q->image = image;
}

static void free_parts(struct qcow2 *q)
{
    qcow2_bitmaps_free(q);
    qcow2_crypt_close(q);
    qcow2_header_free(q);
    q->image->free(q->host, q->l1);
    q->image->free(q->host, q->refcount_table);
    qcow2_codecs_free(q->codecs);
    forget(q);
}

int32_t qcow2_open(void *self, uint32_t flags, struct tn_image_info *info,
                   struct tn_error *error)
{
    struct qcow2 *q = self;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    q->writable = flags & TN_IMAGE_WRITABLE;
    rc = open_parts(q, flags, error);
    if (rc < 0) {
        free_parts(q);
        return rc;
    }
    describe_info(q, info);
    return 0;
}

/* The image's refcounts are as they should be, and stable: say so. */
static void mark_clean(struct qcow2 *q)
{
    uint8_t bytes[8];

    if (q->image->flush(q->host) < 0)
        return;
    put_be64(bytes, q->incompatible & ~INCOMPAT_DIRTY);
    (void)q->image->write(q->host, 0, H_INCOMPATIBLE, 8, bytes);
}

void qcow2_close(void *self)
{
    struct qcow2 *q = self;

    /* Nothing ever referred to it. */
    if (q->pending_table && q->writable)
        (void)qcow2_refcount_add(q, q->pending_table >> q->cluster_bits, -1);
    if (q->writable)
        qcow2_bitmaps_end(q);
    if (q->marked_dirty)
        mark_clean(q);
    free_parts(q);
}
