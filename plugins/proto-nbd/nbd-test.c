/* SPDX-License-Identifier: Apache-2.0 */
/* The NBD client against nbdkit and the reference's server. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "plugins/proto-nbd/nbd-test.h"

/* ---- servers that mean well ---- */

static void history(const char *command)
{
    struct nbd_test s;

    nbd_test_begin(&s, 8 * MIB);
    nbd_test_start(&s, command, s.socket);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(s.t.node->info.bytes, 8 * MIB);
    image_test_history(&s.t,
                       (guint)image_environment("TENON_TEST_OPERATIONS", 2000),
                       32);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    nbd_test_open(&s, "raw", 0);
    image_test_compare(&s.t);
    nbd_test_end(&s);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void with_nbdkit(const char *command)
{
    if (!nbd_test_has("nbdkit"))
        skip();
    history(command);
}
#pragma GCC diagnostic pop

static void test_history_with_nbdkit(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s memory 8M");
}

static void test_history_without_structured_replies(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f --no-sr -U %s memory 8M");
}

static void test_history_with_the_oldest_newstyle(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f --mask-handshake=0 -U %s memory 8M");
}

static void test_history_with_large_blocks(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s --filter=blocksize-policy memory 8M "
                "blocksize-minimum=4096 blocksize-preferred=64K "
                "blocksize-maximum=128K blocksize-error-policy=error");
}

static void test_history_without_zeroing(void **state)
{
    (void)state;
    with_nbdkit("nbdkit -f -U %s --filter=nozero memory 8M");
}

static void test_history_with_the_reference(void **state)
{
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("qemu-nbd"))
        skip();
    nbd_test_begin(&s, 8 * MIB);
    assert_int_equal(
        image_test_run("cd %s && qemu-img create -q -f qcow2 a.qcow2 8M",
                       s.t.directory), 0);
    nbd_test_start(&s, "qemu-nbd -t -e 4 -f qcow2 -k %s a.qcow2", s.socket);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 2000, 32);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    kill(s.pid, SIGTERM);
    waitpid(s.pid, NULL, 0);
    s.pid = 0;
    assert_int_equal(image_test_run("cd %s && qemu-img check -q a.qcow2",
                                    s.t.directory), 0);
    nbd_test_end(&s);
}

static void test_qcow2_on_nbd(void **state)
{
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, 4 * MIB);
    nbd_test_start(&s, "nbdkit -f -U %s memory 16M", s.socket);
    assert_int_equal(image_test_create(&s.t, "qcow2", 4 * MIB), 0);
    nbd_test_open(&s, NULL, TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 1000, 16);
    image_test_compare(&s.t);
    nbd_test_end(&s);
}

static void test_read_only_export(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, MIB);
    nbd_test_start(&s, "nbdkit -f -r -U %s memory 1M", s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", TN_IMAGE_WRITABLE, &error),
                     -EROFS);
    nbd_test_open(&s, "raw", 0);
    image_test_compare(&s.t);
    nbd_test_end(&s);
}

static void test_holes_are_known(void **state)
{
    struct nbd_test s;
    struct block_file *file;
    uint8_t data[4096];
    uint64_t bytes, at = 0;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, 64 * MIB);
    nbd_test_start(&s, "nbdkit -f -U %s memory 64M", s.socket);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    memset(data, 5, sizeof data);
    assert_int_equal(image_do(&s.t, TN_DISK_WRITE, 0, 32 * MIB, 4096, data),
                     0);
    file = node_file(s.t.node, 0);
    assert_int_equal(file->ops.status(file->host.self, 0, &bytes),
                     TN_STATUS_HOLE);
    assert_int_equal(bytes, 32 * MIB);
    assert_int_equal(file->ops.status(file->host.self, 32 * MIB, &bytes),
                     TN_STATUS_DATA);
    at = 32 * MIB + bytes;
    assert_int_equal(file->ops.status(file->host.self, at, &bytes),
                     TN_STATUS_HOLE);
    assert_int_equal(at + bytes, 64 * MIB);
    nbd_test_end(&s);
}

static void test_no_such_export(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("qemu-nbd"))
        skip();
    nbd_test_begin(&s, MIB);
    assert_int_equal(image_test_run("truncate -s 1M %s/a.raw", s.t.directory),
                     0);
    nbd_test_start(&s, "qemu-nbd -t -x good%%20name -f raw -k %s a.raw",
                   s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -ENOENT);
    name = g_strdup_printf("nbd+unix:///good%%2520name?socket=%s", s.socket);
    nbd_test_name(&s, name);
    nbd_test_open(&s, "raw", 0);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbd:unix:%s:exportname=good%%20name", s.socket);
    nbd_test_name(&s, name);
    nbd_test_open(&s, "raw", 0);
    nbd_test_end(&s);
}

static void test_errors_come_through(void **state)
{
    uint8_t data[512] = {0};
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, MIB);
    nbd_test_start(&s,
                   "nbdkit -f -U %s --filter=error memory 1M "
                   "error-pwrite=ENOSPC error-pwrite-rate=100%% error-pread=EIO "
              "error-pread-rate=100%%", s.socket);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    assert_int_equal(image_do(&s.t, TN_DISK_WRITE, 0, 0, 512, data), -ENOSPC);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    nbd_test_end(&s);
}

static void test_server_that_dies(void **state)
{
    uint8_t data[512] = {0};
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, MIB);
    nbd_test_start(&s, "nbdkit -f -U %s memory 1M", s.socket);
    nbd_test_open(&s, "raw", 0);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), 0);
    nbd_test_stop(&s);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    assert_int_equal(image_do(&s.t, TN_DISK_READ, 0, 0, 512, data), -EIO);
    nbd_test_end(&s);
}

static void test_names_that_are_refused(void **state)
{
    static const char *const names[] = {
        "nbd:", "nbd:host", "nbd:host:", "nbd+unix:///x", "nbd://host/a%0",
        "nbd://host/%00", "nbd://[::1/x", "nbd+unix://host/?socket=/x",
        "nbd://h/?what=1", "nbd+unix:///?socket=/nowhere/at/all",
        "nbd:unix:/nowhere/at/all"};
    struct nbd_test s;

    (void)state;
    nbd_test_begin(&s, MIB);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(tn_error_auto) error = TN_ERROR_INIT;

        nbd_test_name(&s, names[i]);
        assert_int_not_equal(image_test_open(&s.t, "raw", 0, &error), 0);
        assert_true(tn_error_text(&error, 0)[0]);
    }
    nbd_test_end(&s);
}

/* ---- TLS ---- */

static void test_tls_with_a_shared_key(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit"))
        skip();
    nbd_test_begin(&s, 2 * MIB);
    assert_int_equal(
        image_test_run("cd %s && echo alice:00112233445566778899aabbccddeeff "
                       ">psk && echo alice:ff112233445566778899aabbccddeeff "
                       ">wrong", s.t.directory), 0);
    nbd_test_start(&s,
                   "nbdkit -f --tls=require --tls-psk=%s/psk -U %s memory 2M",
                   s.t.directory, s.socket);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -EACCES);
    assert_non_null(strstr(tn_error_text(&error, 0), "TLS"));
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-psk-file=%s/psk",
                           s.socket, s.t.directory);
    nbd_test_name(&s, name);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 800, 16);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-psk-file=%s/wrong",
                           s.socket, s.t.directory);
    nbd_test_name(&s, name);
    assert_int_not_equal(image_test_open(&s.t, "raw", 0, &error), 0);
    nbd_test_end(&s);
}

static void test_tls_with_certificates(void **state)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree char *name = NULL;
    struct nbd_test s;

    (void)state;
    if (!nbd_test_has("nbdkit") || !nbd_test_has("certtool"))
        skip();
    nbd_test_begin(&s, 2 * MIB);
    assert_int_equal(
        image_test_run(
            "cd %s && mkdir pki && cd pki && { "
            "echo 'cn = Test CA'; echo ca; echo cert_signing_key; } >ca.info "
            "&& { echo 'cn = disks'; echo tls_www_server; echo "
            "encryption_key; echo signing_key; echo 'dns_name = disks'; } "
            ">server.info && for k in ca server; do certtool "
            "--generate-privkey --outfile $k-key.pem 2>&1 || exit; done && "
            "certtool --generate-self-signed --load-privkey ca-key.pem "
            "--template ca.info --outfile ca-cert.pem 2>&1 && certtool "
            "--generate-certificate --load-ca-certificate ca-cert.pem "
            "--load-ca-privkey ca-key.pem --load-privkey server-key.pem "
            "--template server.info --outfile server-cert.pem 2>&1",
            s.t.directory), 0);
    nbd_test_start(&s,
                   "nbdkit -f --tls=require --tls-certificates=%s/pki -U %s "
                   "memory 2M", s.t.directory, s.socket);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-certificates=%s/pki"
                           "&tls-hostname=disks", s.socket, s.t.directory);
    nbd_test_name(&s, name);
    nbd_test_open(&s, "raw", TN_IMAGE_WRITABLE);
    image_test_history(&s.t, 800, 16);
    image_test_compare(&s.t);
    image_test_close(&s.t);
    g_free(name);
    name = g_strdup_printf("nbds+unix:///?socket=%s&tls-certificates=%s/pki"
                           "&tls-hostname=others", s.socket, s.t.directory);
    nbd_test_name(&s, name);
    assert_int_equal(image_test_open(&s.t, "raw", 0, &error), -EACCES);
    nbd_test_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_with_nbdkit),
        cmocka_unit_test(test_history_without_structured_replies),
        cmocka_unit_test(test_history_with_the_oldest_newstyle),
        cmocka_unit_test(test_history_with_large_blocks),
        cmocka_unit_test(test_history_without_zeroing),
        cmocka_unit_test(test_history_with_the_reference),
        cmocka_unit_test(test_qcow2_on_nbd),
        cmocka_unit_test(test_read_only_export),
        cmocka_unit_test(test_holes_are_known),
        cmocka_unit_test(test_no_such_export),
        cmocka_unit_test(test_errors_come_through),
        cmocka_unit_test(test_server_that_dies),
        cmocka_unit_test(test_names_that_are_refused),
        cmocka_unit_test(test_tls_with_a_shared_key),
        cmocka_unit_test(test_tls_with_certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
