/* SPDX-License-Identifier: Apache-2.0 */
/* The test host's network: what was sent is kept, what is to be received is
 * given by the test. */
#ifndef TENON_TESTHOST_NET_H
#define TENON_TESTHOST_NET_H

#include <tenon/net.h>

#include "testhost/testhost.h"

struct test_net {
    struct tn_net_info info; /* set by the test */
    /* The frame sent last, its bytes copied. */
    struct tn_net_frame last;
    uint8_t bytes[TN_NET_MAX_FRAME];
    uint32_t n_bytes;
    uint32_t last_queue;
    uint32_t sent;
    uint32_t busy; /* send() says 0 */
    uint32_t offloads, queues, active, accepted;
    struct tn_net_port *port;
};

void testhost_net(struct testhost *machine, struct test_net *net);
/* A frame for the guest; returns what receive() did. */
uint32_t testhost_net_receive(struct test_net *net, uint32_t queue,
                              const struct tn_net_frame *frame);
void testhost_net_writable(struct test_net *net, uint32_t queue);
void testhost_net_link(struct test_net *net, uint32_t up);

#endif
