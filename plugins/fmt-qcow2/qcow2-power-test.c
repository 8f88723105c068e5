/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failure: the transfers to the file are recorded; at random points an
 * image is made of what was flushed and of a random part, sector by sector, of
 * what was not. It must be free of damage (leaks are allowed), and hold every
 * sector as it was at the guest's last flush or as it was written later.
 * TENON_TEST_CRASHES sets how many points.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "core/block/block-test.h"

#define SECTOR 512u
#define DISK_BYTES (4u << 20)
#define OPERATIONS 300u

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

/* What reached the file. */
struct record {
    gboolean flush;
    uint64_t offset, bytes;
    uint8_t *data;
};

/* What the guest did. END: how many records there were when it was done. */
struct deed {
    uint32_t op;
    uint64_t offset, bytes;
    uint8_t fill;
    guint start, end;
};

struct power {
    struct image_test t;
    int fd;
    GArray *records;
    GArray *deeds;
    char *before; /* the image at the start */
    gsize before_bytes;
};

static struct power *current; /* submit() has no place for it */

static void submit(void *self, struct tn_protocol_request *q)
{
    struct record r = {.flush = q->op == TN_DISK_FLUSH,
                       .offset = q->offset,
                       .bytes = q->bytes};
    uint64_t at = 0;

    (void)self;
    if (q->op == TN_DISK_WRITE)
        r.data = g_malloc(q->bytes);
    for (uint32_t i = 0; i < q->n_iov; i++) {
        void *base = q->iov[i].base;
        size_t n = q->iov[i].bytes;
        off_t place = (off_t)(q->offset + at);

        if (q->op == TN_DISK_READ) {
            memset(base, 0, n);
            assert_true(pread(current->fd, base, n, place) >= 0);
        } else {
            assert_int_equal(pwrite(current->fd, base, n, place), n);
            memcpy(r.data + at, base, n);
        }
        at += n;
    }
    if (r.flush || r.data)
        g_array_append_val(current->records, r);
    /* Holes: what a crash leaves of them is not told apart. */
    q->done(q, q->op > TN_DISK_FLUSH ? -EOPNOTSUPP : 0);
}

static void do_deed(struct power *p)
{
    struct image_test *t = &p->t;
    guint kind = (guint)g_rand_int_range(t->random, 0, 10);
    struct deed d = {.op = kind < 6   ? TN_DISK_WRITE
                           : kind < 8 ? TN_DISK_ZERO
                                      : TN_DISK_FLUSH,
                     .fill = (uint8_t)g_rand_int_range(t->random, 1, 256),
                     .start = p->records->len};
    guint sectors = (guint)g_rand_int_range(t->random, 1, 300);
    g_autofree uint8_t *data = NULL;
    struct iovec iov;
    struct block_op op;

    if (d.op != TN_DISK_FLUSH) {
        d.offset = SECTOR * (uint64_t)g_rand_int_range(
                                t->random, 0, DISK_BYTES / SECTOR - 300);
        d.bytes = sectors * SECTOR;
    }
    if (d.op == TN_DISK_ZERO)
        d.fill = 0;
    data = g_malloc(d.bytes + 1);
    memset(data, d.fill, d.bytes);
    iov = (struct iovec){data, d.bytes};
    op = (struct block_op){.node = t->node,
                           .op = d.op,
                           .flags = TN_DISK_UNMAP,
                           .offset = d.offset,
                           .bytes = d.bytes,
                           .iov = &iov,
                           .n_iov = d.op == TN_DISK_WRITE ? 1 : 0};
    if (d.op == TN_DISK_WRITE)
        op.flags = 0;
    assert_int_equal(block_op_wait(&op), 0);
    d.end = p->records->len;
    g_array_append_val(p->deeds, d);
}

/* ---- the image after a crash ---- */

static void write_back(struct power *p, int fd, guint point)
{
    guint flushed = 0;

    for (guint i = 0; i < point; i++)
        if (g_array_index(p->records, struct record, i).flush)
            flushed = i;
    for (guint i = 0; i < point; i++) {
        const struct record *r = &g_array_index(p->records, struct record, i);

        for (uint64_t at = 0; !r->flush && at < r->bytes;) {
            uint64_t n = MIN(r->bytes - at,
                             SECTOR - (r->offset + at) % SECTOR);

            if (i < flushed || g_rand_int_range(p->t.random, 0, 2))
                assert_int_equal(pwrite(fd, r->data + at, n,
                                        (off_t)(r->offset + at)),
                                 n);
            at += n;
        }
    }
}

static void crash_image(struct power *p, const char *path, guint point)
{
    int fd = g_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p->before, p->before_bytes, 0),
                     p->before_bytes);
    write_back(p, fd, point);
    close(fd);
}

/* May a sector read as FILL after a crash at POINT? */
static gboolean is_allowed(struct power *p, uint64_t offset, guint point,
                           uint8_t fill)
{
    gboolean allowed = fill == 0;

    for (guint i = 0; i < p->deeds->len; i++) {
        const struct deed *d = &g_array_index(p->deeds, struct deed, i);
        gboolean covers =
            d->offset <= offset && offset < d->offset + d->bytes;

        if (d->start > point || (d->start == point && d->end > point))
            break;
        if (d->op == TN_DISK_FLUSH && d->end <= point) {
            /* From here on only the last value before counts. */
            for (guint j = i; j-- > 0;) {
                const struct deed *e =
                    &g_array_index(p->deeds, struct deed, j);

                if (e->op != TN_DISK_FLUSH && e->offset <= offset &&
                    offset < e->offset + e->bytes) {
                    allowed = e->fill == fill;
                    break;
                }
                if (j == 0)
                    allowed = fill == 0;
            }
        } else if (covers && d->op != TN_DISK_FLUSH && d->fill == fill) {
            allowed = TRUE;
        }
    }
    return allowed;
}

static void compare(struct power *p, guint point)
{
    g_autofree uint8_t *data = g_malloc(DISK_BYTES);
    struct iovec iov = {data, DISK_BYTES};
    struct block_op op = {.node = p->t.node,
                          .op = TN_DISK_READ,
                          .bytes = DISK_BYTES,
                          .iov = &iov,
                          .n_iov = 1};

    assert_int_equal(block_op_wait(&op), 0);
    for (uint64_t at = 0; at < DISK_BYTES; at += SECTOR) {
        for (uint64_t i = 1; i < SECTOR; i++)
            if (data[at + i] != data[at])
                fail_msg("torn sector at %" G_GUINT64_FORMAT, at);
        if (!is_allowed(p, at, point, data[at]))
            fail_msg("crash at %u: the sector at %" G_GUINT64_FORMAT
                     " reads as %u",
                     point, at, data[at]);
    }
}

static void crash(struct power *p, guint point)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    char *path = p->t.path;
    g_autofree char *copy = g_strconcat(path, "-crash", NULL);
    struct block_node *node = p->t.node;
    int status;

    crash_image(p, copy, point);
    if (image_test_has_reference()) {
        status = image_test_run("qemu-img check -q -f qcow2 %s >/dev/null; "
                                "s=$?; test $s = 0 -o $s = 3",
                                copy);
        if (status)
            fail_msg("crash at %u of %u: damaged", point, p->records->len);
    }
    p->t.path = copy;
    assert_int_equal(image_test_open(&p->t, "qcow2", 0, &error), 0);
    compare(p, point);
    image_test_close(&p->t);
    p->t.path = path;
    p->t.node = node;
}

static void run(const char *options, guint32 seed, guint crashes)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct power p = {
        .records = g_array_new(FALSE, FALSE, sizeof(struct record)),
        .deeds = g_array_new(FALSE, FALSE, sizeof(struct deed)),
    };
    struct block_file *file;

    current = &p;
    image_test_init(&p.t, plugins, FALSE, seed);
    assert_int_equal(image_test_run("qemu-img create -q -f qcow2 -o %s %s %u",
                                    options, p.t.path, DISK_BYTES),
                     0);
    assert_int_equal(
        image_test_open(&p.t, "qcow2", TN_IMAGE_WRITABLE, &error), 0);
    assert_true(
        g_file_get_contents(p.t.path, &p.before, &p.before_bytes, NULL));
    file = node_file(p.t.node, 0);
    p.fd = file->info.fd;
    file->info.fd = -1;
    file->ops.submit = submit;
    for (guint i = 0; i < OPERATIONS; i++)
        do_deed(&p);
    for (guint i = 0; i < crashes; i++)
        crash(&p, (guint)g_rand_int_range(p.t.random, 0,
                                          (gint32)p.records->len + 1));
    image_test_close(&p.t);
    for (guint i = 0; i < p.records->len; i++)
        g_free(g_array_index(p.records, struct record, i).data);
    g_array_unref(p.records);
    g_array_unref(p.deeds);
    g_free(p.before);
    image_test_clear(&p.t);
}

static void test_power_failures(void **state)
{
    static const char *const options[] = {
        "compat=1.1,cluster_size=64k", "compat=0.10,cluster_size=4k",
        "cluster_size=512,refcount_bits=64", "extended_l2=on,cluster_size=16k"};
    const char *text = g_getenv("TENON_TEST_CRASHES");
    guint crashes = text ? (guint)atoi(text) : 80;

    (void)state;
    if (!image_test_has_reference())
        skip();
    for (guint i = 0; i < G_N_ELEMENTS(options); i++) {
        print_message("%s\n", options[i]);
        run(options[i], i + 1, crashes / G_N_ELEMENTS(options));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
