/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See block-test.h.
 */
#include "core/block/block-test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#define MAX_REQUEST (256u << 10)

void image_test_init(struct image_test *t, const char *const *names,
                     enum block_io io, guint32 seed)
{
    const char *top = g_getenv("TENON_TOP_BUILDDIR");

    memset(t, 0, sizeof *t);
    t->registry = tn_registry_new();
    t->context = block_context_new(io);
    t->random = g_rand_new_with_seed(seed);
    t->directory = g_dir_make_tmp("tenon-block-XXXXXX", NULL);
    t->path = g_build_filename(t->directory, "image", NULL);
    for (; *names; names++) {
        g_autofree char *file = g_strdup_printf(
            "%s/plugins/%s/.libs/%s.so", top ? top : ".", *names, *names);
        g_auto(tn_error_auto) error = TN_ERROR_INIT;

        if (tn_registry_add_file(t->registry, file, &error))
            fail_msg("%s", tn_error_text(&error, 0));
    }
}

void image_test_clear(struct image_test *t)
{
    image_test_close(t);
    image_test_run("rm -rf %s", t->directory);
    g_free(t->directory);
    g_free(t->path);
    g_free(t->model);
    g_rand_free(t->random);
    block_context_free(t->context);
    tn_registry_free(t->registry);
}

int32_t image_test_open(struct image_test *t, const char *format,
                        uint32_t flags, struct tn_error *error)
{
    struct node_options options = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .flags = flags,
        .discard = TRUE,
    };

    if (format)
        options.format = tn_registry_find(t->registry, TN_KIND_FORMAT, format);
    return node_open(&options, &t->node, error);
}

int32_t image_test_create(struct image_test *t, const char *format,
                          uint64_t bytes)
{
    struct node_options options = {
        .registry = t->registry,
        .context = t->context,
        .image = t->path,
        .format = tn_registry_find(t->registry, TN_KIND_FORMAT, format),
    };
    struct tn_create create = {.size = sizeof create, .bytes = bytes};
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    int32_t rc = node_create(&options, &create, &error);

    if (rc)
        print_error("%s\n", tn_error_text(&error, rc));
    return rc;
}

void image_test_close(struct image_test *t)
{
    if (t->node)
        assert_int_equal(node_close(t->node, NULL), 0);
    t->node = NULL;
}

/* ---- random histories ---- */

struct flight {
    struct block_op op;
    struct iovec iov[2];
    uint8_t *data;
    gboolean busy;
    uint8_t *expected; /* reads */
};

static void flight_done(struct block_op *op, int result)
{
    struct flight *f = (struct flight *)op;

    if (result)
        fail_msg("operation %u at %" G_GUINT64_FORMAT ": %s", op->op,
                 op->offset, g_strerror(-result));
    if (op->op == TN_DISK_READ &&
        memcmp(f->data, f->expected, op->bytes) != 0)
        fail_msg("wrong data at %" G_GUINT64_FORMAT " +%" G_GUINT64_FORMAT,
                 op->offset, op->bytes);
    g_free(f->expected);
    g_free(f->data);
    f->busy = FALSE;
}

/* Requests that overlap have no order: they are not made at once. */
static gboolean overlaps(const struct flight *flights, guint depth,
                         uint64_t offset, uint64_t bytes)
{
    for (guint i = 0; i < depth; i++)
        if (flights[i].busy && flights[i].op.offset < offset + bytes &&
            offset < flights[i].op.offset + flights[i].op.bytes)
            return TRUE;
    return FALSE;
}

static uint32_t random_op(struct image_test *t)
{
    guint n = (guint)g_rand_int_range(t->random, 0, 100);

    return n < 35   ? TN_DISK_READ
           : n < 85 ? TN_DISK_WRITE
           : n < 88 ? TN_DISK_FLUSH
                    : TN_DISK_ZERO;
}

static void random_range(struct image_test *t, uint64_t *offset,
                         uint64_t *bytes)
{
    static const uint32_t scales[] = {512, 4096, 65536, MAX_REQUEST};
    uint32_t most = scales[g_rand_int_range(t->random, 0, 4)];
    uint64_t sectors = t->bytes / 512;

    *bytes = 512 * (uint64_t)g_rand_int_range(t->random, 1,
                                              (gint32)(most / 512 + 1));
    *offset =
        512 * (uint64_t)g_rand_int_range(t->random, 0, (gint32)sectors);
    if (g_rand_int_range(t->random, 0, 2))
        *offset = *offset / most * most;
    *bytes = MIN(*bytes, t->bytes - *offset);
}

static void start(struct image_test *t, struct flight *f, uint32_t kind,
                  uint64_t offset, uint64_t bytes)
{
    uint64_t cut = bytes / 1024 * 512;
    uint8_t fill = (uint8_t)g_rand_int(t->random);

    if (kind == TN_DISK_FLUSH)
        offset = bytes = 0;
    memset(f, 0, sizeof *f);
    f->busy = TRUE;
    f->data = g_malloc(bytes + 1);
    f->op = (struct block_op){.node = t->node,
                              .op = kind,
                              .offset = offset,
                              .bytes = bytes,
                              .done = flight_done};
    if (kind == TN_DISK_WRITE) {
        for (uint64_t i = 0; i < bytes; i++)
            f->data[i] = (uint8_t)(fill + i / 512 + i);
        memcpy(t->model + offset, f->data, bytes);
    } else if (kind == TN_DISK_ZERO) {
        f->op.flags = g_rand_int_range(t->random, 0, 2) ? TN_DISK_UNMAP : 0;
        memset(t->model + offset, 0, bytes);
    } else if (kind == TN_DISK_READ) {
        f->expected = g_memdup2(t->model + offset, bytes);
    }
    f->iov[0] = (struct iovec){f->data, cut};
    f->iov[1] = (struct iovec){f->data + cut, bytes - cut};
    f->op.iov = cut ? f->iov : f->iov + 1;
    f->op.n_iov = kind <= TN_DISK_WRITE ? (cut ? 2 : 1) : 0;
    block_op_start(&f->op);
}

static guint count_busy(const struct flight *flights, guint depth)
{
    guint n = 0;

    for (guint i = 0; i < depth; i++)
        n += flights[i].busy ? 1 : 0;
    return n;
}

void image_test_history(struct image_test *t, guint count, guint depth)
{
    struct flight *flights = g_new0(struct flight, depth);

    /* What is drawn does not depend on how long anything takes. */
    while (count--) {
        uint64_t offset, bytes;
        guint i = 0;

        random_range(t, &offset, &bytes);
        while (count_busy(flights, depth) == depth ||
               overlaps(flights, depth, offset, bytes))
            block_context_wait(t->context);
        while (flights[i].busy)
            i++;
        start(t, &flights[i], random_op(t), offset, bytes);
    }
    while (count_busy(flights, depth))
        block_context_wait(t->context);
    g_free(flights);
}

static void differs(struct image_test *t, uint64_t at, uint8_t value)
{
    g_autofree char *model = g_build_filename(t->directory, "model", NULL);

    g_file_set_contents(model, (const char *)t->model, (gssize)t->bytes, NULL);
    fail_msg("the image differs at %" G_GUINT64_FORMAT ": %#x, not %#x of %s",
             at, value, t->model[at], model);
}

void image_test_compare(struct image_test *t)
{
    g_autofree uint8_t *data = g_malloc(1 << 20);

    assert_int_equal(t->node->info.bytes, t->bytes);
    for (uint64_t at = 0; at < t->bytes; at += 1 << 20) {
        uint64_t n = MIN(t->bytes - at, 1u << 20);
        struct iovec iov = {data, n};
        struct block_op op = {.node = t->node,
                              .op = TN_DISK_READ,
                              .offset = at,
                              .bytes = n,
                              .iov = &iov,
                              .n_iov = 1};

        assert_int_equal(block_op_wait(&op), 0);
        for (uint64_t i = 0; i < n; i++)
            if (data[i] != t->model[at + i])
                differs(t, at + i, data[i]);
    }
}

/* ---- the reference tool ---- */

int image_test_run(const char *format, ...)
{
    g_autofree char *command = NULL;
    g_autofree char *output = NULL;
    g_autofree char *errors = NULL;
    const char *arguments[] = {"/bin/sh", "-c", NULL, NULL};
    va_list ap;
    int status = -1;

    va_start(ap, format);
    command = g_strdup_vprintf(format, ap);
    va_end(ap);
    arguments[2] = command;
    if (!g_spawn_sync(NULL, (char **)(uintptr_t)arguments, NULL, 0, NULL,
                      NULL, &output, &errors, &status, NULL))
        return -1;
    if (status)
        print_message("%s: status %d\n%s%s", command, status, output, errors);
    return status;
}

gboolean image_test_has_reference(void)
{
    g_autofree char *img = g_find_program_in_path("qemu-img");
    g_autofree char *io = g_find_program_in_path("qemu-io");

    if (!img || !io)
        print_message("qemu-utils is not installed\n");
    return img && io;
}
