/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format "luks": encrypted disks, version 1 read and written, version 2 read.
 * The map is the identity behind the header; the engine moves the data through
 * transform(). LUKS On-Disk Format Specification 1.2.3 and LUKS2 1.1.1.
 */
#include "luks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int32_t luks_create_instance(struct tn_host *host, void **self)
{
    struct luks *luks = calloc(1, sizeof *luks);

    if (!luks)
        return -ENOMEM;
    luks->host = host;
    *self = luks;
    return 0;
}

static void luks_close(void *self)
{
    struct luks *luks = self;

    crypto_cipher_free(luks->cipher);
    luks1_free(luks->v1);
    luks2_free(luks->v2);
    luks->cipher = NULL;
    luks->v1 = NULL;
    luks->v2 = NULL;
}

static void luks_destroy(void *self)
{
    luks_close(self);
    free(self);
}

static uint32_t luks_probe(const uint8_t *header, uint32_t bytes,
                           uint64_t length)
{
    (void)length;
    return bytes >= 512 && !memcmp(header, LUKS_MAGIC, LUKS_MAGIC_BYTES) &&
                   !header[6] && (header[7] == 1 || header[7] == 2)
               ? 100
               : 0;
}

/* ---- services ---- */

void luks_services(struct luks *luks)
{
    luks->image = tn_service(luks->host, TN_HOST_IMAGE);
    luks->props = tn_service(luks->host, TN_HOST_PROPS);
    luks->header_file = TN_IMAGE_FILE_SELF;
}

static int32_t header_read(void *opaque, uint64_t offset, void *data,
                           uint64_t bytes)
{
    struct luks *luks = opaque;

    return luks->image->pread(luks->host, luks->header_file, offset, data,
                              bytes);
}

static int32_t header_write(void *opaque, uint64_t offset, const void *data,
                            uint64_t bytes)
{
    struct luks *luks = opaque;

    return luks->image->pwrite(luks->host, luks->header_file, offset, data,
                               bytes);
}

static int32_t header_flush(void *opaque)
{
    struct luks *luks = opaque;

    return luks->image->flush(luks->host);
}

struct luks_io luks_header_io(struct luks *luks)
{
    return (struct luks_io){header_read, header_write, luks, header_flush};
}

int32_t luks_secret(struct luks *luks, const char *id, const void **data,
                    uint64_t *bytes, struct tn_error *error)
{
    const struct tn_secrets *secrets =
        tn_service(luks->host, TN_HOST_SECRET);

    if (!secrets)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "this program has no secrets to give");
    return secrets->get(luks->host, id, data, bytes, error);
}

int32_t luks_password(struct luks *luks, const void **data, uint64_t *bytes,
                      struct tn_error *error)
{
    const char *id = luks->props->get_string(luks->host, "key-secret");

    if (!id)
        return tn_fail(luks->host, error, -EINVAL,
                       "it is encrypted: key-secret must name the secret that "
                       "opens it");
    return luks_secret(luks, id, data, bytes, error);
}

/* ---- open ---- */

static int32_t open_header(struct luks *luks, uint32_t flags,
                           struct tn_error *error)
{
    const char *name = luks->props->get_string(luks->host, "header");
    struct luks_io io = luks_header_io(luks);
    uint8_t start[8] = {0};
    uint64_t bytes;
    int32_t rc;

    if (name) {
        rc = luks->image->add_file(luks->host, name, flags, error);
        if (rc < 0)
            return rc;
        luks->header_file = (uint32_t)rc;
    }
    bytes = luks->image->length(luks->host, luks->header_file);
    rc = header_read(luks, 0, start, sizeof start);
    if (rc)
        return tn_fail(luks->host, error, rc, "it cannot be read: %s",
                       strerror(-rc));
    /* A second copy may be all that is left of a header of version 2. */
    if (memcmp(start, LUKS_MAGIC, LUKS_MAGIC_BYTES) || start[7] == 2)
        return luks2_open(luks->host, luks->image, &io, bytes, &luks->v2,
                          error);
    return luks1_open(luks->host, &io, bytes, &luks->v1, error);
}

static int32_t unlock(struct luks *luks, struct tn_error *error)
{
    const void *password;
    uint64_t bytes;
    int32_t rc = luks_password(luks, &password, &bytes, error);

    if (rc)
        return rc;
    if (luks->v2) {
        rc = luks2_unlock(luks->v2, password, bytes, &luks->cipher, error);
        return rc < 0 ? rc : 0;
    }
    rc = luks1_unlock(luks->v1, LUKS1_ANY_SLOT, password, bytes, error);
    return rc < 0 ? rc : luks1_cipher(luks->v1, &luks->cipher, error);
}

/* Where the data is, and how long. */
static int32_t place_data(struct luks *luks, struct tn_image_info *info,
                          struct tn_error *error)
{
    uint64_t length = luks->image->length(luks->host, TN_IMAGE_FILE_SELF);
    const struct luks2_segment *segment =
        luks->v2 ? luks2_segment(luks->v2) : NULL;

    luks->sector_bytes = CRYPTO_SECTOR;
    luks->payload = luks->v1 ? (uint64_t)luks->v1->payload_sector *
                                   CRYPTO_SECTOR
                             : segment->offset;
    if (segment) {
        luks->sector_bytes = segment->spec.sector_bytes;
        luks->first_iv = segment->first_iv;
    }
    if (luks->header_file == TN_IMAGE_FILE_SELF && !luks->payload)
        length = 0; /* only a header */
    if (luks->payload > length && length)
        return tn_fail(luks->host, error, -EINVAL,
                       "it ends at %llu, before its data at %llu",
                       (unsigned long long)length,
                       (unsigned long long)luks->payload);
    info->bytes = length ? length - luks->payload : 0;
    if (segment && segment->bytes) {
        if (segment->bytes > info->bytes)
            return tn_fail(luks->host, error, -EINVAL,
                           "it is shorter than its data");
        info->bytes = segment->bytes;
    }
    info->bytes -= info->bytes % luks->sector_bytes;
    return 0;
}

static int32_t luks_open(void *self, uint32_t flags,
                         struct tn_image_info *info, struct tn_error *error)
{
    struct luks *luks = self;
    int32_t rc;

    luks_services(luks);
    rc = open_header(luks, flags, error);
    if (!rc && luks->v2 && (flags & TN_IMAGE_WRITABLE))
        rc = tn_fail(luks->host, error, -EROFS,
                     "LUKS images of version 2 can only be read");
    if (!rc)
        rc = place_data(luks, info, error);
    if (!rc && !info->bytes && !(flags & (TN_IMAGE_NO_IO | TN_IMAGE_CHECK)) &&
        luks->header_file == TN_IMAGE_FILE_SELF && !luks->payload)
        rc = tn_fail(luks->host, error, -EINVAL,
                     "this is a header without data: open the file with the "
                     "data and name this one with the property 'header'");
    if (!rc && !(flags & TN_IMAGE_NO_IO))
        rc = unlock(luks, error);
    if (rc) {
        luks_close(luks);
        return rc;
    }
    info->flags = TN_FORMAT_ENCRYPTED | TN_FORMAT_IN_PLACE;
    info->block_bytes = luks->sector_bytes;
    strcpy(info->format_version, luks->v1 ? "luks v1" : "luks v2");
    return 0;
}

static int32_t luks_map(void *self, uint64_t offset, uint64_t bytes,
                        struct tn_extent *extents, uint32_t max)
{
    struct luks *luks = self;

    (void)max;
    extents[0] = (struct tn_extent){
        .kind = TN_EXTENT_DATA,
        .flags = TN_EXTENT_ENCRYPTED | (luks->v1 ? TN_EXTENT_WRITABLE : 0),
        .offset = offset,
        .bytes = bytes,
        .at = luks->payload + offset,
    };
    return 1;
}

static int32_t luks_transform(void *self, uint32_t encrypt,
                              uint64_t guest_offset, uint64_t file_offset,
                              void *data, uint64_t bytes)
{
    struct luks *luks = self;

    (void)file_offset;
    if (!luks->cipher)
        return -EPERM;
    if (guest_offset % luks->sector_bytes)
        return -EINVAL;
    return crypto_cipher_transform(
        luks->cipher, encrypt,
        luks->first_iv + guest_offset / CRYPTO_SECTOR, data, bytes);
}

static int32_t luks_describe(void *self, char *text, uint32_t room)
{
    struct luks *luks = self;

    return luks->v1 ? luks1_describe(
                          luks->v1,
                          luks->header_file != TN_IMAGE_FILE_SELF ||
                              !luks->payload,
                          text, room)
                    : luks2_describe(luks->v2, text, room);
}

static const struct tn_format luks_format = {
    .size = sizeof luks_format,
    .probe = luks_probe,
    .open = luks_open,
    .close = luks_close,
    .map = luks_map,
    .transform = luks_transform,
    .create = luks_make,
    .resize = luks_resize,
    .describe = luks_describe,
    .amend = luks_amend,
    .measure = luks_measure,
};

static const void *luks_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) ? NULL : &luks_format;
}

/* ---- the component ---- */

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "fmt-luks",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Encrypted images: LUKS, versions 1 and 2"},
};

TN_COMPONENT_INFO(luks_component, 14) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, luks_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 14), .id = "luks",
             .provides = "0:4c554b53babe",
             .summary = "LUKS: an encrypted disk"},
    .properties =
        {
            {.name = "key-secret",
             .type = TN_PROP_STRING,
             .doc = "The secret that opens the image"},
            {.name = "header",
             .type = TN_PROP_PATH,
             .doc = "The file with the header, if it is not in the image"},
            {.name = "cipher-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "aes-256",
             .choices = CRYPTO_ALGORITHM_CHOICES,
             .doc = "Name of encryption cipher algorithm"},
            {.name = "cipher-mode",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "xts",
             .choices = CRYPTO_MODE_CHOICES,
             .doc = "Name of encryption cipher mode"},
            {.name = "ivgen-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "plain64",
             .choices = CRYPTO_IVGEN_CHOICES,
             .doc = "Name of IV generator algorithm"},
            {.name = "ivgen-hash-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "sha256",
             .choices = CRYPTO_HASH_CHOICES,
             .doc = "Name of IV generator hash algorithm (essiv)"},
            {.name = "hash-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "sha256",
             .choices = CRYPTO_HASH_CHOICES,
             .doc = "Name of encryption hash algorithm"},
            {.name = "iter-time",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "2000",
             .minimum = "1",
             .maximum = "600000",
             .unit = "ms",
             .doc = "Time to spend in PBKDF in milliseconds"},
            {.name = "detached-header",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "Create a detached LUKS header"},
            {.name = "preallocation",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|metadata|falloc|full",
             .doc = "Space for the data of a new image"},
            {.name = "state",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_AMEND,
             .default_value = "",
             .choices = "active|inactive",
             .doc = "Amend: add a key, or erase one"},
            {.name = "keyslot",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_AMEND,
             .maximum = "7",
             .doc = "Amend: the key slot"},
            {.name = "old-secret",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_AMEND,
             .doc = "Amend: the key slots that this secret opens"},
            {.name = "new-secret",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_AMEND,
             .doc = "Amend: the secret of the new key slot"},
        },
};

static const struct tn_component_ops luks_ops = {
    .size = sizeof luks_ops,
    .create = luks_create_instance,
    .destroy = luks_destroy,
    .get_interface = luks_interface,
};

TN_COMPONENT(luks, luks_component, luks_ops);
TN_PLUGIN_ENTRY(plugin_info, &luks)
