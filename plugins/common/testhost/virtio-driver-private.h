/* SPDX-License-Identifier: Apache-2.0 */
/* The test driver's insides. */
#ifndef TENON_TESTHOST_VIRTIO_DRIVER_PRIVATE_H
#define TENON_TESTHOST_VIRTIO_DRIVER_PRIVATE_H

#include "testhost/virtio-driver.h"

#define DRIVER_TABLE 16u /* entries of an indirect table */

struct driver_transport {
    uint32_t (*feature)(struct driver *d, uint32_t word);
    void (*set_feature)(struct driver *d, uint32_t word, uint32_t value);
    uint32_t (*status)(struct driver *d);
    void (*set_status)(struct driver *d, uint32_t status);
    uint32_t (*queue_max)(struct driver *d, uint32_t index);
    void (*enable)(struct driver *d, struct driver_queue *q);
    void (*reset_queue)(struct driver *d, uint32_t index);
    void (*notify)(struct driver *d, uint32_t index);
    uint32_t (*isr)(struct driver *d);
};

#endif
