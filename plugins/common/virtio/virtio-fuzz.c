/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every virtio device on either transport against a driver that does what the
 * input says. As a libFuzzer target (make plugins/common/virtio/virtio-fuzz
 * CC=clang) the input is the fuzzer's; as a test (virtio-hostile-test) it is
 * pseudo-random with a fixed seed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testhost/block.h"
#include "testhost/char.h"
#include "testhost/net.h"
#include "testhost/virtio-hostile.h"

#define RAM 0x80000000u
#define RAM_BYTES (16u << 20)
#define MMIO 0x10001000u
#define ECAM 0x30000000u
#define FUNCTION (ECAM + (1u << 15))
#define BARS 0x40000000u
#define BAR0_BYTES 0x4000u
#define DISK_BYTES (256u << 10)

struct kind {
    const char *plugin;
    const char *component;
    uint32_t n_queues;
    const char *props[4];
};

static const struct kind kinds[] = {
    {"dev-virtio-rng", "virtio-rng", 1, {"rate=10M"}},
    {"dev-virtio-blk", "virtio-blk", 2, {NULL}},
    {"dev-virtio-net", "virtio-net", 5, {NULL}},
    {"dev-virtio-console",
     "virtio-console",
     8,
     {"ports=char.a,char.b", "names=a"}},
    {"dev-virtio-balloon", "virtio-balloon", 4, {"stats-interval=1s"}},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct rig {
    struct testhost *machine;
    struct test_disk disk;
    struct test_net net;
    struct test_chars chars;
    struct test_instance *bus;
    struct driver driver;
    struct hostile hostile;
};

static void restore_pci(struct hostile *h)
{
    struct rig *rig = (struct rig *)((char *)h - offsetof(struct rig, hostile));

    driver_init_pci(&rig->driver, rig->machine, rig->bus, FUNCTION, BARS, RAM);
}

static struct test_instance *make_pci(struct rig *rig)
{
    static const uint64_t addresses[] = {ECAM, BARS};
    struct test_instance *bridge = testhost_add(rig->machine, "bus-pci-ecam",
                                                "pci-ecam", "pci", NULL, NULL);

    testhost_addresses(bridge, addresses, 2);
    if (testhost_realize(bridge, 0))
        abort();
    return testhost_add(rig->machine, "bus-virtio-pci", "virtio-pci", "virtio0",
                        bridge, NULL);
}

static void begin(struct rig *rig, const struct kind *kind, uint32_t pci)
{
    struct test_instance *device;

    memset(rig, 0, sizeof *rig);
    rig->machine = testhost_new();
    testhost_ram(rig->machine, RAM, RAM_BYTES);
    rig->disk =
        (struct test_disk){.content = calloc(1, DISK_BYTES),
                           .bytes = DISK_BYTES,
                           .flags = TN_DISK_WRITEBACK | TN_DISK_CAN_DISCARD,
                           .shuffle = 1};
    rig->net.info = (struct tn_net_info){
        .size = sizeof rig->net.info, .link = 1, .mtu = 1500, .queues = 2};
    testhost_disk(rig->machine, &rig->disk);
    testhost_net(rig->machine, &rig->net);
    testhost_chars(rig->machine, &rig->chars);
    rig->bus = pci ? make_pci(rig)
                   : testhost_add(rig->machine, "bus-virtio-mmio",
                                  "virtio-mmio", "virtio0", NULL, NULL);
    if (!rig->bus || testhost_realize(rig->bus, pci ? 0 : MMIO))
        abort();
    device = testhost_add(rig->machine, kind->plugin, kind->component, "device",
                          rig->bus, kind->props);
    if (!device || testhost_realize(device, 0))
        abort();
    testhost_reset(rig->machine);
    testhost_start(rig->machine);
    rig->hostile = (struct hostile){
        .driver = &rig->driver,
        .n_queues = kind->n_queues,
        .ram = RAM,
        .ram_bytes = RAM_BYTES,
        .registers = pci ? BARS : MMIO,
        .register_bytes = pci ? BAR0_BYTES + 0x2000 : 0x200,
        .config_space = FUNCTION,
        .config_bytes = pci ? 256 : 0,
        .restore = pci ? restore_pci : NULL,
    };
    if (pci)
        restore_pci(&rig->hostile);
    else
        driver_init_mmio(&rig->driver, rig->machine, rig->bus, MMIO, RAM);
}

/* What the other side does meanwhile. */
static void outside(struct rig *rig, uint32_t round)
{
    static uint8_t bytes[3000];
    struct tn_iovec iov = {bytes, 64 + round % 2900};
    struct tn_net_frame frame = {.size = sizeof frame, .n_iov = 1, .iov = &iov};

    if (rig->net.port)
        testhost_net_receive(&rig->net, round % 2, &frame);
    for (uint32_t i = 0; i < rig->chars.n && i < TEST_CHARS; i++)
        testhost_char_receive(&rig->chars.stream[i], bytes, round % 100);
    rig->disk.fail_next = round % 7 == 0;
}

static void end(struct rig *rig)
{
    testhost_reset(rig->machine);
    testhost_free(rig->machine);
    free(rig->disk.content);
}

#ifdef TN_FUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct rig rig;

    if (bytes < 2)
        return 0;
    begin(&rig, &kinds[data[0] % KINDS], data[1] & 1);
    for (size_t at = 2; at < bytes; at += 64) {
        hostile_replay(&rig.hostile, data + at,
                       bytes - at < 64 ? bytes - at : 64);
        outside(&rig, data[at]);
    }
    end(&rig);
    return 0;
}

#else

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 50000;
    static struct rig rig;

    for (uint32_t i = 0; i < 2 * KINDS; i++) {
        uint32_t errors;

        begin(&rig, &kinds[i / 2], i & 1);
        rig.hostile.seed = 77 + i;
        for (uint64_t done = 0; done < operations; done += 250) {
            hostile_run(&rig.hostile, 250);
            outside(&rig, (uint32_t)(done / 250));
        }
        errors = testhost_guest_errors(rig.machine);
        printf("%s on %s: %llu operations, %u errors logged\n",
               kinds[i / 2].component, i & 1 ? "PCI" : "mmio",
               (unsigned long long)operations, errors);
        /* A hostile driver that was never noticed was none. */
        if (!errors)
            return 1;
        end(&rig);
    }
    return 0;
}

#endif
