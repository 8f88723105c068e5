/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over PCI, the modern interface only: virtio 1.2 section 4.1. Life and
 * saved state of the transport. The function appears on its bus when a device
 * attaches; without one the slot is empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tree.h>

#include "virtio-pci.h"

static int32_t vp_create(struct tn_host *host, void **self)
{
    struct virtio_pci *vp = calloc(1, sizeof *vp);

    if (!vp)
        return -ENOMEM;
    vp->host = host;
    *self = vp;
    return 0;
}

static int32_t vp_configure(void *self, struct tn_error *error)
{
    struct virtio_pci *vp = self;
    const struct tn_props *props = tn_service(vp->host, TN_HOST_PROPS);

    (void)error;
    vp->vectors = (uint32_t)props->get_uint(vp->host, "vectors");
    return 0;
}

/* ---- regions ---- */

static void free_regions(struct virtio_pci *vp)
{
    struct tn_region **all[] = {&vp->notify,     &vp->device, &vp->isr_region,
                                &vp->common,     &vp->bar0,   &vp->msix_pending,
                                &vp->msix_table, &vp->bar2};

    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (*all[i])
            vp->memory->free_region(vp->host, *all[i]);
        *all[i] = NULL;
    }
}

/* A part of BAR at OFFSET. */
static struct tn_region *add_part(struct virtio_pci *vp, const char *name,
                                  struct tn_region *bar, uint64_t offset,
                                  uint64_t bytes,
                                  const struct tn_region_ops *ops)
{
    struct tn_region *region =
        vp->memory->new_mmio(vp->host, name, bytes, ops, vp);

    if (region)
        vp->memory->map(vp->host, region, bar, offset, 0);
    return region;
}

static int32_t make_regions(struct virtio_pci *vp)
{
    const struct tn_memory *m = vp->memory;

    vp->bar0 = m->new_container(vp->host, "virtio-pci", REGISTERS_BYTES);
    vp->bar2 = m->new_container(vp->host, "virtio-msix", MSIX_BYTES);
    if (!vp->bar0 || !vp->bar2)
        return -ENOMEM;
    vp->common =
        add_part(vp, "common", vp->bar0, COMMON_AT, COMMON_BYTES, &common_ops);
    vp->isr_region = add_part(vp, "isr", vp->bar0, ISR_AT, ISR_BYTES, &isr_ops);
    vp->device =
        add_part(vp, "device", vp->bar0, DEVICE_AT, DEVICE_BYTES, &device_ops);
    vp->notify =
        add_part(vp, "notify", vp->bar0, NOTIFY_AT, NOTIFY_BYTES, &notify_ops);
    vp->msix_table =
        add_part(vp, "msix-table", vp->bar2, MSIX_TABLE_AT,
                 PCI_MSIX_VECTORS * PCI_MSIX_ENTRY_BYTES, &msix_table_ops);
    vp->msix_pending = add_part(vp, "msix-pending", vp->bar2, MSIX_PENDING_AT,
                                PCI_MSIX_VECTORS / 8, &msix_pending_ops);
    return vp->common && vp->isr_region && vp->device && vp->notify &&
                   vp->msix_table && vp->msix_pending
               ? 0
               : -ENOMEM;
}

/* ---- a device comes and goes ---- */

static int32_t attached(void *transport, uint32_t is_attached,
                        struct tn_error *error)
{
    struct virtio_pci *vp = transport;
    const struct tn_tree *tree = tn_service(vp->host, TN_HOST_TREE);
    struct tn_peer *parent = tree ? tree->parent(vp->host) : NULL;
    const struct tn_pci_bus *bus = NULL;
    struct tn_pci_slot *slot;
    void *bus_self = NULL;
    int32_t place = tree ? tree->slot(vp->host) : -1;

    if (!is_attached) {
        pci_config_detach(&vp->pci);
        return 0;
    }
    if (parent)
        bus = tree->interface_(vp->host, parent, TN_PCI_BUS, &bus_self);
    if (!bus)
        return tn_fail(vp->host, error, -ENODEV, "it sits on no PCI bus");
    virtio_pci_build(vp);
    slot = bus->attach(bus_self, &virtio_pci_function, vp, vp->host,
                       place < 0 ? TN_PCI_ANY_DEVFN : TN_PCI_DEVFN(place, 0),
                       error);
    if (!slot)
        return -ENODEV;
    pci_config_attached(&vp->pci, bus, slot);
    return 0;
}

static const struct virtio_wires wires = {
    .queue_interrupt = virtio_pci_queue_interrupt,
    .config_interrupt = virtio_pci_config_interrupt,
    .attached = attached,
};

/* ---- life ---- */

static int32_t vp_realize(void *self, struct tn_error *error)
{
    struct virtio_pci *vp = self;
    int32_t rc;

    vp->memory = tn_service(vp->host, TN_HOST_MEMORY);
    rc = virtio_init(&vp->virtio, vp->host, &wires, vp, VIRTIO_RING_FEATURES,
                     error);
    if (rc)
        return rc;
    rc = make_regions(vp);
    if (rc) {
        free_regions(vp);
        virtio_fini(&vp->virtio);
        return tn_fail(vp->host, error, rc, "cannot make its regions");
    }
    return 0;
}

static void vp_unrealize(void *self)
{
    struct virtio_pci *vp = self;

    pci_config_detach(&vp->pci);
    free_regions(vp);
    virtio_fini(&vp->virtio);
}

static void vp_reset(void *self, uint32_t kind)
{
    struct virtio_pci *vp = self;

    (void)kind;
    virtio_reset(&vp->virtio);
    if (vp->virtio.self)
        pci_config_reset(&vp->pci);
    virtio_pci_clear(vp);
}

static int32_t vp_start(void *self, struct tn_error *error)
{
    struct virtio_pci *vp = self;

    (void)error;
    virtio_start(&vp->virtio);
    return 0;
}

static void vp_stop(void *self)
{
    struct virtio_pci *vp = self;

    virtio_stop(&vp->virtio);
}

static const struct tn_field fields[] = {
    VIRTIO_STATE(struct virtio_pci, virtio),
    PCI_STATE(struct virtio_pci, pci),
    TN_FIELD(TN_FIELD_UINT, struct virtio_pci, isr, 1),
    TN_FIELD(TN_FIELD_UINT, struct virtio_pci, config_vector, 1),
    TN_FIELD(TN_FIELD_UINT, struct virtio_pci, device_feature_select, 1),
    TN_FIELD(TN_FIELD_UINT, struct virtio_pci, driver_feature_select, 1),
    TN_FIELD(TN_FIELD_UINT, struct virtio_pci, queue_select, 1),
};

static int32_t vp_loaded(void *self, uint32_t version, struct tn_error *error)
{
    struct virtio_pci *vp = self;
    int32_t rc;

    (void)version;
    if (!vp->virtio.self)
        return 0;
    pci_config_loaded(&vp->pci);
    rc = virtio_loaded(&vp->virtio, error);
    if (!rc)
        virtio_pci_update_intx(vp);
    return rc;
}

static const struct tn_state state = {
    .size = sizeof(struct tn_state),
    .version = 1,
    .oldest = 1,
    .n_fields = sizeof fields / sizeof fields[0],
    .field_size = sizeof(struct tn_field),
    .fields = fields,
    .loaded = vp_loaded,
};

static const void *vp_interface(void *self, const char *id)
{
    (void)self;
    if (!strcmp(id, TN_VIRTIO_TRANSPORT))
        return &virtio_transport_table;
    if (!strcmp(id, TN_STATE))
        return &state;
    return NULL;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "bus-virtio-pci",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "PCI transport of virtio devices"},
};

TN_COMPONENT_INFO(vp_info, 1) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, vp_info),
    .info = {TN_COMPONENT_INFO_DEVICE(1),
             .flags = TN_COMPONENT_SAVES, .id = "virtio-pci", .bus = "pci",
             .provides = "virtio",
             .summary = "PCI function that carries one virtio device"},
    .properties = {{.name = "vectors",
                    .type = TN_PROP_UINT,
                    .default_value = "129",
                    .minimum = "0",
                    .maximum = "129",
                    .doc = "Most MSI-X vectors; 0 leaves only INTx"}},
};

static const struct tn_component_ops vp_ops = {
    .size = sizeof(struct tn_component_ops),
    .create = vp_create,
    .destroy = free,
    .configure = vp_configure,
    .realize = vp_realize,
    .unrealize = vp_unrealize,
    .reset = vp_reset,
    .start = vp_start,
    .stop = vp_stop,
    .get_interface = vp_interface,
};

TN_COMPONENT(virtio_pci, vp_info, vp_ops);
TN_PLUGIN_ENTRY(plugin_info, &virtio_pci)
