/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol file where the kernel or the file system cannot do something: it
 * takes the place of the calls that share and copy blocks and make holes
 * (ioctl(2) FICLONERANGE, copy_file_range(2), fallocate(2)), and lets the
 * space end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/block/block-test.h"
#include "core/block/copy.h"

#define MIB (1u << 20)
#define ODD 137u /* bytes behind the last whole sector */

static const char *const plugins[] = {"proto-file", "fmt-raw", "fmt-qcow2",
                                      NULL};

/* ---- in the kernel's stead ---- */

static struct {
    int clone_error;  /* 0: does it */
    guint copies;     /* how many succeed; then */
    int copy_error;   /* 0: returns 0, the source's end */
    size_t copy_most; /* bytes of one */
    int hole_error;   /* 0: the kernel's own */
    guint cloned, copied, holes;
} kernel;

static size_t copy_bytes(int in, off_t from, int out, off_t to, size_t bytes)
{
    uint8_t data[4096];
    size_t done = 0;

    while (done < bytes) {
        ssize_t n = pread(in, data, MIN(bytes - done, sizeof data),
                          from + (off_t)done);

        if (n <= 0)
            break;
        assert_int_equal(pwrite(out, data, (size_t)n, to + (off_t)done), n);
        done += (size_t)n;
    }
    return done;
}

int ioctl(int fd, unsigned long request, ...)
{
    const struct file_clone_range *range;
    va_list arguments;
    void *p;

    va_start(arguments, request);
    p = va_arg(arguments, void *);
    va_end(arguments);
    if (request != FICLONERANGE)
        return (int)syscall(SYS_ioctl, fd, request, p);
    range = p;
    kernel.cloned++;
    errno = kernel.clone_error;
    if (errno)
        return -1;
    assert_int_equal(copy_bytes((int)range->src_fd, (off_t)range->src_offset,
                                fd, (off_t)range->dest_offset,
                                range->src_length),
                     range->src_length);
    return 0;
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to,
                        size_t bytes, unsigned flags)
{
    assert_int_equal(flags, 0);
    errno = kernel.copy_error;
    if (kernel.copied >= kernel.copies)
        return errno ? -1 : 0;
    kernel.copied++;
    return (ssize_t)copy_bytes(in, *from, out, *to,
                               MIN(bytes, kernel.copy_most));
}

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    g_atomic_int_inc(&kernel.holes);
    errno = kernel.hole_error;
    return errno ? -1
                 : (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

/* ---- */

static void begin(struct image_test *t, enum block_io io)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.clone_error = EOPNOTSUPP;
    image_test_init(t, plugins, io, 5);
}

static struct block_node *open_as(struct image_test *t, const char *format,
                                  uint32_t flags)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    struct block_node *node;
    int32_t rc = image_test_open(t, format, flags, &error);

    if (rc)
        fail_msg("%s", tn_error_text(&error, rc));
    node = t->node;
    t->node = NULL;
    return node;
}

static void fill(uint8_t *data, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        data[i] = i >> 16 & 1 ? 0 : (uint8_t)(i * 5 + i / 777 + 1);
}

/* Copies a file of BYTES; what is behind its end is zero. */
static void copy(uint64_t bytes, gboolean sparse)
{
    g_auto(tn_error_auto) error = TN_ERROR_INIT;
    g_autofree uint8_t *data = g_malloc(bytes);
    g_autofree uint8_t *back = NULL;
    struct image_copy job = {.target_is_zero = TRUE,
                             .offload = TRUE,
                             .sparse = sparse ? 4096 : 0};
    struct image_test t;
    char *source;
    gsize n;

    image_test_init(&t, plugins, BLOCK_IO_BEST, 5);
    fill(data, bytes);
    assert_true(
        g_file_set_contents(t.path, (char *)data, (gssize)bytes, NULL));
    job.source = open_as(&t, "raw", 0);
    job.bytes = job.source->info.bytes;
    source = t.path;
    t.path = g_strconcat(source, ".copy", NULL);
    assert_int_equal(image_test_create(&t, "raw", job.bytes), 0);
    job.target = open_as(&t, "raw", TN_IMAGE_WRITABLE);
    if (image_copy(&job, &error))
        fail_msg("%s", tn_error_text(&error, 0));
    assert_int_equal(node_close(job.target, NULL), 0);
    assert_int_equal(node_close(job.source, NULL), 0);
    assert_true(g_file_get_contents(t.path, (char **)&back, &n, NULL));
    assert_int_equal(n, job.bytes);
    assert_memory_equal(back, data, bytes);
    for (uint64_t i = bytes; i < n; i++)
        assert_int_equal(back[i], 0);
    g_free(source);
    image_test_clear(&t);
}

static void test_blocks_are_shared(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    copy(MIB, TRUE);
    copy(MIB + ODD, TRUE);
    assert_int_equal(kernel.cloned, 2);
    assert_int_equal(kernel.copied, 0);
}

static const int refusals[] = {EXDEV, EOPNOTSUPP, EINVAL, ENOSYS,
                               EPERM, ETXTBSY,    EBADF};

static void test_where_blocks_cannot_be_shared(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        memset(&kernel, 0, sizeof kernel);
        kernel.clone_error = kernel.copy_error = refusals[i];
        copy(MIB + ODD, TRUE);
        assert_int_equal(kernel.cloned, 1);
    }
}

static void test_the_file_system_copies_in_pieces(void **state)
{
    static const size_t most[] = {MIB, 65536, 100003};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(most); i++) {
        memset(&kernel, 0, sizeof kernel);
        kernel.clone_error = EOPNOTSUPP;
        kernel.copies = G_MAXUINT;
        kernel.copy_most = most[i];
        copy(MIB + ODD, FALSE);
        assert_int_equal(kernel.copied, (MIB + ODD + most[i] - 1) / most[i]);
    }
}

/* The rest is copied by hand, from any byte on. */
static void test_the_file_system_stops_copying(void **state)
{
    (void)state;
    for (guint i = 0; i <= G_N_ELEMENTS(refusals); i++)
        for (guint copies = 0; copies < 4; copies++) {
            memset(&kernel, 0, sizeof kernel);
            kernel.clone_error = EOPNOTSUPP;
            kernel.copies = copies;
            kernel.copy_most = i % 2 ? 100003 : 65536;
            kernel.copy_error =
                i < G_N_ELEMENTS(refusals) ? refusals[i] : 0;
            copy(MIB + ODD, i % 3 != 0);
            assert_int_equal(kernel.copied, copies);
        }
}

/* ---- holes ---- */

static void test_where_no_holes_can_be_made(void **state)
{
    static const int errors[] = {EOPNOTSUPP, ENOSYS, EINVAL, ENODEV};
    static const char *const formats[] = {"raw", "qcow2"};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(errors) * 2; i++) {
        const char *format = formats[i % 2];
        struct image_test t;

        begin(&t, BLOCK_IO_THREADS);
        kernel.hole_error = errors[i / 2];
        t.bytes = 2 * MIB;
        t.model = g_malloc0(t.bytes);
        assert_int_equal(image_test_create(&t, format, t.bytes), 0);
        t.node = open_as(&t, format, TN_IMAGE_WRITABLE);
        image_test_history(&t, 400, 6);
        image_test_compare(&t);
        image_test_close(&t);
        t.node = open_as(&t, format, 0);
        image_test_compare(&t);
        assert_true(i % 2 || kernel.holes > 0);
        image_test_clear(&t);
    }
}

/* ---- no space ---- */

static int do_it(struct block_node *node, uint32_t op, uint64_t offset,
                 uint64_t bytes, void *data)
{
    struct iovec iov = {data, bytes};
    struct block_op o = {.node = node,
                         .op = op,
                         .offset = offset,
                         .bytes = bytes,
                         .iov = &iov,
                         .n_iov = op <= TN_DISK_WRITE ? 1 : 0};

    return block_op_wait(&o);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = MIN(bytes, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What was written before is there, what failed can be done again. */
static void test_the_space_ends_among_writes(void **state)
{
    struct image_test t;
    uint8_t *data;
    uint64_t at = 0;
    guint failed = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    begin(&t, BLOCK_IO_THREADS);
    t.bytes = 4 * MIB;
    t.model = g_malloc0(t.bytes);
    data = g_malloc(t.bytes);
    fill(data, t.bytes);
    assert_int_equal(image_test_create(&t, "qcow2", t.bytes), 0);
    t.node = open_as(&t, "qcow2", TN_IMAGE_WRITABLE);
    limit_files(2 * MIB - 1000);
    for (; at < t.bytes && failed < 3; at += 10 * 4096) {
        uint64_t n = MIN(t.bytes - at, 10 * 4096);
        int rc = do_it(t.node, TN_DISK_WRITE, at, n, data + at);

        if (rc)
            failed++;
        else
            memcpy(t.model + at, data + at, n);
        assert_true(rc == 0 || rc == -EFBIG);
    }
    assert_int_equal(failed, 3);
    limit_files(RLIM_INFINITY);
    assert_int_equal(do_it(t.node, TN_DISK_WRITE, 0, t.bytes, data), 0);
    memcpy(t.model, data, t.bytes);
    image_test_compare(&t);
    image_test_close(&t);
    t.node = open_as(&t, "qcow2", 0);
    image_test_compare(&t);
    image_test_close(&t);
    if (image_test_has_reference())
        assert_int_equal(
            image_test_run("qemu-img check -f qcow2 %s >/dev/null", t.path),
            0);
    g_free(data);
    image_test_clear(&t);
}

/* It is closed while there is no space: as after a crash. */
static void test_closed_without_space(void **state)
{
    g_autofree uint8_t *data = g_malloc(4 * MIB);
    struct image_test t;
    uint64_t at = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    begin(&t, BLOCK_IO_THREADS);
    t.bytes = 4 * MIB;
    t.model = g_malloc0(t.bytes);
    fill(data, t.bytes);
    assert_int_equal(image_test_create(&t, "qcow2", t.bytes), 0);
    t.node = open_as(&t, "qcow2", TN_IMAGE_WRITABLE);
    limit_files(2 * MIB - 1000);
    while (do_it(t.node, TN_DISK_WRITE, at, 65536, data + at) == 0) {
        memcpy(t.model + at, data + at, 65536);
        at += 65536;
        assert_true(at < t.bytes);
    }
    node_close(t.node, NULL);
    limit_files(RLIM_INFINITY);
    t.node = open_as(&t, "qcow2", TN_IMAGE_WRITABLE);
    t.bytes = at; /* the rest: as before or as it was to be */
    t.node->info.bytes = at;
    image_test_compare(&t);
    t.bytes = t.node->info.bytes = 4 * MIB;
    assert_int_equal(do_it(t.node, TN_DISK_WRITE, 0, t.bytes, data), 0);
    memcpy(t.model, data, t.bytes);
    image_test_compare(&t);
    image_test_clear(&t);
}

/* ---- odd ends ---- */

static void test_the_last_sector_is_not_whole(void **state)
{
    uint32_t kinds[] = {0, TN_IMAGE_DIRECT};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        struct image_test t;
        struct stat st;
        int fd;

        begin(&t, BLOCK_IO_BEST);
        t.model = g_malloc0(MIB + 512);
        fill(t.model, MIB + ODD);
        assert_true(g_file_set_contents(t.path, (char *)t.model, MIB + ODD,
                                        NULL));
        fd = open(t.path, O_RDONLY | O_CLOEXEC | (i ? O_DIRECT : 0));
        if (fd < 0) {
            print_message("left out: the file system has no direct I/O\n");
            image_test_clear(&t);
            continue;
        }
        close(fd);
        t.bytes = MIB + 512;
        t.node = open_as(&t, "raw", TN_IMAGE_WRITABLE | kinds[i]);
        assert_int_equal(t.node->info.bytes, t.bytes);
        image_test_compare(&t);
        assert_int_equal(
            do_it(t.node, TN_DISK_WRITE, MIB - 512, 512, t.model), 0);
        memcpy(t.model + MIB - 512, t.model, 512);
        image_test_compare(&t);
        assert_int_equal(do_it(t.node, TN_DISK_WRITE, MIB, 512, t.model), 0);
        memcpy(t.model + MIB, t.model, 512);
        image_test_compare(&t);
        image_test_close(&t);
        assert_int_equal(stat(t.path, &st), 0);
        assert_true(st.st_size >= MIB + 512);
        image_test_clear(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_shared),
        cmocka_unit_test(test_where_blocks_cannot_be_shared),
        cmocka_unit_test(test_the_file_system_copies_in_pieces),
        cmocka_unit_test(test_the_file_system_stops_copying),
        cmocka_unit_test(test_where_no_holes_can_be_made),
        cmocka_unit_test(test_the_space_ends_among_writes),
        cmocka_unit_test(test_closed_without_space),
        cmocka_unit_test(test_the_last_sector_is_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
