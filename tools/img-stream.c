/* SPDX-License-Identifier: Apache-2.0 */
/* See img-stream.h. TLS is GnuTLS's, which is loaded when it is asked for. */
#include "config.h"

#include "tools/img-stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_GNUTLS
#include <gnutls/gnutls.h>

#include "core/util/library.h"
#endif

struct stream {
    int fd;
#ifdef HAVE_GNUTLS
    gnutls_session_t session;
    gboolean secure; /* the handshake is over */
#endif
};

struct stream *stream_new(int fd)
{
    struct stream *stream = g_new0(struct stream, 1);

    stream->fd = fd;
    return stream;
}

void stream_shutdown(struct stream *stream)
{
    shutdown(stream->fd, SHUT_RDWR);
}

#ifdef HAVE_GNUTLS

#define LIBRARY "libgnutls.so.30"
#define FUNCTIONS(X) \
    X(bye) \
    X(certificate_allocate_credentials) \
    X(certificate_free_credentials) \
    X(certificate_server_set_request) \
    X(certificate_set_x509_key_file) \
    X(certificate_set_x509_trust_file) \
    X(credentials_set) \
    X(deinit) \
    X(error_is_fatal) \
    X(handshake) \
    X(init) \
    X(priority_set_direct) \
    X(psk_allocate_server_credentials) \
    X(psk_free_server_credentials) \
    X(psk_set_server_credentials_file) \
    X(record_recv) \
    X(record_send) \
    X(session_set_verify_cert) \
    X(strerror) \
    X(transport_set_int2)

/* The library's functions under their names without gnutls_. */
static struct {
#define X(name) __typeof__(&gnutls_##name) name;
    FUNCTIONS(X)
#undef X
} lib;

static int32_t load_library(struct tn_error *error)
{
    static const struct tn_library_function functions[] = {
#define X(name) {"gnutls_" #name, (void **)(void *)&lib.name},
        FUNCTIONS(X)
#undef X
    };
    static gboolean loaded;
    int32_t rc = 0;

    if (!loaded)
        rc = tn_library_load(LIBRARY, functions, G_N_ELEMENTS(functions),
                             error);
    loaded = rc == 0;
    return rc;
}

struct stream_tls {
    gnutls_certificate_credentials_t certificates;
    gnutls_psk_server_credentials_t psk;
    gboolean verify_peer;
};

void stream_bye(struct stream *stream)
{
    if (stream->session && stream->secure)
        lib.bye(stream->session, GNUTLS_SHUT_WR);
    shutdown(stream->fd, SHUT_WR);
}

void stream_free(struct stream *stream)
{
    if (stream->session)
        lib.deinit(stream->session);
    close(stream->fd);
    g_free(stream);
}

static gboolean tls_again(gssize n)
{
    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

static gssize read_some(struct stream *s, void *data, gsize bytes)
{
    gssize n;

    if (!s->secure)
        return recv(s->fd, data, bytes, 0);
    do
        n = lib.record_recv(s->session, data, bytes);
    while (tls_again(n));
    errno = EIO;
    return n;
}

static gssize write_some(struct stream *s, const void *data, gsize bytes)
{
    gssize n;

    if (!s->secure)
        return send(s->fd, data, bytes, MSG_NOSIGNAL);
    do
        n = lib.record_send(s->session, data, bytes);
    while (tls_again(n));
    errno = EIO;
    return n;
}

void stream_tls_free(struct stream_tls *tls)
{
    if (!tls)
        return;
    if (tls->certificates)
        lib.certificate_free_credentials(tls->certificates);
    if (tls->psk)
        lib.psk_free_server_credentials(tls->psk);
    g_free(tls);
}

static int load_certificates(struct stream_tls *tls, const char *directory)
{
    g_autofree char *ca = g_build_filename(directory, "ca-cert.pem", NULL);
    g_autofree char *cert =
        g_build_filename(directory, "server-cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "server-key.pem", NULL);
    int rc = lib.certificate_allocate_credentials(&tls->certificates);

    if (rc < 0)
        return rc;
    if (tls->verify_peer || g_file_test(ca, G_FILE_TEST_EXISTS))
        rc = lib.certificate_set_x509_trust_file(tls->certificates, ca,
                                                    GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return rc;
    return lib.certificate_set_x509_key_file(tls->certificates, cert, key,
                                                GNUTLS_X509_FMT_PEM);
}

struct stream_tls *stream_tls_new(const char *directory, const char *psk_file,
                                  gboolean verify_peer, char **error)
{
    g_auto(tn_error_auto) missing = TN_ERROR_INIT;
    struct stream_tls *tls;
    int rc = 0;

    if (load_library(&missing)) {
        *error = g_strdup(tn_error_text(&missing, 0));
        return NULL;
    }
    tls = g_new0(struct stream_tls, 1);
    tls->verify_peer = verify_peer;
    if (directory)
        rc = load_certificates(tls, directory);
    if (rc >= 0 && psk_file) {
        rc = lib.psk_allocate_server_credentials(&tls->psk);
        if (rc >= 0)
            rc = lib.psk_set_server_credentials_file(tls->psk, psk_file);
    }
    if (rc >= 0)
        return tls;
    *error = g_strdup_printf("%s: %s", directory ? directory : psk_file,
                             lib.strerror(rc));
    stream_tls_free(tls);
    return NULL;
}

gboolean stream_start_tls(struct stream *stream, struct stream_tls *tls)
{
    int rc = lib.init(&stream->session, GNUTLS_SERVER);
    const char *priority =
        tls->psk ? "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK" : "NORMAL";

    if (rc >= 0)
        rc = lib.priority_set_direct(stream->session, priority, NULL);
    if (rc >= 0 && tls->certificates)
        rc = lib.credentials_set(stream->session, GNUTLS_CRD_CERTIFICATE,
                                    tls->certificates);
    if (rc >= 0 && tls->psk)
        rc = lib.credentials_set(stream->session, GNUTLS_CRD_PSK, tls->psk);
    if (rc < 0)
        return FALSE;
    if (tls->verify_peer) {
        lib.certificate_server_set_request(stream->session,
                                              GNUTLS_CERT_REQUIRE);
        lib.session_set_verify_cert(stream->session, NULL, 0);
    }
    lib.transport_set_int2(stream->session, stream->fd, stream->fd);
    do
        rc = lib.handshake(stream->session);
    while (rc < 0 && !lib.error_is_fatal(rc));
    stream->secure = rc >= 0;
    return stream->secure;
}

#else

void stream_bye(struct stream *stream)
{
    shutdown(stream->fd, SHUT_WR);
}

void stream_free(struct stream *stream)
{
    close(stream->fd);
    g_free(stream);
}

static gssize read_some(struct stream *s, void *data, gsize bytes)
{
    return recv(s->fd, data, bytes, 0);
}

static gssize write_some(struct stream *s, const void *data, gsize bytes)
{
    return send(s->fd, data, bytes, MSG_NOSIGNAL);
}

struct stream_tls *stream_tls_new(const char *directory, const char *psk_file,
                                  gboolean verify_peer, char **error)
{
    (void)directory;
    (void)psk_file;
    (void)verify_peer;
    *error = g_strdup("this program was built without GnuTLS");
    return NULL;
}

void stream_tls_free(struct stream_tls *tls)
{
    (void)tls;
}

gboolean stream_start_tls(struct stream *stream, struct stream_tls *tls)
{
    (void)stream;
    (void)tls;
    return FALSE;
}

#endif

gboolean stream_read(struct stream *stream, void *data, gsize bytes)
{
    char *p = data;

    while (bytes) {
        gssize n = read_some(stream, p, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        p += n;
        bytes -= (gsize)n;
    }
    return TRUE;
}

gboolean stream_write(struct stream *stream, const void *data, gsize bytes)
{
    const char *p = data;

    while (bytes) {
        gssize n = write_some(stream, p, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        p += n;
        bytes -= (gsize)n;
    }
    return TRUE;
}
