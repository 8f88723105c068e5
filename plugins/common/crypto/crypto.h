/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encryption of images: sectors, key derivation, and LUKS version 1 (LUKS
 * On-Disk Format Specification 1.2.3). Over libgcrypt; in a build without it
 * every function that would need it fails with -ENOTSUP and a text.
 *
 * Used by plugins only. Link libtn-crypto.la and $(GCRYPT_LIBS).
 */
#ifndef TENON_COMMON_CRYPTO_H
#define TENON_COMMON_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include <tenon/host.h>

/* ---- names: as properties write them, in the order of the numbers ---- */

#define CRYPTO_ALGORITHM_CHOICES                                               \
    "aes-128|aes-192|aes-256|cast5-128|serpent-128|serpent-192|serpent-256|"   \
    "twofish-128|twofish-192|twofish-256|3des"
#define CRYPTO_MODE_CHOICES "ecb|cbc|xts|ctr"
#define CRYPTO_IVGEN_CHOICES "none|plain|plain64|essiv"
#define CRYPTO_HASH_CHOICES                                                    \
    "md5|sha1|sha224|sha256|sha384|sha512|ripemd160"

#define CRYPTO_AES_128 0u
#define CRYPTO_AES_256 2u
#define CRYPTO_MODE_ECB 0u
#define CRYPTO_MODE_CBC 1u
#define CRYPTO_MODE_XTS 2u
#define CRYPTO_MODE_CTR 3u
#define CRYPTO_IVGEN_NONE 0u
#define CRYPTO_IVGEN_PLAIN 1u
#define CRYPTO_IVGEN_PLAIN64 2u
#define CRYPTO_IVGEN_ESSIV 3u
#define CRYPTO_HASH_SHA1 1u
#define CRYPTO_HASH_SHA256 3u

/* What a sector cipher is. */
struct crypto_spec {
    uint32_t algorithm;
    uint32_t mode;
    uint32_t ivgen;
    uint32_t ivgen_hash;   /* ESSIV */
    uint32_t sector_bytes; /* unit that is encrypted at once: 512 .. 4096 */
};

#define CRYPTO_SECTOR 512u
#define CRYPTO_MAX_KEY 64u
#define CRYPTO_MAX_DIGEST 64u

/* NULL: there is no such number. */
const char *crypto_algorithm_name(uint32_t algorithm);
const char *crypto_mode_name(uint32_t mode);
const char *crypto_ivgen_name(uint32_t ivgen);
const char *crypto_hash_name(uint32_t hash);
/* A number, or -1. */
int crypto_hash_find(const char *name);
/* Bytes of the key, which XTS has twice; 0: nonsense. */
uint32_t crypto_key_bytes(const struct crypto_spec *spec);
/* From the names that LUKS has: "aes", "xts-plain64" or "cbc-essiv:sha256".
 * -ENOTSUP with a text. SPEC's sector_bytes is left alone. */
int32_t crypto_spec_parse(struct tn_host *host, struct crypto_spec *spec,
                          const char *cipher, const char *mode,
                          uint32_t key_bytes, struct tn_error *error);
/* The other way, into buffers of 32 bytes. */
void crypto_spec_print(const struct crypto_spec *spec, char cipher[32],
                       char mode[32]);
/* Does it make sense, and is it there? -EINVAL or -ENOTSUP with a text. */
int32_t crypto_spec_check(struct tn_host *host,
                          const struct crypto_spec *spec,
                          struct tn_error *error);

/* ---- sectors ---- */

struct crypto_cipher;

/* KEY has crypto_key_bytes(). */
int32_t crypto_cipher_new(struct tn_host *host, const struct crypto_spec *spec,
                          const void *key, struct crypto_cipher **cipher,
                          struct tn_error *error);
void crypto_cipher_free(struct crypto_cipher *cipher);
/* [any, several at once] En- or decrypt in place. SECTOR is what the IV counts:
 * the number of the first 512 bytes, whatever sector_bytes is. BYTES is a
 * multiple of sector_bytes. */
int32_t crypto_cipher_transform(struct crypto_cipher *cipher, uint32_t encrypt,
                                uint64_t sector, void *data, uint64_t bytes);
/* The legacy encryption of qcow and qcow2: AES-128 in CBC mode, plain64, the
 * key being the password's first 16 bytes, filled up with zeroes. */
int32_t crypto_cipher_new_legacy(struct tn_host *host, const void *password,
                                 uint64_t bytes, struct crypto_cipher **cipher,
                                 struct tn_error *error);

/* ---- keys ---- */

/* [any] 0 or a negative errno. */
int32_t crypto_random(void *data, size_t bytes);
int32_t crypto_digest(uint32_t hash, const void *data, size_t bytes,
                      void *digest);
uint32_t crypto_digest_bytes(uint32_t hash);
/* RFC 8018 section 5.2. */
int32_t crypto_pbkdf2(uint32_t hash, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t iterations, void *key,
                      size_t key_bytes);
/* How many iterations take MILLISECONDS of this processor; at least MINIMUM. */
int32_t crypto_pbkdf2_iterations(uint32_t hash, size_t key_bytes,
                                 uint64_t milliseconds, uint32_t minimum,
                                 uint32_t *iterations);
/* RFC 9106; TYPE is 1 for argon2i, 2 for argon2id. MEMORY in KiB. */
int32_t crypto_argon2(uint32_t type, const void *password,
                      uint64_t password_bytes, const void *salt,
                      size_t salt_bytes, uint32_t time, uint32_t memory,
                      uint32_t lanes, void *key, size_t key_bytes);
/* Anti-forensic splitter (LUKS specification, section 2.4). SPLIT has
 * KEY_BYTES * STRIPES bytes. */
int32_t crypto_split(uint32_t hash, const uint8_t *key, size_t key_bytes,
                     uint32_t stripes, uint8_t *split);
int32_t crypto_merge(uint32_t hash, const uint8_t *split, size_t key_bytes,
                     uint32_t stripes, uint8_t *key);
/* Overwrite what is secret; not optimised away. */
void crypto_wipe(void *data, size_t bytes);
/* Compare without a time that depends on the content; 0: equal. */
int crypto_differ(const void *a, const void *b, size_t bytes);

/* ---- LUKS version 1 ---- */

#define LUKS_MAGIC "LUKS\xba\xbe" /* 6 bytes, then the version, big-endian */
#define LUKS_MAGIC_BYTES 6u
#define LUKS1_SLOTS 8u
#define LUKS1_ANY_SLOT UINT32_MAX

/* Where the header is; offsets from its first byte. May block. */
struct luks_io {
    int32_t (*read)(void *opaque, uint64_t offset, void *data, uint64_t bytes);
    int32_t (*write)(void *opaque, uint64_t offset, const void *data,
                     uint64_t bytes);
    void *opaque;
    int32_t (*flush)(void *opaque); /* NULL: what is written is safe */
};

struct luks1_options {
    struct crypto_spec spec; /* sector_bytes is 512 */
    uint32_t hash;
    uint32_t reserved;
    uint64_t iter_milliseconds; /* at least 1 */
};

struct luks1_slot {
    uint32_t active;
    uint32_t iterations;
    uint8_t salt[32];
    uint32_t offset; /* of the key material, in sectors */
    uint32_t stripes;
};

/* An open header. Read what you like, change it through the functions. */
struct luks1 {
    struct tn_host *host;
    struct luks_io io;
    struct crypto_spec spec;
    uint32_t hash;
    uint32_t payload_sector; /* where the data begins; not in qcow2 */
    uint32_t key_bytes;
    uint32_t digest_iterations;
    uint8_t digest[20];
    uint8_t digest_salt[32];
    char uuid[40];
    struct luks1_slot slots[LUKS1_SLOTS];
    uint32_t unlocked;
    uint8_t key[CRYPTO_MAX_KEY]; /* if unlocked */
};

/* Bytes from the header's first to the payload's first. 0: nonsense. */
uint64_t luks1_header_bytes(const struct luks1_options *options);
/* Write a new header, its key in slot 0; everything from its first byte to
 * luks1_header_bytes() is written. *LUKS is unlocked. */
int32_t luks1_create(struct tn_host *host, const struct luks_io *io,
                     const struct luks1_options *options, uint32_t detached,
                     const void *password, uint64_t password_bytes,
                     struct luks1 **luks, struct tn_error *error);
/* Read and check the header; BYTES: how long the place is that has it. */
int32_t luks1_open(struct tn_host *host, const struct luks_io *io,
                   uint64_t bytes, struct luks1 **luks,
                   struct tn_error *error);
void luks1_free(struct luks1 *luks);
/* Find the slot that PASSWORD opens, or look at SLOT only. Returns its number,
 * and the key is there; -EPERM: no slot. */
int32_t luks1_unlock(struct luks1 *luks, uint32_t slot, const void *password,
                     uint64_t password_bytes, struct tn_error *error);
/* The unlocked header's cipher. */
int32_t luks1_cipher(struct luks1 *luks, struct crypto_cipher **cipher,
                     struct tn_error *error);
/* Unlocked. PASSWORD opens SLOT, or the first one that is free. Returns the
 * slot's number. -EBUSY: SLOT is in use; -ENOSPC. */
int32_t luks1_add_key(struct luks1 *luks, uint32_t slot, const void *password,
                      uint64_t password_bytes, uint64_t iter_milliseconds,
                      struct tn_error *error);
/* SLOT's key material is overwritten. -EPERM: it is the last one and FORCE is
 * 0. */
int32_t luks1_erase_slot(struct luks1 *luks, uint32_t slot, uint32_t force,
                         struct tn_error *error);
/* What info shows, a JSON object with the reference's keys ("format" not among
 * them). Returns the length or -ENOSPC. DETACHED: UINT32_MAX leaves that key
 * out. */
int32_t luks1_describe(const struct luks1 *luks, uint32_t detached, char *text,
                       uint32_t room);

/* The header's amend options, the same in fmt-luks and fmt-qcow2; texts, NULL
 * if not given; secrets are bytes. */
struct luks1_amend {
    uint32_t activate; /* 1: state=active, 0: inactive */
    uint32_t slot;     /* LUKS1_ANY_SLOT */
    const void *old_secret;
    uint64_t old_bytes;
    const void *new_secret;
    uint64_t new_bytes;
    uint64_t iter_milliseconds;
    uint32_t force;
};

int32_t luks1_amend(struct luks1 *luks, const struct luks1_amend *amend,
                    struct tn_error *error);

#endif
