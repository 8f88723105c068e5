/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The APLIC's instance, shared by its files: a root domain of machine level
 * and, unless it is M alone, one child of supervisor level.
 */
#ifndef TENON_APLIC_H
#define TENON_APLIC_H

#include <pthread.h>

#include <tenon/irq.h>
#include <tenon/memory.h>
#include <tenon/state.h>
#include <tenon/tree.h>

#define MAX_SOURCES 1024u /* source 0 does not exist */
#define WORDS (MAX_SOURCES / 32)
#define MAX_HARTS 512u
#define MAX_DOMAINS 2u
enum { ROOT, CHILD };

/* domaincfg */
#define DOMAIN_CONSTANT 0x80000000u
#define DOMAIN_IE 0x100u
#define DOMAIN_DM 0x4u /* MSI delivery mode */

/* sourcecfg */
#define SOURCE_D 0x400u /* delegated to child 0 */
#define MODE_INACTIVE 0u
#define MODE_DETACHED 1u
#define MODE_EDGE1 4u
#define MODE_EDGE0 5u
#define MODE_LEVEL1 6u
#define MODE_LEVEL0 7u

/* target */
#define TARGET_HART_SHIFT 18
#define TARGET_HART 0x3fffu
#define TARGET_EIID 0x7ffu
#define TARGET_PRIORITY 0xffu

struct aplic;

struct domain {
    struct aplic *aplic;
    uint32_t index;
    struct tn_region *region;
    struct tn_irq *line[MAX_HARTS]; /* NULL: not for direct delivery */
    uint32_t config; /* IE and DM */
    uint32_t source[MAX_SOURCES];
    uint32_t target[MAX_SOURCES];
    uint32_t pending[WORDS];
    uint32_t enable[WORDS];
    /* Interrupt delivery control, by hart. */
    uint32_t delivery[MAX_HARTS];
    uint32_t force[MAX_HARTS];
    uint32_t threshold[MAX_HARTS];
};

/* mmsiaddrcfg, mmsiaddrcfgh, smsiaddrcfg, smsiaddrcfgh */
enum { MMSI, MMSIH, SMSI, SMSIH, MSI_REGISTERS };

/* A message to be sent when the lock is free. */
struct message {
    uint64_t address;
    uint32_t data;
};

struct aplic {
    struct tn_host *host;
    const struct tn_irqs *irqs;
    const struct tn_memory *memory;
    const char *imsic; /* instance that takes messages, "": none */
    uint32_t n_sources; /* highest + 1 */
    uint32_t n_harts;
    uint32_t n_domains;
    pthread_mutex_t lock; /* of all below, and of the domains */
    uint32_t wire[WORDS]; /* levels of the input lines */
    uint32_t msi[MSI_REGISTERS];
    struct domain domain[MAX_DOMAINS];
};

/* domain.c: all but aplic_forward() with the lock held. */
uint32_t domain_active(const struct domain *d, uint32_t source);
uint32_t domain_rectified(const struct domain *d, uint32_t source);
void domain_set_mode(struct domain *d, uint32_t source, uint32_t value);
void domain_set_config(struct domain *d, uint32_t value);
void domain_set_target(struct domain *d, uint32_t source, uint32_t value);
void domain_set_pending(struct domain *d, uint32_t source);
void domain_clear_pending(struct domain *d, uint32_t source);
uint32_t domain_top(const struct domain *d, uint32_t hart);
uint32_t domain_claim(struct domain *d, uint32_t hart);
void domain_update(struct domain *d);
struct message domain_message(const struct domain *d, uint32_t target);
void aplic_wire(struct aplic *a, uint32_t source, uint32_t level);
/* Send what waits in domains that deliver by messages. Lock not held: a
 * message may go wherever the guest said. */
void aplic_forward(struct aplic *a);
void aplic_send(struct aplic *a, struct message message);

/* registers.c */
extern const struct tn_region_ops aplic_registers;
/* fdt.c */
extern const struct tn_fdt_node aplic_fdt;

#endif
