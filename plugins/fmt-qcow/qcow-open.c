/* SPDX-License-Identifier: Apache-2.0 */
/* The header, keys, and new images. */
#include "qcow.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/crypto.h"

#define MAX_NAME 1023u

uint32_t qcow_probe(const uint8_t *header, uint32_t bytes, uint64_t length)
{
    (void)length;
    return bytes >= HEADER_BYTES && get32(header) == QCOW_MAGIC &&
                   get32(header + H_VERSION) == QCOW_VERSION
               ? 100
               : 0;
}

static int32_t bad(struct qcow *q, struct tn_error *error, const char *what)
{
    return tn_fail(q->host, error, -EINVAL, "not a valid qcow image: %s", what);
}

static int32_t parse_header(struct qcow *q, const uint8_t *h,
                            struct tn_error *error)
{
    uint64_t length = q->image->length(q->host, 0), span;

    if (!qcow_probe(h, HEADER_BYTES, length))
        return bad(q, error, "the header's magic or version is unknown");
    q->bytes = get64(h + H_BYTES);
    q->cluster_bits = h[H_CLUSTER_BITS];
    q->l2_bits = h[H_L2_BITS];
    q->crypt = get32(h + H_CRYPT);
    q->l1 = get64(h + H_L1);
    if (q->cluster_bits < 9 || q->cluster_bits > 16)
        return bad(q, error, "the cluster size is out of range");
    if (q->l2_bits < 6 || q->l2_bits > 13)
        return bad(q, error, "the size of L2 tables is out of range");
    if (q->crypt > CRYPT_AES)
        return tn_fail(q->host, error, -ENOTSUP, "unknown encryption method %u",
                       q->crypt);
    if (q->bytes < 2 || q->bytes > (uint64_t)INT64_MAX / 2)
        return bad(q, error, "the size of the disk is out of range");
    q->cluster = 1ull << q->cluster_bits;
    span = 1ull << (q->cluster_bits + q->l2_bits);
    q->l1_entries = q->bytes / span + (q->bytes % span != 0);
    if (q->l1 < HEADER_BYTES || q->l1 % 8 || q->l1 > length ||
        q->l1_entries > (length - q->l1) / 8)
        return bad(q, error, "the L1 table is out of place");
    q->first = q->l1 + q->l1_entries * 8;
    return 0;
}

static int32_t parse_backing(struct qcow *q, const uint8_t *h,
                             struct tn_image_info *info, struct tn_error *error)
{
    uint64_t at = get64(h + H_BACKING);
    uint32_t bytes = get32(h + H_BACKING_BYTES);

    if (!at || !bytes)
        return 0;
    if (bytes > MAX_NAME || at > q->image->length(q->host, 0))
        return bad(q, error, "the backing file's name is out of place");
    return q->image->pread(q->host, 0, at, info->backing, bytes);
}

/* ---- the key ---- */

static int32_t load_key(struct qcow *q, uint32_t flags, struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    const struct tn_secrets *secrets = tn_service(q->host, TN_HOST_SECRET);
    const char *id = props->get_string(q->host, "encrypt-key-secret");
    const void *data;
    uint64_t bytes;
    int32_t rc;

    if (!q->crypt || ((flags & TN_IMAGE_NO_IO) && !id))
        return 0;
    if (!id || !secrets)
        return tn_fail(q->host, error, -EINVAL,
                       "the image is encrypted: encrypt-key-secret must name "
                       "the secret that opens it");
    rc = secrets->get(q->host, id, &data, &bytes, error);
    if (rc < 0)
        return rc;
    return crypto_cipher_new_legacy(q->host, data, bytes, &q->cipher, error);
}

static void describe_info(const struct qcow *q, struct tn_image_info *info)
{
    info->bytes = round_up(q->bytes, 512);
    info->cluster_bytes = (uint32_t)q->cluster;
    info->flags = TN_FORMAT_BACKING;
    if (q->crypt) {
        info->flags |= TN_FORMAT_ENCRYPTED;
    } else {
        info->flags |= TN_FORMAT_COMPRESSES;
        info->compress_bytes = (uint32_t)q->cluster;
    }
    snprintf(info->format_version, sizeof info->format_version, "qcow v1");
}

int32_t qcow_open(void *self, uint32_t flags, struct tn_image_info *info,
                  struct tn_error *error)
{
    struct qcow *q = self;
    uint8_t h[HEADER_BYTES];
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    q->writable = flags & TN_IMAGE_WRITABLE;
    rc = q->image->pread(q->host, 0, 0, h, HEADER_BYTES);
    if (rc < 0)
        return tn_fail(q->host, error, rc, "the header cannot be read");
    rc = parse_header(q, h, error);
    if (rc == 0)
        rc = parse_backing(q, h, info, error);
    if (rc == 0)
        rc = q->image->set_block(q->host, UNIT);
    if (rc == 0)
        rc = load_key(q, flags, error);
    if (rc < 0)
        return rc;
    /* The L1 table's last unit is not shared with what comes. */
    q->end = round_up(q->image->length(q->host, 0), UNIT);
    describe_info(q, info);
    return 0;
}

void qcow_close(void *self)
{
    struct qcow *q = self;

    crypto_cipher_free(q->cipher);
    q->cipher = NULL;
}

/* ---- a new image ---- */

static int32_t write_image(struct qcow *q, const struct tn_create *c,
                           struct tn_error *error)
{
    uint8_t h[HEADER_BYTES] = {0};
    uint64_t name = c->backing ? strlen(c->backing) : 0;
    uint64_t span = 1ull << (q->cluster_bits + q->l2_bits);
    uint64_t entries = c->bytes / span + (c->bytes % span != 0);
    int32_t rc;

    put32(h, QCOW_MAGIC);
    put32(h + H_VERSION, QCOW_VERSION);
    put64(h + H_BYTES, c->bytes);
    h[H_CLUSTER_BITS] = (uint8_t)q->cluster_bits;
    h[H_L2_BITS] = (uint8_t)q->l2_bits;
    put32(h + H_CRYPT, q->crypt);
    put64(h + H_L1, round_up(HEADER_BYTES + name, 8));
    if (name) {
        put64(h + H_BACKING, HEADER_BYTES);
        put32(h + H_BACKING_BYTES, (uint32_t)name);
    }
    rc = q->image->set_length(
        q->host, 0, round_up(HEADER_BYTES + name, 8) + entries * 8, error);
    if (rc == 0 && name)
        rc = q->image->pwrite(q->host, 0, HEADER_BYTES, c->backing, name);
    return rc < 0 ? rc : q->image->pwrite(q->host, 0, 0, h, HEADER_BYTES);
}

int32_t qcow_create(void *self, const struct tn_create *c,
                    struct tn_error *error)
{
    struct qcow *q = self;
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    struct crypto_cipher *cipher = NULL;
    int32_t rc;

    q->image = tn_service(q->host, TN_HOST_IMAGE);
    q->crypt = props->get_uint(q->host, "encryption") ||
                       props->get_uint(q->host, "encrypt-format")
                   ? CRYPT_AES
                   : CRYPT_NONE;
    if (c->bytes < 2 || c->bytes > (uint64_t)INT64_MAX / 2)
        return tn_fail(q->host, error, -EINVAL,
                       "the size of the disk is out of range");
    if (c->backing && strlen(c->backing) > MAX_NAME)
        return tn_fail(q->host, error, -EINVAL,
                       "the backing file's name is too long");
    /* Small clusters over a backing image: less to copy for a small write. */
    q->cluster_bits = c->backing ? 9 : 12;
    q->l2_bits = c->backing ? 12 : 9;
    rc = load_key(q, 0, error);
    cipher = q->cipher;
    q->cipher = NULL;
    crypto_cipher_free(cipher);
    return rc < 0 ? rc : write_image(q, c, error);
}
