/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI function: identity, capabilities (virtio 1.2 sections 4.1.2 and
 * 4.1.4), access to BAR 0 through configuration space (4.1.4.9).
 */
#include "virtio-pci.h"

#define VENDOR 0x1af4u
#define DEVICE_ID_BASE 0x1040u
#define REVISION 1u /* not transitional */

/* struct virtio_pci_cap. */
#define CAP_LENGTH 2u
#define CAP_TYPE 3u
#define CAP_BAR 4u
#define CAP_OFFSET 8u
#define CAP_BYTES 12u
#define CAP_SIZE 16u
#define CAP_MULTIPLIER 16u /* of the notification capability */
#define CAP_DATA 16u       /* of the PCI_CFG capability */

#define TYPE_COMMON 1u
#define TYPE_NOTIFY 2u
#define TYPE_ISR 3u
#define TYPE_DEVICE 4u
#define TYPE_PCI_CFG 5u

static uint32_t capability(struct virtio_pci *vp, uint32_t type,
                           uint32_t offset, uint32_t bytes, uint32_t extra)
{
    uint8_t *data = vp->pci.data;
    uint32_t at = pci_config_capability(&vp->pci, PCI_CAPABILITY_VENDOR,
                                        CAP_SIZE + extra);

    data[at + CAP_LENGTH] = (uint8_t)(CAP_SIZE + extra);
    data[at + CAP_TYPE] = (uint8_t)type;
    data[at + CAP_BAR] = REGISTERS_BAR;
    pci_put(data, at + CAP_OFFSET, offset, 4);
    pci_put(data, at + CAP_BYTES, bytes, 4);
    return at;
}

static uint32_t vectors(const struct virtio_pci *vp)
{
    /* One for each queue and one for changes of configuration. */
    uint32_t wanted = vp->virtio.n_queues + 1;

    return wanted < vp->vectors ? wanted : vp->vectors;
}

void virtio_pci_build(struct virtio_pci *vp)
{
    const struct tn_virtio_device *device = &vp->virtio.device;
    const struct pci_identity identity = {
        .vendor = VENDOR,
        .device = (uint16_t)(DEVICE_ID_BASE + device->device_id),
        .subsystem_vendor = VENDOR,
        .subsystem = (uint16_t)(DEVICE_ID_BASE + device->device_id),
        .class_code = device->pci_class,
        .revision = REVISION,
        .interrupt_pin = 1,
    };
    uint32_t at;

    pci_config_init(&vp->pci, &identity);
    pci_config_bar(&vp->pci, REGISTERS_BAR, vp->bar0, REGISTERS_BYTES,
                   PCI_BAR_64);
    capability(vp, TYPE_COMMON, COMMON_AT, COMMON_BYTES, 0);
    capability(vp, TYPE_ISR, ISR_AT, ISR_BYTES, 0);
    capability(vp, TYPE_DEVICE, DEVICE_AT, DEVICE_BYTES, 0);
    at = capability(vp, TYPE_NOTIFY, NOTIFY_AT, NOTIFY_BYTES, 4);
    pci_put(vp->pci.data, at + CAP_MULTIPLIER, NOTIFY_MULTIPLIER, 4);
    at = capability(vp, TYPE_PCI_CFG, 0, 0, 4);
    vp->window = at;
    vp->pci.writable[at + CAP_BAR] = 0xff;
    pci_put(vp->pci.writable, at + CAP_OFFSET, UINT32_MAX, 4);
    pci_put(vp->pci.writable, at + CAP_BYTES, UINT32_MAX, 4);
    if (!vectors(vp))
        return;
    pci_config_bar(&vp->pci, MSIX_BAR, vp->bar2, MSIX_BYTES, 0);
    pci_config_msix(&vp->pci, vectors(vp), MSIX_BAR, MSIX_TABLE_AT,
                    MSIX_PENDING_AT);
}

/* Does the PCI_CFG capability name an access that can be made? */
static uint32_t window_access(const struct virtio_pci *vp, uint32_t *offset,
                              uint32_t *bytes)
{
    *offset = pci_get32(&vp->pci, vp->window + CAP_OFFSET);
    *bytes = pci_get32(&vp->pci, vp->window + CAP_BYTES);
    if (vp->pci.data[vp->window + CAP_BAR] != REGISTERS_BAR)
        return 0;
    if (*bytes != 1 && *bytes != 2 && *bytes != 4)
        return 0;
    return *offset < REGISTERS_BYTES && !(*offset & (*bytes - 1));
}

static uint32_t touches_window(const struct virtio_pci *vp, uint32_t offset)
{
    return vp->virtio.self && offset >= vp->window + CAP_DATA &&
           offset < vp->window + CAP_DATA + 4;
}

static uint32_t config_read(void *self, uint32_t offset, uint32_t bytes)
{
    struct virtio_pci *vp = self;
    uint32_t at;
    uint32_t width;

    if (touches_window(vp, offset) && window_access(vp, &at, &width))
        pci_put(vp->pci.data, vp->window + CAP_DATA,
                registers_read(vp, at, width), 4);
    return pci_config_read(&vp->pci, offset, bytes);
}

static void config_write(void *self, uint32_t offset, uint32_t value,
                         uint32_t bytes)
{
    struct virtio_pci *vp = self;
    uint32_t at;
    uint32_t width;

    pci_config_write(&vp->pci, offset, value, bytes);
    if (touches_window(vp, offset) && window_access(vp, &at, &width))
        registers_write(vp, at, value, width);
}

const struct tn_pci_function virtio_pci_function = {
    .size = sizeof(struct tn_pci_function),
    .config_read = config_read,
    .config_write = config_write,
};
