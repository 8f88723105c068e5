/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines of made-up components, for tests: no files, no plugins.
 */
#ifndef TENON_CORE_MACHINE_MACHINE_TEST_H
#define TENON_CORE_MACHINE_MACHINE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/machine/machine-private.h"

/* A component under test: its callbacks get a struct fake as SELF. */
struct fake {
    const char *id;
    uint32_t kind;  /* 0: TN_KIND_DEVICE */
    uint32_t flags; /* TN_COMPONENT_* */
    int32_t (*configure)(void *self, struct tn_error *error);
    int32_t (*realize)(void *self, struct tn_error *error);
    void (*unrealize)(void *self);
    void (*reset)(void *self, uint32_t kind);
    int32_t (*start)(void *self, struct tn_error *error);
    void (*stop)(void *self);
    const void *(*get_interface)(void *self, const char *id);
    uint64_t address; /* of its first region; 0: not mapped by the board */
    const char *parent;
    void *data; /* the test's */
    /* Set by create(). */
    struct tn_host *host;
};

/* A description of FAKES; freed with test_desc_free(). */
struct tn_machine_desc *test_desc(struct fake *fakes, guint n, uint64_t memory);
void test_desc_free(struct tn_machine_desc *desc);
/* A machine of one device, whose host is returned; ends with test_end(). */
struct tn_machine *test_machine(struct fake *fakes, guint n, uint64_t memory);
void test_end(struct tn_machine *machine);

/* A target and an accelerator whose vCPUs do nothing but count. */
extern struct fake fake_target;
void test_add_cpus(struct tn_machine_desc *desc, guint n);
extern atomic_uint fake_runs;    /* times run() was entered */
extern atomic_uint fake_running; /* vCPUs in it now */
extern atomic_uint fake_code_writes;

#endif
