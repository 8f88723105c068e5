/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of a [disk] that are the block engine's, through
 * tenon.host.block/1 as a device uses it.
 */
#include "tests/board/board.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon/block.h>

#include "core/block/disk.h"

#define DISK_BYTES (4u << 20)
#define PIECE 65536u

static char *image;
static const struct tn_blocks *blocks;
static struct tn_disk *disk;

static void open_disk(const char *settings)
{
    g_autofree char *more = g_strdup_printf(
        "[disk d]\nimage = %s\nformat = raw\n"
        "device = virtio-blk\n%s\n", image, settings);
    struct tn_error error = TN_ERROR_INIT;
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_autofree uint8_t *data = g_malloc(DISK_BYTES);

    memset(data, 0x5a, DISK_BYTES);
    assert_int_equal(write(fd, data, DISK_BYTES), DISK_BYTES);
    fsync(fd);
    close(fd);
    build_machine(more);
    /* The test takes the place of the device. */
    instance_unwind(machine_instance(b.machine, "disk.d"));
    blocks = tn_service(b.host, TN_HOST_BLOCK);
    assert_non_null(blocks);
    disk = blocks->open(b.host, "disk.d", NULL, NULL, &error);
    if (!disk)
        print_message("%s\n", tn_error_text(&error, 0));
    tn_error_clear(&error);
    assert_non_null(disk);
}

static void close_disk(void)
{
    blocks->close(b.host, disk);
    free_machine();
}

struct job {
    struct tn_disk_request request;
    struct tn_iovec iov;
    atomic_int finished;
    int32_t result;
};

static void finished(struct tn_disk_request *request, int32_t result)
{
    struct job *job = (struct job *)request;

    job->result = result;
    atomic_store(&job->finished, 1);
}

static void submit(struct job *job, uint32_t op, uint64_t offset, void *data,
                   uint64_t bytes)
{
    *job = (struct job){.iov = {data, bytes}};
    job->request = (struct tn_disk_request){.size = sizeof job->request,
                                            .op = op,
                                            .offset = offset,
                                            .bytes = bytes,
                                            .n_iov = data ? 1 : 0,
                                            .iov = &job->iov,
                                            .done = finished};
    blocks->submit(b.host, disk, &job->request);
}

static int32_t transfer(uint32_t op, uint64_t offset, void *data,
                        uint64_t bytes)
{
    struct job job;

    submit(&job, op, offset, data, bytes);
    while (!atomic_load(&job.finished))
        g_usleep(50);
    return job.result;
}

/* Bytes that the file takes on its medium. */
static uint64_t allocated(void)
{
    struct stat st;

    assert_int_equal(stat(image, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void written_zeroes_are_found(void **state)
{
    static uint8_t zeroes[PIECE], back[PIECE];

    (void)state;
    open_disk("detect-zeroes = unmap");
    assert_true(allocated() >= DISK_BYTES);
    assert_int_equal(transfer(TN_DISK_WRITE, PIECE, zeroes, PIECE), 0);
    assert_true(allocated() <= DISK_BYTES - PIECE + 8192);
    memset(back, 1, PIECE);
    assert_int_equal(transfer(TN_DISK_READ, PIECE, back, PIECE), 0);
    assert_memory_equal(back, zeroes, PIECE);
    assert_int_equal(transfer(TN_DISK_READ, 2 * PIECE, back, PIECE), 0);
    assert_int_equal(back[0], 0x5a);
    /* All but one byte is not all. */
    zeroes[PIECE - 1] = 7;
    assert_int_equal(transfer(TN_DISK_WRITE, 0, zeroes, PIECE), 0);
    zeroes[PIECE - 1] = 0;
    assert_int_equal(transfer(TN_DISK_READ, 0, back, PIECE), 0);
    assert_int_equal(back[PIECE - 1], 7);
    close_disk();
}

static void zeroes_are_written_if_nobody_asked(void **state)
{
    static uint8_t zeroes[PIECE];

    (void)state;
    open_disk("detect-zeroes = no");
    assert_int_equal(transfer(TN_DISK_WRITE, PIECE, zeroes, PIECE), 0);
    assert_true(allocated() >= DISK_BYTES);
    close_disk();
}

static gboolean has_direct_io(void)
{
    int fd = open(image, O_RDONLY | O_DIRECT | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    else
        print_message("no direct I/O on the temporary files' file system\n");
    return fd >= 0;
}

/* Each way to the file gives back what it took. */
static void every_cache_and_aio_works(void **state)
{
    static const char *const settings[] = {
        "cache = writeback", "cache = writethrough", "cache = unsafe",
        "cache = none",      "cache = directsync",   "aio = threads"};
    static uint8_t data[PIECE], back[PIECE];
    struct tn_disk_info info = {.size = sizeof info};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
        if ((i == 3 || i == 4) && !has_direct_io())
            continue;
        open_disk(settings[i]);
        blocks->info(b.host, disk, &info);
        assert_int_equal(!(info.flags & TN_DISK_WRITEBACK), i == 1 || i == 4);
        memset(data, (int)i + 1, sizeof data);
        assert_int_equal(transfer(TN_DISK_WRITE, 512, data, PIECE), 0);
        assert_int_equal(transfer(TN_DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(transfer(TN_DISK_READ, 512, back, PIECE), 0);
        assert_memory_equal(back, data, PIECE);
        close_disk();
    }
}

static void discards_can_be_ignored(void **state)
{
    (void)state;
    open_disk("discard = no");
    assert_int_equal(transfer(TN_DISK_DISCARD, 0, NULL, DISK_BYTES), 0);
    assert_true(allocated() >= DISK_BYTES);
    close_disk();
    open_disk("discard = yes");
    assert_int_equal(transfer(TN_DISK_DISCARD, 0, NULL, DISK_BYTES), 0);
    assert_true(allocated() < DISK_BYTES);
    close_disk();
}

static void a_read_only_disk_refuses(void **state)
{
    static uint8_t data[512];
    struct tn_disk_info info = {.size = sizeof info};

    (void)state;
    open_disk("readonly = yes");
    blocks->info(b.host, disk, &info);
    assert_true(info.flags & TN_DISK_READ_ONLY);
    assert_int_equal(transfer(TN_DISK_WRITE, 0, data, 512), -EROFS);
    assert_int_equal(transfer(TN_DISK_ZERO, 0, NULL, 512), -EROFS);
    assert_int_equal(transfer(TN_DISK_READ, 0, data, 512), 0);
    assert_int_equal(data[0], 0x5a);
    close_disk();
}

static void what_a_snapshot_is_written_is_forgotten(void **state)
{
    static const char *const settings[] = {
        "snapshot = yes", "snapshot = yes\ncache = none",
        "snapshot = yes\naio = threads"};
    static uint8_t data[PIECE], back[PIECE];
    struct tn_disk_info info = {.size = sizeof info};

    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
        g_autofree char *after = NULL;
        gsize bytes;

        if (i == 1 && !has_direct_io())
            continue;
        open_disk(settings[i]);
        blocks->info(b.host, disk, &info);
        assert_int_equal(info.flags & TN_DISK_READ_ONLY, 0);
        assert_int_equal(info.bytes, DISK_BYTES);
        memset(data, (int)i + 1, sizeof data);
        assert_int_equal(transfer(TN_DISK_WRITE, 512, data, PIECE), 0);
        assert_int_equal(transfer(TN_DISK_DISCARD, 2 * PIECE, NULL, PIECE), 0);
        assert_int_equal(transfer(TN_DISK_FLUSH, 0, NULL, 0), 0);
        assert_int_equal(transfer(TN_DISK_READ, 512, back, PIECE), 0);
        assert_memory_equal(back, data, PIECE);
        close_disk();
        assert_true(g_file_get_contents(image, &after, &bytes, NULL));
        assert_int_equal(bytes, DISK_BYTES);
        for (gsize at = 0; at < bytes; at++)
            assert_int_equal(after[at], 0x5a);
    }
}

static void a_snapshot_that_is_read_only_refuses(void **state)
{
    static uint8_t data[512];

    (void)state;
    open_disk("snapshot = yes\nreadonly = yes");
    assert_int_equal(transfer(TN_DISK_WRITE, 0, data, 512), -EROFS);
    close_disk();
}

/* One write an hour: the second one waits, until somebody drains. */
static void limits_hold_back_and_drain_does_not_wait(void **state)
{
    static uint8_t data[PIECE];
    struct job jobs[3];

    (void)state;
    open_disk("bandwidth-write = 18\nburst = 0s");
    assert_int_equal(transfer(TN_DISK_WRITE, 0, data, PIECE), 0);
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++)
        submit(&jobs[i], TN_DISK_WRITE, i * PIECE, data, PIECE);
    assert_int_equal(transfer(TN_DISK_READ, 0, data, PIECE), 0);
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++)
        assert_int_equal(atomic_load(&jobs[i].finished), 0);
    blocks->drain(b.host, disk);
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++) {
        assert_int_equal(atomic_load(&jobs[i].finished), 1);
        assert_int_equal(jobs[i].result, 0);
    }
    close_disk();
}

static int setup(void **state)
{
    int fd = g_file_open_tmp("tenon-disk-XXXXXX.raw", &image, NULL);

    assert_true(fd >= 0);
    close(fd);
    tn_block_register();
    return board_setup(state);
}

static int teardown(void **state)
{
    g_unlink(image);
    g_free(image);
    return board_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_zeroes_are_found),
        cmocka_unit_test(zeroes_are_written_if_nobody_asked),
        cmocka_unit_test(every_cache_and_aio_works),
        cmocka_unit_test(discards_can_be_ignored),
        cmocka_unit_test(a_read_only_disk_refuses),
        cmocka_unit_test(what_a_snapshot_is_written_is_forgotten),
        cmocka_unit_test(a_snapshot_that_is_read_only_refuses),
        cmocka_unit_test(limits_hold_back_and_drain_does_not_wait),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
