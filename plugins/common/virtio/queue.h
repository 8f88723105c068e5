/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: what device.c needs of queue.c. */
#ifndef TENON_COMMON_VIRTIO_QUEUE_H
#define TENON_COMMON_VIRTIO_QUEUE_H

#include "virtio/device.h"

/* To the state after a reset; chains that are out are dropped. */
void virtio_queue_clear(struct virtqueue *queue);

/* The transport interface's queue calls. */
uint32_t virtio_is_ready(struct tn_virtio *virtio, uint32_t index);
struct tn_virtio_chain *virtio_pop(struct tn_virtio *virtio, uint32_t index);
void virtio_unpop(struct tn_virtio *virtio, struct tn_virtio_chain *pub);
uint32_t virtio_available(struct tn_virtio *virtio, uint32_t index,
                          uint32_t most);
void virtio_push(struct tn_virtio *virtio, struct tn_virtio_chain *pub,
                 uint64_t written);
void virtio_flush(struct tn_virtio *virtio, uint32_t index);
uint64_t virtio_in_address(struct tn_virtio *virtio,
                           const struct tn_virtio_chain *pub, uint32_t piece);

#endif
