/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS on a connection: X.509 certificates from a directory (ca-cert.pem, and
 * client-cert.pem with client-key.pem if the server asks who we are), or a
 * pre-shared key. Over gnutls; a build without it says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nbd.h"

#ifdef HAVE_GNUTLS
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct nbd_tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t certificates;
    gnutls_psk_client_credentials_t psk;
};

void nbd_tls_free(struct nbd_tls *tls)
{
    if (!tls)
        return;
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->certificates)
        gnutls_certificate_free_credentials(tls->certificates);
    if (tls->psk)
        gnutls_psk_free_client_credentials(tls->psk);
    free(tls);
}

static int32_t code(int64_t rc)
{
    return rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_TIMEDOUT ? -ETIMEDOUT
           : rc == GNUTLS_E_PREMATURE_TERMINATION          ? -EPIPE
                                                           : -EIO;
}

int64_t nbd_tls_recv(struct nbd_tls *tls, void *data, size_t bytes)
{
    ssize_t n;

    do
        n = gnutls_record_recv(tls->session, data, bytes);
    while (n == GNUTLS_E_INTERRUPTED ||
           (n < 0 && n != GNUTLS_E_AGAIN &&
            !gnutls_error_is_fatal((int)n)));
    return n < 0 ? code(n) : n;
}

int64_t nbd_tls_send(struct nbd_tls *tls, const void *data, size_t bytes)
{
    ssize_t n;

    do
        n = gnutls_record_send(tls->session, data, bytes);
    while (n == GNUTLS_E_INTERRUPTED);
    return n < 0 ? code(n) : n;
}

/* FILE has lines NAME:HEXKEY; the first one, or that of the user's name. */
static int use_psk(struct nbd_tls *tls, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[1024];
    int rc = -1;

    if (!file)
        return -1;
    while (rc && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        gnutls_datum_t key;

        if (!colon || line[0] == '#')
            continue;
        *colon = 0;
        colon[1 + strcspn(colon + 1, "\r\n")] = 0;
        key = (gnutls_datum_t){(unsigned char *)colon + 1,
                               (unsigned)strlen(colon + 1)};
        rc = gnutls_psk_set_client_credentials(tls->psk, line, &key,
                                               GNUTLS_PSK_KEY_HEX);
    }
    explicit_bzero(line, sizeof line);
    fclose(file);
    return rc;
}

static int32_t load_certificates(struct tn_host *host, struct nbd_tls *tls,
                                 const char *directory, struct tn_error *error)
{
    char ca[4096], certificate[4096], key[4096];
    int rc;

    if (!directory)
        return gnutls_certificate_set_x509_system_trust(tls->certificates) < 0
                   ? tn_fail(host, error, -ENOENT,
                             "this system has no certificate authorities")
                   : 0;
    snprintf(ca, sizeof ca, "%s/ca-cert.pem", directory);
    snprintf(certificate, sizeof certificate, "%s/client-cert.pem", directory);
    snprintf(key, sizeof key, "%s/client-key.pem", directory);
    rc = gnutls_certificate_set_x509_trust_file(tls->certificates, ca,
                                                GNUTLS_X509_FMT_PEM);
    if (rc <= 0)
        return tn_fail(host, error, -EINVAL, "%s: %s", ca,
                       rc ? gnutls_strerror(rc) : "no certificate in it");
    if (access(certificate, R_OK))
        return 0;
    rc = gnutls_certificate_set_x509_key_file(tls->certificates, certificate,
                                              key, GNUTLS_X509_FMT_PEM);
    return rc < 0 ? tn_fail(host, error, -EINVAL, "%s: %s", certificate,
                            gnutls_strerror(rc))
                  : 0;
}

static int32_t set_up(struct tn_host *host, struct nbd_tls *tls,
                      const struct nbd_name *name, struct tn_error *error)
{
    int32_t rc;

    if (gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) ||
        gnutls_certificate_allocate_credentials(&tls->certificates) ||
        gnutls_psk_allocate_client_credentials(&tls->psk))
        return -ENOMEM;
    if (name->tls_psk_file) {
        if (use_psk(tls, name->tls_psk_file))
            return tn_fail(host, error, -EINVAL,
                           "%s: no pre-shared key can be read from it",
                           name->tls_psk_file);
        gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->psk);
        return gnutls_priority_set_direct(
                   tls->session,
                   "NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK", NULL)
                   ? -EINVAL
                   : 0;
    }
    rc = load_certificates(host, tls, name->tls_certificates, error);
    if (rc)
        return rc;
    gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
                           tls->certificates);
    if (gnutls_set_default_priority(tls->session))
        return -EINVAL;
    if (!name->no_verify) {
        const char *server = name->tls_hostname ? name->tls_hostname
                             : name->host       ? name->host
                                                : "localhost";

        gnutls_session_set_verify_cert(tls->session, server, 0);
        gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, server,
                               strlen(server));
    }
    return 0;
}

int32_t nbd_tls_start(struct tn_host *host, struct nbd_stream *stream,
                      const struct nbd_name *name, struct tn_error *error)
{
    struct nbd_tls *tls = calloc(1, sizeof *tls);
    int32_t rc;
    int status;

    if (!tls)
        return -ENOMEM;
    rc = set_up(host, tls, name, error);
    if (rc) {
        nbd_tls_free(tls);
        return rc;
    }
    gnutls_transport_set_int(tls->session, stream->fd);
    do
        status = gnutls_handshake(tls->session);
    while (status < 0 && status != GNUTLS_E_AGAIN &&
           !gnutls_error_is_fatal(status));
    if (status < 0) {
        gnutls_datum_t text = {NULL, 0};
        unsigned verify =
            gnutls_session_get_verify_cert_status(tls->session);

        if (status == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
            gnutls_certificate_verification_status_print(
                verify, GNUTLS_CRT_X509, &text, 0);
        rc = tn_fail(host, error, -EACCES, "TLS with the NBD server: %s",
                     text.data ? (const char *)text.data
                               : gnutls_strerror(status));
        gnutls_free(text.data);
        nbd_tls_free(tls);
        return rc;
    }
    stream->tls = tls;
    return 0;
}

#else

void nbd_tls_free(struct nbd_tls *tls)
{
    (void)tls;
}

int64_t nbd_tls_recv(struct nbd_tls *tls, void *data, size_t bytes)
{
    (void)tls;
    (void)data;
    (void)bytes;
    return -ENOTSUP;
}

int64_t nbd_tls_send(struct nbd_tls *tls, const void *data, size_t bytes)
{
    (void)tls;
    (void)data;
    (void)bytes;
    return -ENOTSUP;
}

int32_t nbd_tls_start(struct tn_host *host, struct nbd_stream *stream,
                      const struct nbd_name *name, struct tn_error *error)
{
    (void)stream;
    (void)name;
    return tn_fail(host, error, -ENOTSUP,
                   "this build of Tenon has no TLS: it was made without "
                   "gnutls");
}
#endif
