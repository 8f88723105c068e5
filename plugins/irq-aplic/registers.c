/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain's control region: RISC-V Advanced Interrupt Architecture 1.0,
 * chapter "Advanced PLIC", sections "Memory-mapped control region for an
 * interrupt domain" and "Interrupt delivery control (IDC) structure". All
 * registers are little-endian (domaincfg.BE is read-only zero).
 */
#include <tenon/fdt.h>

#include "aplic.h"

#define DOMAINCFG 0x0000u
#define SOURCECFG 0x0000u /* + 4 * source */
#define SOURCECFG_END 0x1000u
#define MMSIADDRCFG 0x1bc0u
#define SMSIADDRCFGH 0x1bccu
#define BITS 0x1c00u /* what follows, in steps of 0x100 */
#define BITS_END 0x2000u
#define SETIPNUM_LE 0x2000u
#define GENMSI 0x3000u
#define TARGET 0x3000u /* + 4 * source */
#define IDC 0x4000u    /* + 32 * hart */
#define IDC_BYTES 32u

enum { SETIP, CLRIP, SETIE, CLRIE }; /* (offset - BITS) / 0x100 */
#define BITS_NUMBER 0xdcu            /* ...num, in each */

#define IDELIVERY 0x00u
#define IFORCE 0x04u
#define ITHRESHOLD 0x08u
#define TOPI 0x18u
#define CLAIMI 0x1cu

#define MMSIH_LOCK 0x80000000u
static const uint32_t msi_writable[MSI_REGISTERS] = {
    [MMSI] = 0xffffffff,
    [MMSIH] = 0x9f77ffff,
    [SMSI] = 0xffffffff,
    [SMSIH] = 0x00700fff,
};

/* ---- arrays of bits ---- */

static void change(struct domain *d, uint32_t which, uint32_t source)
{
    if (!domain_active(d, source))
        return;
    switch (which) {
    case SETIP:
        domain_set_pending(d, source);
        break;
    case CLRIP:
        domain_clear_pending(d, source);
        break;
    case SETIE:
        d->enable[source / 32] |= 1u << source % 32;
        break;
    default:
        d->enable[source / 32] &= ~(1u << source % 32);
        break;
    }
}

static void write_bits(struct domain *d, uint32_t offset, uint32_t value)
{
    uint32_t which = (offset - BITS) / 0x100, at = offset % 0x100;

    if (at == BITS_NUMBER) {
        if (value < MAX_SOURCES)
            change(d, which, value);
    } else if (at < 4 * WORDS) {
        for (; value; value &= value - 1)
            change(d, which, at * 8 + (uint32_t)__builtin_ctz(value));
    }
}

static uint32_t read_inputs(const struct domain *d, uint32_t word)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < 32; i++)
        value |= domain_rectified(d, word * 32 + i) << i;
    return value;
}

static uint32_t read_bits(const struct domain *d, uint32_t offset)
{
    uint32_t which = (offset - BITS) / 0x100, word = offset % 0x100 / 4;

    if (word >= WORDS)
        return 0;
    switch (which) {
    case SETIP:
        return d->pending[word];
    case CLRIP:
        return read_inputs(d, word);
    case SETIE:
        return d->enable[word];
    default:
        return 0;
    }
}

/* ---- interrupt delivery control ---- */

static uint32_t read_idc(struct domain *d, uint32_t offset)
{
    uint32_t hart = (offset - IDC) / IDC_BYTES;

    if (hart >= d->aplic->n_harts)
        return 0;
    switch (offset % IDC_BYTES) {
    case IDELIVERY:
        return d->delivery[hart];
    case IFORCE:
        return d->force[hart];
    case ITHRESHOLD:
        return d->threshold[hart];
    case TOPI:
        return domain_top(d, hart);
    case CLAIMI:
        return domain_claim(d, hart);
    default:
        return 0;
    }
}

static void write_idc(struct domain *d, uint32_t offset, uint32_t value)
{
    uint32_t hart = (offset - IDC) / IDC_BYTES;

    if (hart >= d->aplic->n_harts)
        return;
    switch (offset % IDC_BYTES) {
    case IDELIVERY:
        d->delivery[hart] = value & 1;
        break;
    case IFORCE:
        d->force[hart] = value & 1;
        break;
    case ITHRESHOLD:
        d->threshold[hart] = value & TARGET_PRIORITY;
        break;
    }
}

/* ---- all of them ---- */

/* Where the machine-level addresses stand; only the root has them. */
static uint32_t is_msi(const struct domain *d, uint32_t offset)
{
    return offset >= MMSIADDRCFG && offset <= SMSIADDRCFGH && d->index == ROOT;
}

static uint32_t read_register(struct domain *d, uint32_t offset)
{
    if (offset == DOMAINCFG)
        return DOMAIN_CONSTANT | d->config;
    if (offset < SOURCECFG_END)
        return d->source[offset / 4];
    if (is_msi(d, offset))
        return d->aplic->msi[(offset - MMSIADDRCFG) / 4];
    if (offset >= BITS && offset < BITS_END)
        return read_bits(d, offset);
    if (offset > TARGET && offset < IDC)
        return d->target[(offset - TARGET) / 4];
    return offset >= IDC ? read_idc(d, offset) : 0;
}

static void write_register(struct domain *d, uint32_t offset, uint32_t value)
{
    if (offset == DOMAINCFG) {
        domain_set_config(d, value);
    } else if (offset < SOURCECFG_END) {
        domain_set_mode(d, offset / 4, value);
        /* The child may have lost a source. */
        domain_update(&d->aplic->domain[d->aplic->n_domains - 1]);
    } else if (is_msi(d, offset)) {
        uint32_t i = (offset - MMSIADDRCFG) / 4;

        if (!(d->aplic->msi[MMSIH] & MMSIH_LOCK))
            d->aplic->msi[i] = value & msi_writable[i];
    } else if (offset >= BITS && offset < BITS_END) {
        write_bits(d, offset, value);
    } else if (offset == SETIPNUM_LE) {
        if (value < MAX_SOURCES)
            domain_set_pending(d, value);
    } else if (offset > TARGET && offset < IDC) {
        domain_set_target(d, (offset - TARGET) / 4, value);
    } else if (offset >= IDC) {
        write_idc(d, offset, value);
    }
    domain_update(d);
}

static uint64_t aplic_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct domain *d = opaque;
    uint32_t value;

    (void)size;
    pthread_mutex_lock(&d->aplic->lock);
    value = read_register(d, (uint32_t)offset);
    pthread_mutex_unlock(&d->aplic->lock);
    return value;
}

static void aplic_write(void *opaque, uint64_t offset, uint64_t value,
                        uint32_t size)
{
    struct domain *d = opaque;
    struct aplic *a = d->aplic;
    struct message message;
    uint32_t generate;

    (void)size;
    pthread_mutex_lock(&a->lock);
    /* An extempore message leaves at once: genmsi is never seen busy. */
    generate = offset == GENMSI && (d->config & DOMAIN_DM) &&
               (value >> TARGET_HART_SHIFT & TARGET_HART) < a->n_harts;
    if (generate)
        message = domain_message(d, (uint32_t)value);
    else
        write_register(d, (uint32_t)offset, (uint32_t)value);
    pthread_mutex_unlock(&a->lock);
    aplic_forward(a);
    if (generate)
        aplic_send(a, message);
}

const struct tn_region_ops aplic_registers = {
    .size = sizeof aplic_registers,
    .flags = TN_REGION_PARALLEL,
    .min_access = 4,
    .max_access = 4,
    .read = aplic_read,
    .write = aplic_write,
};
