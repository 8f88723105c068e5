/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the header, and changing what stands in it. */
#include "qed.h"

#include <errno.h>
#include <stdio.h>

#define MAX_NAME 1023u

uint32_t qed_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    return bytes >= HEADER_BYTES && get32(header) == QED_MAGIC ? 100 : 0;
}

static int32_t bad(struct qed *q, struct tn_error *error, const char *what)
{
    return tn_fail(q->host, error, -EINVAL, "not a valid QED image: %s", what);
}

static int32_t parse_header(struct qed *q, struct tn_error *error)
{
    const uint8_t *h = q->header;
    uint64_t table = get32(h + H_TABLE), header = get32(h + H_HEADER);
    uint64_t length = q->image->length(q->host, 0), most;

    q->cluster = get32(h + H_CLUSTER);
    q->features = get64(h + H_FEATURES);
    q->l1 = get64(h + H_L1);
    q->bytes = get64(h + H_BYTES);
    if (get32(h) != QED_MAGIC)
        return bad(q, error, "it does not begin with QED");
    if (q->features & ~FEATURES_KNOWN)
        return tn_fail(q->host, error, -ENOTSUP, "unknown features %#llx",
                       (unsigned long long)(q->features & ~FEATURES_KNOWN));
    if (q->cluster < 4096 || q->cluster > 64u << 20 ||
        q->cluster & (q->cluster - 1))
        return bad(q, error, "the cluster size is out of range");
    if (!table || table > 16 || table & (table - 1))
        return bad(q, error, "the table size is out of range");
    if (!header || header > length / q->cluster)
        return bad(q, error, "the header's size is out of range");
    q->table = table * q->cluster;
    q->entries = q->table / 8;
    q->first = header * q->cluster;
    if (q->l1 % q->cluster || q->l1 < q->first || q->l1 > length ||
        q->table > length - q->l1)
        return bad(q, error, "the L1 table is out of place");
    if (__builtin_mul_overflow(q->entries * q->entries, q->cluster, &most))
        most = INT64_MAX;
    if (q->bytes > most || q->bytes > (uint64_t)INT64_MAX - 511)
        return bad(q, error, "the disk is too large for its tables");
    return 0;
}

static int32_t parse_backing(struct qed *q, struct tn_image_info *info,
                             struct tn_error *error)
{
    uint32_t at = get32(q->header + H_NAME);
    uint32_t bytes = get32(q->header + H_NAME_BYTES);

    if (!(q->features & FEATURE_BACKING))
        return 0;
    if (!bytes || bytes > MAX_NAME || at > q->first || bytes > q->first - at)
        return bad(q, error, "the backing file's name is out of place");
    if (q->features & FEATURE_RAW_BACKING)
        strcpy(info->backing_format, "raw");
    return q->image->pread(q->host, 0, at, info->backing, bytes);
}

int32_t qed_write_header(struct qed *q)
{
    int32_t rc;

    put64(q->header + H_FEATURES, q->features);
    rc = q->image->pwrite(q->host, 0, 0, q->header, HEADER_BYTES);
    return rc < 0 ? rc : q->image->flush(q->host);
}

/* Others left it while they changed it. */
static int32_t repair(struct qed *q, struct tn_error *error)
{
    struct tn_check check = {.size = sizeof check, .repair = 2};

    tn_logf(q->host, TN_LOG_WARNING,
            "the image was not closed cleanly: it is checked now");
    return qed_check(q, &check, error);
}

static int32_t prepare_writing(struct qed *q, uint32_t flags,
                               struct tn_error *error)
{
    int32_t rc = 0;

    q->end = round_up(q->image->length(q->host, 0), q->cluster);
    if (get64(q->header + H_AUTOCLEAR)) {
        put64(q->header + H_AUTOCLEAR, 0);
        rc = qed_write_header(q);
    }
    if (rc == 0 && q->features & FEATURE_NEED_CHECK &&
        !(flags & TN_IMAGE_CHECK))
        rc = repair(q, error);
    return rc;
}

static void describe_info(const struct qed *q, struct tn_image_info *info)
{
    info->bytes = round_up(q->bytes, 512);
    info->cluster_bytes = (uint32_t)q->cluster;
    info->change_bytes = (uint32_t)q->cluster;
    info->flags = TN_FORMAT_BACKING | TN_FORMAT_CAN_ZERO;
    if (q->features & FEATURE_NEED_CHECK)
        info->flags |= TN_FORMAT_DIRTY;
    snprintf(info->format_version, sizeof info->format_version, "qed");
}

int32_t qed_open(void *self, uint32_t flags, struct tn_image_info *info,
                 struct tn_error *error)
{
    struct qed *q = self;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    q->writable = flags & TN_IMAGE_WRITABLE;
    rc = q->image->pread(q->host, 0, 0, q->header, HEADER_BYTES);
    if (rc < 0)
        return tn_fail(q->host, error, rc, "the header cannot be read");
    rc = parse_header(q, error);
    if (rc == 0)
        rc = parse_backing(q, info, error);
    if (rc == 0)
        rc = q->image->set_block(q->host, UNIT);
    if (rc == 0 && q->writable)
        rc = prepare_writing(q, flags, error);
    if (rc == 0)
        describe_info(q, info);
    return rc;
}

void qed_close(void *self)
{
    (void)self;
}

int32_t qed_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct qed *q = self;
    uint64_t most;

    if (__builtin_mul_overflow(q->entries * q->entries, q->cluster, &most))
        most = INT64_MAX;
    if (bytes < q->bytes)
        return tn_fail(q->host, error, -ENOTSUP,
                       "a QED image cannot become smaller");
    if (bytes > most || bytes > (uint64_t)INT64_MAX - 511)
        return tn_fail(q->host, error, -EINVAL,
                       "with its clusters and tables a QED image has at most "
                       "%llu bytes",
                       (unsigned long long)most);
    q->bytes = bytes;
    put64(q->header + H_BYTES, bytes);
    return qed_write_header(q);
}

/* The new name goes beside the old one before the header refers to it. */
int32_t qed_set_backing(void *self, const char *backing,
                        const char *backing_format, struct tn_error *error)
{
    struct qed *q = self;
    uint32_t at = get32(q->header + H_NAME);
    int32_t rc = 0;

    if (backing && backing[0]) {
        rc = qed_put_backing(q, at == HEADER_BYTES ? 2048 : HEADER_BYTES,
                             backing, backing_format, error);
        if (rc == 0)
            rc = q->image->flush(q->host);
    } else {
        q->features &= ~(FEATURE_BACKING | FEATURE_RAW_BACKING);
        put32(q->header + H_NAME, 0);
        put32(q->header + H_NAME_BYTES, 0);
    }
    return rc < 0 ? rc : qed_write_header(q);
}
