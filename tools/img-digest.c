/* SPDX-License-Identifier: Apache-2.0 */
/* Digests (FIPS 180-4) for `tenon-img verify`: libgcrypt's, which is loaded when
 * it is asked for, else GLib's. */
#include "config.h"

#include "tools/img-digest.h"

#include <string.h>

#ifdef HAVE_GCRYPT
#include <gcrypt.h>

#include "core/util/library.h"
#include "tools/tenon-img.h"
#endif

struct algorithm {
    const char *name;
    GChecksumType glib;
#ifdef HAVE_GCRYPT
    int gcrypt;
#endif
};

#ifdef HAVE_GCRYPT
#define ALGORITHM(name, kind) {name, G_CHECKSUM_##kind, GCRY_MD_##kind}
#else
#define ALGORITHM(name, kind) {name, G_CHECKSUM_##kind}
#endif

static const struct algorithm algorithms[] = {
    ALGORITHM("sha1", SHA1),
    ALGORITHM("sha256", SHA256),
    ALGORITHM("sha384", SHA384),
    ALGORITHM("sha512", SHA512),
};

struct img_digest {
    const struct algorithm *algorithm;
#ifdef HAVE_GCRYPT
    gcry_md_hd_t gcrypt;
#else
    GChecksum *glib;
#endif
};

static const struct algorithm *find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++)
        if (!strcmp(algorithms[i].name, name))
            return &algorithms[i];
    return NULL;
}

#ifdef HAVE_GCRYPT

#define LIBRARY "libgcrypt.so.20"
#define FUNCTIONS(X) \
    X(check_version) \
    X(control) \
    X(md_close) \
    X(md_get_algo_dlen) \
    X(md_open) \
    X(md_read) \
    X(md_reset) \
    X(md_write)

/* The library's functions under their names without gcry_. */
static struct {
#define X(name) __typeof__(&gcry_##name) name;
    FUNCTIONS(X)
#undef X
} lib;

static gboolean load_library(void)
{
    static const struct tn_library_function functions[] = {
#define X(name) {"gcry_" #name, (void **)(void *)&lib.name},
        FUNCTIONS(X)
#undef X
    };
    static gboolean loaded;
    g_auto(tn_error_auto) error = TN_ERROR_INIT;

    if (loaded)
        return TRUE;
    if (tn_library_load(LIBRARY, functions, G_N_ELEMENTS(functions), &error)) {
        img_fail("%s", tn_error_text(&error, 0));
        return FALSE;
    }
    lib.check_version(NULL);
    lib.control(GCRYCTL_DISABLE_SECMEM, 0);
    lib.control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    loaded = TRUE;
    return TRUE;
}

struct img_digest *img_digest_new(const char *algorithm)
{
    const struct algorithm *a = find(algorithm);
    struct img_digest *digest;

    if (!a || !load_library())
        return NULL;
    digest = g_new0(struct img_digest, 1);
    digest->algorithm = a;
    if (lib.md_open(&digest->gcrypt, a->gcrypt, 0)) {
        g_free(digest);
        return NULL;
    }
    return digest;
}

void img_digest_add(struct img_digest *digest, const void *data, gsize bytes)
{
    lib.md_write(digest->gcrypt, data, bytes);
}

void img_digest_end(struct img_digest *digest, char hex[IMG_DIGEST_HEX])
{
    const uint8_t *value = lib.md_read(digest->gcrypt, 0);
    guint n = lib.md_get_algo_dlen(digest->algorithm->gcrypt);

    for (guint i = 0; i < n; i++)
        g_snprintf(hex + 2 * i, 3, "%02x", value[i]);
    lib.md_reset(digest->gcrypt);
}

void img_digest_free(struct img_digest *digest)
{
    if (digest)
        lib.md_close(digest->gcrypt);
    g_free(digest);
}

#else

struct img_digest *img_digest_new(const char *algorithm)
{
    const struct algorithm *a = find(algorithm);
    struct img_digest *digest;

    if (!a)
        return NULL;
    digest = g_new0(struct img_digest, 1);
    digest->algorithm = a;
    digest->glib = g_checksum_new(a->glib);
    return digest;
}

void img_digest_add(struct img_digest *digest, const void *data, gsize bytes)
{
    g_checksum_update(digest->glib, data, (gssize)bytes);
}

void img_digest_end(struct img_digest *digest, char hex[IMG_DIGEST_HEX])
{
    g_strlcpy(hex, g_checksum_get_string(digest->glib), IMG_DIGEST_HEX);
    g_checksum_reset(digest->glib);
}

void img_digest_free(struct img_digest *digest)
{
    if (digest)
        g_checksum_free(digest->glib);
    g_free(digest);
}

#endif
