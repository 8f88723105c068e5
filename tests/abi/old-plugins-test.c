/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins compiled against the headers of ABI 1.0 as they first were
 * (headers-1.0, frozen) load and work in this core, whose tables have grown
 * since: a virtio device and an image format.
 */
#include "tests/board/board.h"

#include <glib/gstdio.h>
#include <string.h>

#include <tenon/block.h>

#include "core/block/disk.h"

#define SLOT 0x10001000u /* the first virtio-mmio */
#define RAM 0x80000000u
#define DISK_BYTES 65536u

/* virtio 1.2, 4.2.2: registers of the MMIO transport. */
enum {
    MAGIC = 0x00,
    DEVICE_ID = 0x08,
    DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SEL = 0x24,
    QUEUE_NUM = 0x38,
    QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    STATUS = 0x70,
    QUEUE_DESC = 0x80,
    QUEUE_DRIVER = 0x90,
    QUEUE_DEVICE = 0xa0,
};

static int setup(void **state)
{
    static const char *const names[] = {"old-rng", "old-raw"};
    int rc = board_setup(state);

    tn_block_register();
    for (guint i = 0; i < G_N_ELEMENTS(names) && !rc; i++) {
        g_autofree char *path =
            g_strdup_printf("%s/tests/abi/.libs/%s.so",
                            g_getenv("TENON_TOP_BUILDDIR"), names[i]);
        struct tn_error error = TN_ERROR_INIT;

        rc = tn_registry_add_file(b.registry, path, &error);
        if (rc)
            print_message("%s: %s\n", path, tn_error_text(&error, rc));
        tn_error_clear(&error);
    }
    return rc;
}

static void set_address(uint32_t reg, uint64_t address)
{
    out(SLOT + reg, 4, (uint32_t)address);
    out(SLOT + reg + 4, 4, address >> 32);
}

static void start_queue(void)
{
    out(SLOT + STATUS, 4, 3); /* acknowledge, driver */
    out(SLOT + DRIVER_FEATURES_SEL, 4, 1);
    out(SLOT + DRIVER_FEATURES, 4, 1); /* version 1 */
    out(SLOT + STATUS, 4, 0xb);
    assert_int_equal(in(SLOT + STATUS, 4), 0xb);
    out(SLOT + QUEUE_NUM, 4, 8);
    set_address(QUEUE_DESC, RAM);
    set_address(QUEUE_DRIVER, RAM + 0x1000);
    set_address(QUEUE_DEVICE, RAM + 0x2000);
    out(SLOT + QUEUE_READY, 4, 1);
    out(SLOT + STATUS, 4, 0xf);
}

static void a_virtio_device_works(void **state)
{
    /* One descriptor of 64 bytes that the device writes; it is available. */
    const struct {
        uint64_t address;
        uint32_t bytes;
        uint16_t flags, next;
    } descriptor = {RAM + 0x3000, 64, 2, 0};
    const uint16_t available[3] = {0, 1, 0};
    uint16_t used = 0;
    uint8_t got[64], none[64] = {0};

    (void)state;
    build_machine("[device entropy]\ncomponent = old-rng\n");
    assert_int_equal(in(SLOT + MAGIC, 4), 0x74726976);
    assert_int_equal(in(SLOT + DEVICE_ID, 4), 4);
    start_queue();
    host_memory.dma_write(b.host, RAM, &descriptor, sizeof descriptor);
    host_memory.dma_write(b.host, RAM + 0x1000, available, sizeof available);
    assert_int_equal(tn_machine_resume(b.machine, NULL), 0);
    out(SLOT + QUEUE_NOTIFY, 4, 0);
    for (guint i = 0; !used && i < 20000; i++) {
        g_usleep(500);
        host_memory.dma_read(b.host, RAM + 0x2002, &used, sizeof used);
    }
    tn_machine_pause(b.machine);
    assert_int_equal(used, 1);
    assert_int_equal(in(SLOT + INTERRUPT_STATUS, 4), 1);
    host_memory.dma_read(b.host, RAM + 0x3000, got, sizeof got);
    assert_memory_not_equal(got, none, sizeof got);
    free_machine();
}

static void its_state_is_saved(void **state)
{
    struct tn_error error = TN_ERROR_INIT;
    GBytes *saved;

    (void)state;
    build_machine("[device entropy]\ncomponent = old-rng\n");
    start_queue();
    saved = tn_machine_save_state(b.machine, &error);
    assert_non_null(saved);
    free_machine();
    build_machine("[device entropy]\ncomponent = old-rng\n");
    assert_int_equal(tn_machine_load_state(b.machine, saved, &error), 0);
    assert_int_equal(in(SLOT + STATUS, 4), 0xf);
    assert_int_equal(in(SLOT + QUEUE_READY, 4), 1);
    g_bytes_unref(saved);
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

static int32_t transfer(const struct tn_blocks *blocks, struct tn_disk *disk,
                        uint32_t op, void *data, uint64_t bytes)
{
    struct job job = {.iov = {data, bytes}};

    job.request = (struct tn_disk_request){.size = sizeof job.request,
                                           .op = op,
                                           .bytes = bytes,
                                           .n_iov = 1,
                                           .iov = &job.iov,
                                           .done = finished};
    blocks->submit(b.host, disk, &job.request);
    while (!atomic_load(&job.finished))
        g_usleep(50);
    return job.result;
}

static void an_image_format_works(void **state)
{
    g_autofree char *image = g_build_filename(b.directory, "disk", NULL);
    g_autofree char *more = g_strdup_printf("[disk d]\nimage = %s\n"
                                            "format = old-raw\n"
                                            "device = virtio-blk\n",
                                            image);
    g_autofree char *data = g_malloc0(DISK_BYTES);
    struct tn_error error = TN_ERROR_INIT;
    const struct tn_blocks *blocks;
    struct tn_disk *disk;
    char back[512];

    (void)state;
    assert_true(g_file_set_contents(image, data, DISK_BYTES, NULL));
    build_machine(more);
    /* The test takes the place of the device. */
    instance_unwind(machine_instance(b.machine, "disk.d"));
    blocks = tn_service(b.host, TN_HOST_BLOCK);
    disk = blocks->open(b.host, "disk.d", NULL, NULL, &error);
    assert_non_null(disk);
    memset(data, 0x5a, 512);
    assert_int_equal(transfer(blocks, disk, TN_DISK_WRITE, data, 512), 0);
    assert_int_equal(transfer(blocks, disk, TN_DISK_READ, back, 512), 0);
    assert_memory_equal(back, data, 512);
    blocks->close(b.host, disk);
    free_machine();
    g_unlink(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtio_device_works),
        cmocka_unit_test(its_state_is_saved),
        cmocka_unit_test(an_image_format_works),
    };

    return cmocka_run_group_tests(tests, setup, board_teardown);
}
