/* SPDX-License-Identifier: Apache-2.0 */
/* See img-stream.h. TLS is GnuTLS's. */
#include "config.h"

#include "tools/img-stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_GNUTLS
#include <gnutls/gnutls.h>
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

struct stream_tls {
    gnutls_certificate_credentials_t certificates;
    gnutls_psk_server_credentials_t psk;
    gboolean verify_peer;
};

void stream_bye(struct stream *stream)
{
    if (stream->session && stream->secure)
        gnutls_bye(stream->session, GNUTLS_SHUT_WR);
    shutdown(stream->fd, SHUT_WR);
}

void stream_free(struct stream *stream)
{
    if (stream->session)
        gnutls_deinit(stream->session);
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
        n = gnutls_record_recv(s->session, data, bytes);
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
        n = gnutls_record_send(s->session, data, bytes);
    while (tls_again(n));
    errno = EIO;
    return n;
}

void stream_tls_free(struct stream_tls *tls)
{
    if (!tls)
        return;
    if (tls->certificates)
        gnutls_certificate_free_credentials(tls->certificates);
    if (tls->psk)
        gnutls_psk_free_server_credentials(tls->psk);
    g_free(tls);
}

static int load_certificates(struct stream_tls *tls, const char *directory)
{
    g_autofree char *ca = g_build_filename(directory, "ca-cert.pem", NULL);
    g_autofree char *cert =
        g_build_filename(directory, "server-cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "server-key.pem", NULL);
    int rc = gnutls_certificate_allocate_credentials(&tls->certificates);

    if (rc < 0)
        return rc;
    if (tls->verify_peer || g_file_test(ca, G_FILE_TEST_EXISTS))
        rc = gnutls_certificate_set_x509_trust_file(tls->certificates, ca,
                                                    GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return rc;
    return gnutls_certificate_set_x509_key_file(tls->certificates, cert, key,
                                                GNUTLS_X509_FMT_PEM);
}

struct stream_tls *stream_tls_new(const char *directory, const char *psk_file,
                                  gboolean verify_peer, char **error)
{
    struct stream_tls *tls = g_new0(struct stream_tls, 1);
    int rc = 0;

    tls->verify_peer = verify_peer;
    if (directory)
        rc = load_certificates(tls, directory);
    if (rc >= 0 && psk_file) {
        rc = gnutls_psk_allocate_server_credentials(&tls->psk);
        if (rc >= 0)
            rc = gnutls_psk_set_server_credentials_file(tls->psk, psk_file);
    }
    if (rc >= 0)
        return tls;
    *error = g_strdup_printf("%s: %s", directory ? directory : psk_file,
                             gnutls_strerror(rc));
    stream_tls_free(tls);
    return NULL;
}

gboolean stream_start_tls(struct stream *stream, struct stream_tls *tls)
{
    int rc = gnutls_init(&stream->session, GNUTLS_SERVER);
    const char *priority =
        tls->psk ? "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK" : "NORMAL";

    if (rc >= 0)
        rc = gnutls_priority_set_direct(stream->session, priority, NULL);
    if (rc >= 0 && tls->certificates)
        rc = gnutls_credentials_set(stream->session, GNUTLS_CRD_CERTIFICATE,
                                    tls->certificates);
    if (rc >= 0 && tls->psk)
        rc = gnutls_credentials_set(stream->session, GNUTLS_CRD_PSK, tls->psk);
    if (rc < 0)
        return FALSE;
    if (tls->verify_peer) {
        gnutls_certificate_server_set_request(stream->session,
                                              GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(stream->session, NULL, 0);
    }
    gnutls_transport_set_int(stream->session, stream->fd);
    do
        rc = gnutls_handshake(stream->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
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
