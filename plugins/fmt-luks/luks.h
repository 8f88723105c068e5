/* SPDX-License-Identifier: Apache-2.0 */
/* An open LUKS image, and what the files of this plugin share. */
#ifndef TENON_FMT_LUKS_H
#define TENON_FMT_LUKS_H

#include <tenon/block-plugin.h>

#include "crypto/crypto.h"

struct luks2;

struct luks {
    struct tn_host *host;
    const struct tn_image *image;
    const struct tn_props *props;
    uint32_t header_file; /* which of the image's files has the header */
    struct luks1 *v1;     /* one of the two */
    struct luks2 *v2;
    struct crypto_cipher *cipher; /* NULL: not unlocked */
    uint64_t payload;     /* where the data begins in file 0 */
    uint64_t first_iv;    /* IV of the data's first sector */
    uint32_t sector_bytes;
};

/* fmt-luks.c */
void luks_services(struct luks *luks);
struct luks_io luks_header_io(struct luks *luks);
/* The bytes of secret ID; of the one that key-secret names. */
int32_t luks_secret(struct luks *luks, const char *id, const void **data,
                    uint64_t *bytes, struct tn_error *error);
int32_t luks_password(struct luks *luks, const void **data, uint64_t *bytes,
                      struct tn_error *error);

/* luks-make.c: what the format's table names. */
int32_t luks_make(void *self, const struct tn_create *create,
                  struct tn_error *error);
int32_t luks_measure(void *self, const struct tn_create *create,
                     struct tn_measure *measure, struct tn_error *error);
int32_t luks_resize(void *self, uint64_t bytes, struct tn_error *error);
int32_t luks_amend(void *self, const struct tn_amend *amend,
                   struct tn_error *error);

/* luks2-open.c: a header of version 2 (LUKS2 On-Disk Format Specification
 * 1.1.1), read only. IO as in luks1_open(). */
int32_t luks2_open(struct tn_host *host, const struct tn_image *image,
                   const struct luks_io *io, uint64_t bytes,
                   struct luks2 **luks, struct tn_error *error);
void luks2_free(struct luks2 *luks);
/* Returns the key slot's number. */
int32_t luks2_unlock(struct luks2 *luks, const void *password,
                     uint64_t password_bytes, struct crypto_cipher **cipher,
                     struct tn_error *error);
/* The data: BYTES 0 is "up to the end". */
struct luks2_segment {
    uint64_t offset;
    uint64_t bytes;
    uint64_t first_iv;
    struct crypto_spec spec;
    uint32_t key_bytes;
};
const struct luks2_segment *luks2_segment(const struct luks2 *luks);
int32_t luks2_describe(const struct luks2 *luks, char *text, uint32_t room);

#endif
