/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every device of the riscv-virt board against a driver out of its mind: the
 * real core, the real plugins, their real I/O threads. Random accesses of
 * random sizes to every region that the machine's map shows (whatever the
 * board has: a device that is added is in it), DMA of any length across them,
 * and for each virtio device, over mmio and PCI, nearly right rings and random
 * chains. No vCPU runs. At the end the machine must still be one: devices
 * answer after a reset, and everything ends.
 *
 * TENON_FUZZ_RUNS is the number of accesses, TENON_FUZZ_SEED the first number.
 */
#include "tests/board/board.h"

#include <glib/gstdio.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/block/disk.h"
#include "core/machine/epoch.h"
#include "core/net/net.h"
#include "core/util/log.h"
#include "testhost/virtio-hostile.h"

#define RUNS 60000u
#define RAM UINT64_C(0x80000000)
#define SLICE (UINT64_C(4) << 20) /* of RAM, for one virtio device */
#define SPARE (RAM + 13 * SLICE)  /* what no virtio device was given */
#define MMIO UINT64_C(0x10001000)
#define MMIO_STEP 0x1000u
#define MMIO_SLOTS 8u
#define ECAM UINT64_C(0x30000000)
#define ECAM_FUNCTIONS 8u
#define BARS UINT64_C(0x40000000)
#define BARS_STEP 0x100000u
#define FW_CFG_DMA UINT64_C(0x10100010)
#define UART UINT64_C(0x10000000)
#define MOST_DEVICES 12u
#define DISK_BYTES (1u << 20)
#define ENOUGH_SECONDS 900u /* a hang, not slowness */

static uint64_t seed = 99;

static uint64_t any(void)
{
    return testhost_random(&seed);
}

static uint64_t below(uint64_t n)
{
    return any() % n;
}

/* ---- what the hostile driver asks of a test host, on the board ---- */

uint64_t testhost_read(struct testhost *machine, uint64_t address,
                       uint32_t bytes)
{
    uint64_t value = 0;

    (void)machine;
    host_guestmem.io_read(b.host, address, bytes, &value);
    return value;
}

void testhost_write(struct testhost *machine, uint64_t address, uint64_t value,
                    uint32_t bytes)
{
    (void)machine;
    host_guestmem.io_write(b.host, address, bytes, value);
}

void *testhost_at(struct testhost *machine, uint64_t address, uint64_t bytes)
{
    static uint8_t nothing;
    uint64_t there = bytes;
    void *at;

    (void)machine;
    if (!bytes)
        return &nothing;
    at = host_memory.dma_map(b.host, address, &there, TN_DMA_WRITE);
    if (!at || there != bytes)
        fail_msg("0x%" PRIx64 ": %" PRIu64 " of %" PRIu64 " bytes", address,
                 at ? there : 0, bytes);
    host_memory.dma_unmap(b.host, address, at, there, TN_DMA_WRITE, 0);
    return at;
}

uint32_t testhost_run(struct testhost *machine)
{
    (void)machine;
    g_thread_yield();
    return 0;
}

void testhost_advance(struct testhost *machine, uint64_t ns)
{
    (void)machine;
    g_usleep(ns % 50);
}

void testhost_map_changed(struct testhost *machine)
{
    (void)machine;
}

/* ---- the machine ---- */

struct victim {
    struct driver driver;
    struct hostile hostile;
    uint32_t device_id; /* of virtio */
    uint64_t function;  /* PCI: configuration space; else 0 */
    uint64_t bars;
};

static struct victim victims[MOST_DEVICES];
static guint n_victims;
static char *disks[2];
static char *log_path;

static void restore_pci(struct hostile *h)
{
    struct victim *v =
        (struct victim *)((char *)h - offsetof(struct victim, hostile));

    driver_init_pci(&v->driver, NULL, NULL, v->function, v->bars, h->ram);
    h->registers = v->bars;
    h->register_bytes = 0x8000;
}

static void restore_mmio(struct hostile *h)
{
    driver_init_mmio(h->driver, NULL, NULL, h->registers, h->ram);
}

static void add_victim(uint32_t id, uint64_t registers, uint64_t function)
{
    struct victim *v = &victims[n_victims];

    assert_true(n_victims < MOST_DEVICES);
    v->device_id = id;
    v->function = function;
    v->bars = registers;
    v->hostile = (struct hostile){
        .driver = &v->driver,
        .n_queues = 6,
        .ram = RAM + n_victims++ * SLICE,
        .ram_bytes = SLICE,
        .registers = registers,
        .register_bytes = 0x200,
        .config_space = function,
        .config_bytes = function ? 256 : 0,
        .restore = function ? restore_pci : restore_mmio,
        .seed = any(),
    };
    v->hostile.restore(&v->hostile);
}

static void find_victims(void)
{
    n_victims = 0;
    for (guint i = 0; i < MMIO_SLOTS; i++) {
        uint64_t at = MMIO + i * MMIO_STEP;
        uint32_t id = (uint32_t)in(at + 8, 4);

        if (id)
            add_victim(id, at, 0);
    }
    for (guint i = 0; i < ECAM_FUNCTIONS; i++) {
        uint64_t at = ECAM + ((uint64_t)i << 15);

        if (in(at, 2) == 0x1af4)
            add_victim((uint32_t)in(at + 2, 2) - 0x1040,
                       BARS + i * BARS_STEP, at);
    }
}

static gboolean there_is(uint32_t kind, const char *component)
{
    return tn_registry_find(b.registry, kind, component) != NULL;
}

/* Each virtio device twice, on mmio and on PCI, as far as they are built. */
static char *devices(void)
{
    static const char *const plain[] = {"virtio-rng", "virtio-balloon",
                                        "virtio-console"};
    GString *text = g_string_new(NULL);
    guint n = 0;

    for (guint pci = 0; pci < 2; pci++) {
        if (pci && !there_is(TN_KIND_DEVICE, "virtio-pci"))
            continue;
#define PARENT                                                                 \
    do {                                                                       \
        if (pci)                                                               \
            g_string_append_printf(text,                                       \
                                   "parent = p%u\n[device p%u]\n"              \
                                   "component = virtio-pci\n",                 \
                                   n, n);                                      \
        n++;                                                                   \
    } while (0)
        for (guint i = 0; i < G_N_ELEMENTS(plain); i++) {
            if (!there_is(TN_KIND_DEVICE, plain[i]))
                continue;
            g_string_append_printf(text, "[device d%u]\ncomponent = %s\n", n,
                                   plain[i]);
            if (i == 2)
                g_string_append_printf(text, "ports = char.port%u\n", pci);
            PARENT;
        }
        if (there_is(TN_KIND_DEVICE, "virtio-blk")) {
            g_string_append_printf(text,
                                   "[disk d%u]\nimage = %s\nformat = raw\n"
                                   "device = virtio-blk\n",
                                   n, disks[pci]);
            PARENT;
        }
        if (there_is(TN_KIND_DEVICE, "virtio-net") &&
            there_is(TN_KIND_NET, "user")) {
            g_string_append_printf(text,
                                   "[net d%u]\nbackend = user\n"
                                   "restrict = yes\ndevice = virtio-net\n",
                                   n);
            PARENT;
        }
        g_string_append_printf(text, "[char port%u]\nbackend = null\n", pci);
    }
    return g_string_free(text, FALSE);
}

static void machine_up(const char *aia)
{
    g_autofree char *parts = devices();
    g_autofree char *more =
        g_strdup_printf("[machine]\naia = %s\n%s", aia, parts);
    struct tn_error error = TN_ERROR_INIT;

    build_machine(more);
    for (guint i = 0; i < b.machine->instances->len; i++)
        assert_int_equal(
            instance_start(g_ptr_array_index(b.machine->instances, i), &error),
            0);
    clock_start(b.machine);
    find_victims();
}

static void machine_down(void)
{
    clock_stop(b.machine);
    for (guint i = b.machine->instances->len; i--;)
        instance_stop(g_ptr_array_index(b.machine->instances, i));
    free_machine();
}

static void reset(void)
{
    for (guint i = 0; i < b.machine->instances->len; i++)
        instance_reset(g_ptr_array_index(b.machine->instances, i),
                       below(2) ? TN_RESET_WARM : TN_RESET_COLD);
}

/* ---- registers ---- */

static struct {
    uint64_t start, bytes;
} windows[512];
static guint n_windows;

/* What the map shows now that is not plain memory. */
static void look_at_map(void)
{
    const struct flat_map *map;

    n_windows = 0;
    epoch_enter();
    map = memory_map(&b.machine->memory);
    for (guint i = 0; i < map->n_ranges; i++) {
        const struct flat_range *r = &map->ranges[i];

        if (r->region->kind == REGION_RAM && !(r->flags & RANGE_READ_ONLY))
            continue;
        if (n_windows < G_N_ELEMENTS(windows)) {
            windows[n_windows].start = r->start;
            windows[n_windows++].bytes = r->last - r->start + 1;
        }
    }
    epoch_exit();
    assert_true(n_windows > 0);
}

/* An address in a device: often among its first registers, or at its end. */
static uint64_t device_address(void)
{
    guint w = (guint)below(n_windows);
    uint64_t bytes = windows[w].bytes;
    uint64_t at;

    switch (below(8)) {
    case 0:
        at = below(bytes);
        break;
    case 1:
        at = bytes - 1 - below(MIN(bytes, 16));
        break;
    case 2:
    case 3:
        at = below(MIN(bytes, 0x10000));
        break;
    default:
        at = below(MIN(bytes, 0x100));
    }
    if (below(4))
        at &= ~UINT64_C(3);
    return windows[w].start + at;
}

static uint64_t value(void)
{
    switch (below(6)) {
    case 0:
        return any();
    case 1:
        return UINT64_MAX << below(64);
    case 2: /* an address: of memory, or of a register */
        return below(2) ? SPARE + below(SLICE) : device_address();
    case 3:
        return UINT64_C(1) << below(64);
    default:
        return below(256);
    }
}

static void touch(void)
{
    static const uint32_t sizes[] = {1, 2, 4, 4, 4, 8, 8, 3, 5, 6, 7};
    uint32_t bytes = sizes[below(G_N_ELEMENTS(sizes))];
    uint64_t at = device_address(), ignored;

    if (below(5) < 3)
        host_guestmem.io_write(b.host, at, bytes, value());
    else
        host_guestmem.io_read(b.host, at, bytes, &ignored);
}

/* What a device that masters the bus does to the others. */
static void dma(void)
{
    uint8_t buffer[600];
    uint64_t bytes = 1 + below(sizeof buffer);
    uint64_t at = device_address();

    for (guint i = 0; i < sizeof buffer; i++)
        buffer[i] = (uint8_t)any();
    if (below(2))
        host_memory.dma_write(b.host, at, buffer, bytes);
    else
        host_memory.dma_read(b.host, at, buffer, bytes);
}

/* fw_cfg's DMA: into memory, into devices, into its own registers. */
static void firmware_dma(void)
{
    uint64_t to = below(4)   ? SPARE + below(SLICE)
                  : below(2) ? FW_CFG_DMA - 16 + below(32)
                             : device_address();
    uint32_t descriptor[4] = {
        GUINT32_TO_BE((uint32_t)(below(64) << 16 | below(64))),
        GUINT32_TO_BE((uint32_t)(below(8) ? below(5000) : any())),
        GUINT32_TO_BE((uint32_t)(to >> 32)), GUINT32_TO_BE((uint32_t)to)};
    uint64_t at = below(20) ? SPARE + (below(SLICE) & ~UINT64_C(3))
                            : device_address();

    host_memory.dma_write(b.host, at, descriptor, sizeof descriptor);
    host_guestmem.io_write(b.host, FW_CFG_DMA, 8, GUINT64_TO_BE(at));
}

/* Interrupt files have their registers in the harts' CSRs. */
static void hart_csr(void)
{
    static const char *const names[] = {"miselect", "siselect", "mireg",
                                        "sireg",    "mtopei",   "stopei",
                                        "mvien",    "mvip",     "sie",
                                        "mtopi",    "stopi"};
    const char *name = names[below(G_N_ELEMENTS(names))];
    struct tn_cpu *cpu = b.machine->vcpus.cpus[below(b.machine->vcpus.n)].cpu;
    void *self = b.machine->target_instance->self;
    uint64_t what[8] = {below(2) ? 0x70 + below(0x90) : value()};
    uint32_t bytes = sizeof what[0];

    if (below(2))
        b.machine->target.write_reg(self, cpu, name, what, bytes);
    else
        b.machine->target.read_reg(self, cpu, name, what, &bytes);
}

static void step(void)
{
    switch (below(64)) {
    case 0:
        look_at_map();
        break;
    case 1:
    case 2:
        dma();
        break;
    case 3:
    case 4:
        firmware_dma();
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        if (n_victims)
            hostile_run(&victims[below(n_victims)].hostile, 1 + below(60));
        break;
    case 9:
    case 10:
        hart_csr();
        break;
    default:
        touch();
    }
}

/* ---- is it still a machine? ---- */

static gboolean comes_back(struct driver *d, struct driver_queue *q,
                           const struct driver_buffer *buffers, uint32_t n)
{
    uint32_t id, bytes;

    assert_true(driver_add(d, q, buffers, n, 0) >= 0);
    driver_kick(d, q);
    for (guint i = 0; i < 100000; i++) {
        if (driver_used(d, q, &id, &bytes))
            return TRUE;
        g_usleep(100);
    }
    return FALSE;
}

static void entropy_works(struct victim *v)
{
    struct driver_buffer buffer = {v->hostile.ram + SLICE / 2, 64, 1};

    assert_true(
        comes_back(&v->driver, &v->driver.queue[0], &buffer, 1));
}

static void disk_works(struct victim *v)
{
    uint64_t at = v->hostile.ram + SLICE / 2;
    struct driver_buffer buffers[] = {
        {at, 16, 0}, {at + 4096, 512, 1}, {at + 16, 1, 1}};

    memset(testhost_at(NULL, at, 17), 0, 16);
    *(uint8_t *)testhost_at(NULL, at + 16, 1) = 0xff;
    assert_true(comes_back(&v->driver, &v->driver.queue[0], buffers, 3));
    assert_int_equal(*(uint8_t *)testhost_at(NULL, at + 16, 1), 0);
}

static void still_works(void)
{
    reset();
    find_victims();
    out(UART + 3, 1, 3);
    out(UART + 7, 1, 0x5a);
    assert_int_equal(in(UART + 7, 1), 0x5a);
    for (guint i = 0; i < n_victims; i++) {
        struct victim *v = &victims[i];
        guint waited = 0;

        driver_set_status(&v->driver, 0);
        while (driver_status(&v->driver) && waited++ < 100000)
            g_usleep(100);
        assert_int_equal(driver_status(&v->driver), 0);
        assert_true(driver_start(&v->driver, UINT64_C(1) << 32, 1));
        if (v->device_id == 4)
            entropy_works(v);
        if (v->device_id == 2)
            disk_works(v);
    }
}

static void drive(const char *aia, guint64 accesses)
{
    const char *more = g_getenv("TENON_FUZZ_RUNS");
    const char *first = g_getenv("TENON_FUZZ_SEED");
    guint64 runs = more ? g_ascii_strtoull(more, NULL, 10) : accesses;
    struct stat st;

    if (first)
        seed = g_ascii_strtoull(first, NULL, 0);
    machine_up(aia);
    assert_true(n_victims > 0);
    look_at_map();
    for (guint64 i = 0; i < runs; i++) {
        step();
        if (i % 20000 == 19999) {
            still_works();
            find_victims();
            look_at_map();
        }
    }
    still_works();
    machine_down();
    /* It was noticed, and the guest could not make it say too much. */
    assert_int_equal(stat(log_path, &st), 0);
    assert_true(st.st_size > 0);
    assert_true(st.st_size < 16 << 20);
    print_message("%" G_GUINT64_FORMAT " accesses, %u virtio devices, "
                  "%ld bytes logged\n",
                  runs, n_victims, (long)st.st_size);
}

static void random_drivers_are_harmless(void **state)
{
    (void)state;
    drive("none", RUNS);
}

static void also_with_advanced_interrupts(void **state)
{
    (void)state;
    if (!there_is(TN_KIND_DEVICE, "aplic") ||
        !there_is(TN_KIND_DEVICE, "imsic")) {
        print_message("skipped: irq-aplic and irq-imsic are not built\n");
        skip();
    }
    drive("aplic-imsic", RUNS / 3);
    drive("aplic", RUNS / 6);
}

static int setup(void **state)
{
    int fd = g_file_open_tmp("tenon-fuzz-XXXXXX.log", &log_path, NULL);

    assert_true(fd >= 0);
    tn_log_set_fd(fd);
    tn_net_register();
    tn_block_register();
    for (guint i = 0; i < G_N_ELEMENTS(disks); i++) {
        int disk = g_file_open_tmp("tenon-fuzz-XXXXXX.raw", &disks[i], NULL);

        assert_true(disk >= 0);
        assert_int_equal(ftruncate(disk, DISK_BYTES), 0);
        close(disk);
    }
    alarm(g_getenv("TENON_FUZZ_RUNS") ? 0 : ENOUGH_SECONDS);
    return board_setup(state);
}

static int teardown(void **state)
{
    tn_log_set_fd(-1);
    g_unlink(log_path);
    g_free(log_path);
    for (guint i = 0; i < G_N_ELEMENTS(disks); i++) {
        g_unlink(disks[i]);
        g_free(disks[i]);
    }
    return board_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_drivers_are_harmless),
        cmocka_unit_test(also_with_advanced_interrupts),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
