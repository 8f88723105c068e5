/* SPDX-License-Identifier: Apache-2.0 */
/* The component, its options and its table. */
#include "qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

static int32_t create_instance(struct tn_host *host, void **self)
{
    struct qcow2 *q = calloc(1, sizeof *q);

    if (!q)
        return -ENOMEM;
    q->host = host;
    *self = q;
    return 0;
}

static void destroy_instance(void *self)
{
    free(self);
}

static const struct tn_format qcow2_format = {
    .size = sizeof qcow2_format,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .map = qcow2_map,
    .allocate = qcow2_allocate,
    .commit = qcow2_commit,
    .cancel = qcow2_cancel,
    .change = qcow2_change,
    .release = qcow2_release,
    .decode = qcow2_decode,
    .create = qcow2_create,
    .encode = qcow2_encode,
    .transform = qcow2_transform,
    .resize = qcow2_resize,
    .check = qcow2_check,
    .set_backing = qcow2_set_backing,
    .snapshot_info = qcow2_snapshot_info,
    .snapshot = qcow2_snapshot,
    .describe = qcow2_describe,
    .used = qcow2_used,
    .written = qcow2_written,
    .state_io = qcow2_state_io,
    .bitmap_info = qcow2_bitmap_info,
    .bitmap = qcow2_bitmap,
    .bitmap_bits = qcow2_bitmap_bits,
    .amend = qcow2_amend,
    .measure = qcow2_measure,
};

static const void *get_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_FORMAT) == 0 ? &qcow2_format : NULL;
}

static const struct tn_component_ops qcow2_ops = {
    .size = sizeof qcow2_ops,
    .create = create_instance,
    .destroy = destroy_instance,
    .get_interface = get_interface,
};

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE,
             .n_components = 1,
             .id = "fmt-qcow2",
             .version = "1.0",
             .vendor = "Tenon",
             .licence = "Apache-2.0",
             .summary = "Image format qcow2, versions 2 and 3"},
};

TN_COMPONENT_INFO(qcow2_info, 23) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, qcow2_info),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_FORMAT, 23),
             .id = "qcow2",
             .provides = "0:514649fb",
             .summary = "qcow2 images, versions 2 and 3"},
    .properties =
        {
            {.name = "compat",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "1.1",
             .choices = "0.10|1.1",
             .doc = "Compatibility level: version 2 (0.10) or 3 (1.1)"},
            {.name = "cluster-size",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "64K",
             .minimum = "512",
             .maximum = "2M",
             .unit = "bytes",
             .doc = "qcow2 cluster size, a power of two"},
            {.name = "refcount-bits",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "16",
             .minimum = "1",
             .maximum = "64",
             .doc = "Width of a reference count entry in bits"},
            {.name = "extended-l2",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "Extended L2 tables: 32 subclusters in each cluster"},
            {.name = "compression-type",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "zlib",
             .choices = "zlib|zstd",
             .doc = "Compression method used for image cluster compression"},
            {.name = "lazy-refcounts",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "no",
             .doc = "Postpone refcount updates: faster, repaired after a crash"},
            {.name = "preallocation",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|metadata|falloc|full",
             .doc = "Space for the data of a new image or of what resize adds"},
            {.name = "data-file",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .doc = "File name of an external data file"},
            {.name = "data-file-raw",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "no",
             .doc = "The external data file must stay valid as a raw image"},
            {.name = "keep-data-file",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "The external data file exists: keep what is in it"},
            {.name = "encryption",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "Encrypt the image with format 'aes' (old; use encrypt-format)"},
            {.name = "encrypt-format",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "off",
             .choices = "off|aes|luks",
             .doc = "Encrypt the image, format choices: 'aes', 'luks'"},
            {.name = "encrypt-key-secret",
             .type = TN_PROP_STRING,
             .doc = "ID of the secret that has the AES key or the LUKS passphrase"},
            {.name = "encrypt-cipher-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "aes-256",
             .choices = CRYPTO_ALGORITHM_CHOICES,
             .doc = "Name of encryption cipher algorithm"},
            {.name = "encrypt-cipher-mode",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "xts",
             .choices = CRYPTO_MODE_CHOICES,
             .doc = "Name of encryption cipher mode"},
            {.name = "encrypt-ivgen-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "plain64",
             .choices = CRYPTO_IVGEN_CHOICES,
             .doc = "Name of IV generator algorithm"},
            {.name = "encrypt-ivgen-hash-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "sha256",
             .choices = CRYPTO_HASH_CHOICES,
             .doc = "Name of IV generator hash algorithm"},
            {.name = "encrypt-hash-alg",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_CREATE,
             .default_value = "sha256",
             .choices = CRYPTO_HASH_CHOICES,
             .doc = "Name of encryption hash algorithm"},
            {.name = "encrypt-iter-time",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_CREATE | TN_PROP_AMEND,
             .default_value = "2000",
             .minimum = "1",
             .maximum = "600000",
             .unit = "ms",
             .doc = "Time to spend in PBKDF in milliseconds"},
            {.name = "encrypt-state",
             .type = TN_PROP_ENUM,
             .flags = TN_PROP_AMEND,
             .choices = "active|inactive",
             .doc = "Amend: add a key, or erase one"},
            {.name = "encrypt-keyslot",
             .type = TN_PROP_UINT,
             .flags = TN_PROP_AMEND,
             .maximum = "7",
             .doc = "Amend: the key slot"},
            {.name = "encrypt-old-secret",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_AMEND,
             .doc = "Amend: the key slots that this secret opens"},
            {.name = "encrypt-new-secret",
             .type = TN_PROP_STRING,
             .flags = TN_PROP_AMEND,
             .doc = "Amend: the secret of the new key slot"},
        },
};

TN_COMPONENT(qcow2_component, qcow2_info, qcow2_ops);

TN_PLUGIN_ENTRY(plugin_info, &qcow2_component)
