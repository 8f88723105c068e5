/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PCI host bridge with ECAM, as Linux's pci-host-ecam-generic drives it: one
 * root bus, windows for memory and I/O, four interrupt lines. Life and saved
 * state; bus.c has what the guest and the functions see.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/state.h>

#include "host.h"

#define BUS_BYTES ((uint64_t)1 << 20) /* of ECAM */
#define IO_SPACE_BYTES ((uint64_t)1 << 16)

static const char *const size_names[REGIONS] = {
    [ECAM] = "ecam-size",
    [MMIO32] = "mmio32-size",
    [MMIO64] = "mmio64-size",
    [PIO] = "pio-size",
};

static int32_t ecam_create(struct tn_host *host, void **self)
{
    struct bridge *bridge = calloc(1, sizeof *bridge);

    if (!bridge)
        return -ENOMEM;
    bridge->host = host;
    pthread_mutex_init(&bridge->intx_lock, NULL);
    *self = bridge;
    return 0;
}

static void ecam_destroy(void *self)
{
    struct bridge *bridge = self;

    pthread_mutex_destroy(&bridge->intx_lock);
    free(bridge);
}

static int32_t ecam_configure(void *self, struct tn_error *error)
{
    struct bridge *bridge = self;
    const struct tn_props *props = tn_service(bridge->host, TN_HOST_PROPS);

    for (uint32_t i = 0; i < REGIONS; i++)
        bridge->window[i].bytes = props->get_uint(bridge->host, size_names[i]);
    bridge->msi_parent = props->get_string(bridge->host, "msi-parent");
    if (bridge->window[ECAM].bytes % BUS_BYTES)
        return tn_fail(bridge->host, error, -EINVAL,
                       "ecam-size: a bus takes 1M");
    bridge->buses = (uint32_t)(bridge->window[ECAM].bytes / BUS_BYTES);
    return 0;
}

/* The window onto space SPACE that the board puts at region INDEX. Memory is
 * seen by the guest at the address that functions use too. */
static int32_t make_window(struct bridge *bridge, uint32_t index,
                           uint32_t space)
{
    struct window *w = &bridge->window[index];
    uint64_t bytes = 0;
    uint64_t from;

    if (bridge->memory->region_address(bridge->host, index, &w->address,
                                       &bytes))
        return 0; /* not on this board */
    from = space == TN_PCI_MEMORY ? w->address : 0;
    w->region = bridge->memory->new_alias(bridge->host, size_names[index],
                                          bridge->space[space], from, w->bytes);
    return w->region ? 0 : -ENOMEM;
}

static int32_t make_regions(struct bridge *bridge)
{
    const struct tn_memory *m = bridge->memory;
    struct tn_host *host = bridge->host;
    uint64_t bytes = 0;
    int32_t rc = 0;

    bridge->space[TN_PCI_MEMORY] = m->new_container(host, "pci-memory", 0);
    bridge->space[TN_PCI_IO] = m->new_container(host, "pci-io", IO_SPACE_BYTES);
    bridge->window[ECAM].region = m->new_mmio(
        host, "ecam", bridge->window[ECAM].bytes, &ecam_ops, bridge);
    if (!bridge->space[0] || !bridge->space[1] || !bridge->window[ECAM].region)
        return -ENOMEM;
    m->region_address(host, ECAM, &bridge->window[ECAM].address, &bytes);
    rc = make_window(bridge, MMIO32, TN_PCI_MEMORY);
    if (!rc)
        rc = make_window(bridge, MMIO64, TN_PCI_MEMORY);
    if (!rc)
        rc = make_window(bridge, PIO, TN_PCI_IO);
    return rc;
}

static void ecam_unrealize(void *self)
{
    struct bridge *bridge = self;

    for (uint32_t i = 0; i < REGIONS; i++) {
        if (bridge->window[i].region)
            bridge->memory->free_region(bridge->host, bridge->window[i].region);
        bridge->window[i].region = NULL;
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (bridge->space[i])
            bridge->memory->free_region(bridge->host, bridge->space[i]);
        bridge->space[i] = NULL;
    }
}

static int32_t ecam_realize(void *self, struct tn_error *error)
{
    struct bridge *bridge = self;

    bridge->memory = tn_service(bridge->host, TN_HOST_MEMORY);
    bridge->irqs = tn_service(bridge->host, TN_HOST_IRQ);
    bridge->tree = tn_service(bridge->host, TN_HOST_TREE);
    if (!bridge->memory || !bridge->irqs || !bridge->tree)
        return tn_fail(bridge->host, error, -ENOTSUP,
                       "the host lacks a service");
    for (uint32_t i = 0; i < PINS; i++)
        bridge->irq[i] = bridge->irqs->output(bridge->host, i);
    if (make_regions(bridge)) {
        ecam_unrealize(bridge);
        return tn_fail(bridge->host, error, -EINVAL, "cannot make its regions");
    }
    return 0;
}

/* All it has, the wiring and who drives which pin, follows from elsewhere:
 * functions drive their pins again when they are loaded. */
static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .field_size = sizeof(struct tn_field),
};

static const void *ecam_interface(void *self, const char *id)
{
    (void)self;
    if (!strcmp(id, TN_PCI_BUS))
        return &ecam_bus;
    if (!strcmp(id, TN_FDT_NODE))
        return &ecam_node;
    if (!strcmp(id, TN_STATE))
        return &state;
    return NULL;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "bus-pci-ecam",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "PCI host bridge with memory-mapped configuration"},
};

#define SIZE_PROPERTY(name_, default_, doc_)                                   \
    {                                                                          \
        .name = name_, .type = TN_PROP_SIZE, .default_value = default_,        \
        .unit = "bytes", .doc = doc_                                           \
    }

TN_COMPONENT_INFO(ecam_info, 5) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, ecam_info),
    .info = {TN_COMPONENT_INFO_DEVICE(5),
             .flags = TN_COMPONENT_MULTI_SLOT | TN_COMPONENT_SAVES,
             .id = "pci-ecam", .provides = "pci",
             .summary = "PCI host bridge (pci-host-ecam-generic)"},
    .properties =
        {SIZE_PROPERTY("ecam-size", "256M",
                       "Configuration space: 1M a bus; the first address"),
         SIZE_PROPERTY("mmio32-size", "1G",
                       "Window below 4G; the second address"),
         SIZE_PROPERTY("mmio64-size", "16G",
                       "Window above 4G; the third address"),
         SIZE_PROPERTY("pio-size", "64K",
                       "I/O window, seen as memory; the fourth address"),
         {.name = "msi-parent",
          .type = TN_PROP_REF,
          .doc = "Controller that takes message-signalled interrupts"}},
};

static const struct tn_component_ops ecam_component_ops = {
    .size = sizeof(struct tn_component_ops),
    .create = ecam_create,
    .destroy = ecam_destroy,
    .configure = ecam_configure,
    .realize = ecam_realize,
    .unrealize = ecam_unrealize,
    .get_interface = ecam_interface,
};

TN_COMPONENT(pci_ecam, ecam_info, ecam_component_ops);
TN_PLUGIN_ENTRY(plugin_info, &pci_ecam)
