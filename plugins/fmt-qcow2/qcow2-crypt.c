/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encryption: a LUKS header inside the image, its sectors counted in the file;
 * or the old kind, AES with the password as the key, counted on the disk.
 */
#include "qcow2-create.h"

#include <errno.h>
#include <string.h>

#include "crypto/crypto.h"

#define FORMAT_NONE 0u
#define FORMAT_AES 1u
#define FORMAT_LUKS 2u

static int32_t luks_read(void *opaque, uint64_t offset, void *data,
                         uint64_t bytes)
{
    struct qcow2 *q = opaque;

    return q->image->pread(q->host, 0, q->crypt_offset + offset, data, bytes);
}

static int32_t luks_write(void *opaque, uint64_t offset, const void *data,
                          uint64_t bytes)
{
    struct qcow2 *q = opaque;

    return q->image->pwrite(q->host, 0, q->crypt_offset + offset, data, bytes);
}

static int32_t luks_flush(void *opaque)
{
    struct qcow2 *q = opaque;

    return q->image->flush(q->host);
}

static struct luks_io io_of(struct qcow2 *q)
{
    return (struct luks_io){luks_read, luks_write, q, luks_flush};
}

/* The secret that the property NAME names. -ENOKEY: the property is not set. */
int32_t crypt_secret(struct qcow2 *q, const char *id, const void **data,
                     uint64_t *bytes, struct tn_error *error)
{
    const struct tn_secrets *secrets = tn_service(q->host, TN_HOST_SECRET);

    if (!id || !id[0])
        return tn_fail(q->host, error, -ENOKEY,
                       "the image is encrypted: encrypt-key-secret must name "
                       "its password");
    if (!secrets)
        return tn_fail(q->host, error, -ENOTSUP, "there are no secrets here");
    return secrets->get(q->host, id, data, bytes, error);
}

static int32_t key_secret(struct qcow2 *q, const void **data, uint64_t *bytes,
                          struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);

    return crypt_secret(q, props->get_string(q->host, "encrypt-key-secret"),
                        data, bytes, error);
}

/* ---- opening ---- */

static int32_t open_luks(struct qcow2 *q, uint32_t flags,
                         struct tn_error *error)
{
    struct luks_io io = io_of(q);
    uint64_t length = q->image->length(q->host, 0), bytes;
    const void *password;
    int32_t rc;

    if (q->crypt_offset % q->cluster || q->crypt_offset >= length ||
        q->crypt_bytes > length - q->crypt_offset || !q->crypt_bytes)
        return tn_fail(q->host, error, -EINVAL,
                       "the encryption header is not inside the file");
    rc = luks1_open(q->host, &io, q->crypt_bytes, &q->luks, error);
    if (rc < 0 || flags & TN_IMAGE_NO_IO)
        return rc;
    rc = key_secret(q, &password, &bytes, error);
    if (rc == 0)
        rc = luks1_unlock(q->luks, LUKS1_ANY_SLOT, password, bytes, error);
    return rc < 0 ? rc : luks1_cipher(q->luks, &q->cipher, error);
}

int32_t qcow2_crypt_open(struct qcow2 *q, uint32_t flags,
                         struct tn_error *error)
{
    const void *password;
    uint64_t bytes;
    int32_t rc;

    if (q->crypt_method == CRYPT_NONE)
        return 0;
    /* Tables are not encrypted: they can be checked without the key. */
    if (flags & TN_IMAGE_CHECK)
        flags |= TN_IMAGE_NO_IO;
    if (q->crypt_method == CRYPT_LUKS) {
        rc = open_luks(q, flags, error);
        q->crypt_lost = rc < 0;
        return rc < 0 && flags & TN_IMAGE_CHECK ? 0 : rc;
    }
    if (flags & TN_IMAGE_NO_IO)
        return 0;
    rc = key_secret(q, &password, &bytes, error);
    return rc < 0 ? rc
                  : crypto_cipher_new_legacy(q->host, password, bytes,
                                             &q->cipher, error);
}

void qcow2_crypt_close(struct qcow2 *q)
{
    if (q->cipher)
        crypto_cipher_free(q->cipher);
    if (q->luks)
        luks1_free(q->luks);
    q->cipher = NULL;
    q->luks = NULL;
}

int32_t qcow2_transform(void *self, uint32_t encrypt, uint64_t guest_offset,
                        uint64_t file_offset, void *data, uint64_t bytes)
{
    struct qcow2 *q = self;
    uint64_t at = q->crypt_method == CRYPT_LUKS ? file_offset : guest_offset;

    if (!q->cipher)
        return -ENOKEY;
    return crypto_cipher_transform(q->cipher, encrypt, at / CRYPTO_SECTOR,
                                   data, bytes);
}

/* ---- making ---- */

static void luks_options(struct qcow2 *q, struct luks1_options *o)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);

    *o = (struct luks1_options){
        .spec = {.algorithm = (uint32_t)props->get_uint(q->host,
                                                        "encrypt-cipher-alg"),
                 .mode = (uint32_t)props->get_uint(q->host,
                                                   "encrypt-cipher-mode"),
                 .ivgen = (uint32_t)props->get_uint(q->host,
                                                    "encrypt-ivgen-alg"),
                 .ivgen_hash = (uint32_t)props->get_uint(
                     q->host, "encrypt-ivgen-hash-alg"),
                 .sector_bytes = CRYPTO_SECTOR},
        .hash = (uint32_t)props->get_uint(q->host, "encrypt-hash-alg"),
        .iter_milliseconds = props->get_uint(q->host, "encrypt-iter-time"),
    };
    if (o->iter_milliseconds == 0)
        o->iter_milliseconds = 1;
}

int32_t crypt_options(struct qcow2 *q, struct layout *l,
                      struct tn_error *error)
{
    const struct tn_props *props = tn_service(q->host, TN_HOST_PROPS);
    uint32_t format = (uint32_t)props->get_uint(q->host, "encrypt-format");
    const void *password;
    struct luks1_options o;
    uint64_t bytes;

    if (format == FORMAT_NONE && props->get_uint(q->host, "encryption"))
        format = FORMAT_AES;
    l->crypt = format == FORMAT_LUKS  ? CRYPT_LUKS
               : format == FORMAT_AES ? CRYPT_AES
                                      : CRYPT_NONE;
    if (l->crypt == CRYPT_NONE)
        return 0;
    if (l->crypt == CRYPT_LUKS) {
        luks_options(q, &o);
        return crypto_spec_check(q->host, &o.spec, error);
    }
    /* The password is only looked at to say now that it is missing. */
    return key_secret(q, &password, &bytes, error);
}

uint64_t crypt_header_bytes(struct qcow2 *q)
{
    struct luks1_options o;

    luks_options(q, &o);
    return luks1_header_bytes(&o);
}

int32_t crypt_create(struct qcow2 *q, uint64_t offset, struct tn_error *error)
{
    struct luks_io io = io_of(q);
    struct luks1_options o;
    const void *password;
    uint64_t bytes;
    int32_t rc = key_secret(q, &password, &bytes, error);

    if (rc < 0)
        return rc;
    luks_options(q, &o);
    q->crypt_offset = offset;
    q->crypt_bytes = luks1_header_bytes(&o);
    return luks1_create(q->host, &io, &o, 0, password, bytes, &q->luks, error);
}
