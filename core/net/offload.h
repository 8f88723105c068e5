/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network card does for a driver, done in software: filling in
 * checksums (RFC 1071) and cutting TCP streams and UDP datagrams in segments.
 */
#ifndef TENON_CORE_NET_OFFLOAD_H
#define TENON_CORE_NET_OFFLOAD_H

#include "core/net/packet.h"

/* Can a receiver with OFFLOADS (TN_NET_*) take FRAME as it is? */
gboolean offload_can_take(const struct tn_net_frame *frame, uint32_t offloads);
/* Complete PACKET, which it consumes, for a receiver with OFFLOADS: frames
 * that it can take are appended to OUT. FALSE: the frame was malformed and is
 * gone. */
gboolean offload_complete(struct packet *packet, uint32_t offloads,
                          struct packet_queue *out);

/* The ones' complement sum of BYTES at DATA added to SUM, not folded; DATA
 * begins at an even offset of what is summed. Network byte order. */
uint64_t checksum_add(uint64_t sum, const uint8_t *data, uint32_t bytes);
/* Folded and complemented, as it stands in a header. */
uint16_t checksum_finish(uint64_t sum);

#endif
