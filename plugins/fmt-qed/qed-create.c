/* SPDX-License-Identifier: Apache-2.0 */
/* A new image: a cluster of header, an L1 table of zeroes. */
#include "qed.h"

#include <errno.h>

#define MAX_NAME 1023u

int32_t qed_put_backing(struct qed *q, uint32_t place, const char *name,
                        const char *format, struct tn_error *error)
{
    uint64_t bytes = strlen(name);

    if (bytes > MAX_NAME || place + bytes > q->first)
        return tn_fail(q->host, error, -EINVAL,
                       "the backing file's name is too long");
    q->features |= FEATURE_BACKING;
    q->features &= ~FEATURE_RAW_BACKING;
    if (format && !strcmp(format, "raw"))
        q->features |= FEATURE_RAW_BACKING;
    put32(q->header + H_NAME, place);
    put32(q->header + H_NAME_BYTES, (uint32_t)bytes);
    return q->image->pwrite(q->host, 0, place, name, bytes);
}

static int32_t read_options(struct qed *q, uint64_t bytes,
                            struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    uint64_t table = props->get_uint(q->host, "table-size"), most;

    q->cluster = props->get_uint(q->host, "cluster-size");
    if (q->cluster < 4096 || q->cluster > 64u << 20 ||
        q->cluster & (q->cluster - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "cluster-size must be a power of two, 4K to 64M");
    if (!table || table > 16 || table & (table - 1))
        return tn_fail(q->host, error, -EINVAL,
                       "table-size must be 1, 2, 4, 8 or 16 clusters");
    q->table = table * q->cluster;
    q->entries = q->table / 8;
    if (__builtin_mul_overflow(q->entries * q->entries, q->cluster, &most))
        most = INT64_MAX;
    if (bytes > most || bytes > (uint64_t)INT64_MAX - 511)
        return tn_fail(q->host, error, -EINVAL,
                       "with these clusters and tables a QED image has at "
                       "most %llu bytes",
                       (unsigned long long)most);
    put32(q->header + H_TABLE, (uint32_t)table);
    return 0;
}

int32_t qed_create(void *self, const struct tn_create *c,
                   struct tn_error *error)
{
    struct qed *q = self;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    rc = read_options(q, c->bytes, error);
    if (rc < 0)
        return rc;
    q->first = q->l1 = q->cluster;
    q->features = 0;
    put32(q->header, QED_MAGIC);
    put32(q->header + H_CLUSTER, (uint32_t)q->cluster);
    put32(q->header + H_HEADER, 1);
    put64(q->header + H_L1, q->l1);
    put64(q->header + H_BYTES, c->bytes);
    rc = q->image->set_length(q->host, 0, q->l1 + q->table, error);
    if (rc == 0 && c->backing)
        rc = qed_put_backing(q, HEADER_BYTES, c->backing, c->backing_format,
                             error);
    if (rc == 0)
        rc = q->image->flush(q->host);
    return rc < 0 ? rc : qed_write_header(q);
}
