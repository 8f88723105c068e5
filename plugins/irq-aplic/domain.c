/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of an interrupt domain and where their interrupts go. RISC-V
 * Advanced Interrupt Architecture 1.0, chapter "Advanced PLIC", sections
 * "Source configurations", "Precise effects on interrupt-pending bits" and on
 * the two delivery modes.
 */
#include <string.h>

#include <tenon/fdt.h>

#include "aplic.h"

static uint32_t bit(const uint32_t *words, uint32_t n)
{
    return words[n / 32] >> n % 32 & 1;
}

static void set_bit(uint32_t *words, uint32_t n, uint32_t value)
{
    words[n / 32] = (words[n / 32] & ~(1u << n % 32)) | value << n % 32;
}

static uint32_t is_level(uint32_t mode)
{
    return mode == MODE_LEVEL0 || mode == MODE_LEVEL1;
}

/* Does SOURCE appear in D at all? In the child those that the root
 * delegates. */
static uint32_t implemented(const struct domain *d, uint32_t source)
{
    return source > 0 && source < d->aplic->n_sources &&
           (d->index == ROOT ||
            (d->aplic->domain[ROOT].source[source] & SOURCE_D));
}

uint32_t domain_active(const struct domain *d, uint32_t source)
{
    return implemented(d, source) && d->source[source] != MODE_INACTIVE &&
           !(d->source[source] & SOURCE_D);
}

uint32_t domain_rectified(const struct domain *d, uint32_t source)
{
    if (!domain_active(d, source))
        return 0;
    switch (d->source[source]) {
    case MODE_EDGE1:
    case MODE_LEVEL1:
        return bit(d->aplic->wire, source);
    case MODE_EDGE0:
    case MODE_LEVEL0:
        return !bit(d->aplic->wire, source);
    default:
        return 0;
    }
}

static void make_inactive(struct domain *d, uint32_t source)
{
    d->source[source] = MODE_INACTIVE;
    d->target[source] = 0;
    set_bit(d->pending, source, 0);
    set_bit(d->enable, source, 0);
}

/* A level-sensitive source's pending bit is never set while its input is low;
 * under direct delivery it is the input. */
static void follow_level(struct domain *d, uint32_t source)
{
    uint32_t high = domain_rectified(d, source);

    if (is_level(d->source[source]) && (!high || !(d->config & DOMAIN_DM)))
        set_bit(d->pending, source, high);
}

static uint32_t legal_target(const struct domain *d, uint32_t value)
{
    uint32_t hart = value >> TARGET_HART_SHIFT;

    /* WLRL: what is no hart's number is kept as the first's. */
    if (hart >= d->aplic->n_harts)
        hart = 0;
    if (d->config & DOMAIN_DM)
        return hart << TARGET_HART_SHIFT | (value & TARGET_EIID);
    value &= TARGET_PRIORITY;
    return hart << TARGET_HART_SHIFT | (value ? value : 1);
}

void domain_set_target(struct domain *d, uint32_t source, uint32_t value)
{
    if (domain_active(d, source))
        d->target[source] = legal_target(d, value);
}

/* A new mode may set the pending bit of an input that is high: that of a
 * level-sensitive source it does. */
void domain_set_mode(struct domain *d, uint32_t source, uint32_t value)
{
    struct aplic *a = d->aplic;
    uint32_t was_active = domain_active(d, source);

    if (!implemented(d, source))
        return;
    if (value & SOURCE_D) {
        uint32_t leaf = d->index != ROOT || a->n_domains == 1;

        make_inactive(d, source);
        d->source[source] = leaf ? MODE_INACTIVE : SOURCE_D;
        return;
    }
    if (d->source[source] & SOURCE_D) /* taken back */
        make_inactive(&a->domain[CHILD], source);
    value &= 7;
    if (value == 2 || value == 3) /* reserved: WARL */
        value = MODE_INACTIVE;
    if (value == MODE_INACTIVE) {
        make_inactive(d, source);
        return;
    }
    d->source[source] = value;
    if (!was_active)
        d->target[source] = legal_target(d, 0);
    if (is_level(value))
        set_bit(d->pending, source, domain_rectified(d, source));
}

void domain_set_config(struct domain *d, uint32_t value)
{
    uint32_t old = d->config;

    d->config = value & (DOMAIN_IE | DOMAIN_DM);
    if (!((old ^ d->config) & DOMAIN_DM))
        return;
    for (uint32_t i = 1; i < d->aplic->n_sources; i++) {
        if (!domain_active(d, i))
            continue;
        d->target[i] = legal_target(d, 0);
        follow_level(d, i);
    }
}

/* As by a write to setip or setipnum. */
void domain_set_pending(struct domain *d, uint32_t source)
{
    if (!domain_active(d, source))
        return;
    if (is_level(d->source[source]) && (!(d->config & DOMAIN_DM) ||
                                        !domain_rectified(d, source)))
        return;
    set_bit(d->pending, source, 1);
}

/* As by a claim, or a write to in_clrip or clripnum. */
void domain_clear_pending(struct domain *d, uint32_t source)
{
    if (!domain_active(d, source) ||
        (is_level(d->source[source]) && !(d->config & DOMAIN_DM)))
        return;
    set_bit(d->pending, source, 0);
}

/* ---- direct delivery ---- */

/* Is interrupt A, in topi's format, before B? 0 is none. Smaller numbers come
 * first: of priorities, then of sources. */
static uint32_t before(uint32_t a, uint32_t b)
{
    uint32_t pa = a & TARGET_PRIORITY, pb = b & TARGET_PRIORITY;

    return a && (!b || pa < pb || (pa == pb && a < b));
}

/* The top interrupt of each hart, thresholds applied. */
static void find_top(const struct domain *d, uint32_t *top)
{
    memset(top, 0, d->aplic->n_harts * sizeof *top);
    if (d->config & DOMAIN_DM)
        return;
    for (uint32_t word = 0; word < WORDS; word++) {
        uint32_t bits = d->pending[word] & d->enable[word];

        for (; bits; bits &= bits - 1) {
            uint32_t source = 32 * word + (uint32_t)__builtin_ctz(bits);
            uint32_t hart = d->target[source] >> TARGET_HART_SHIFT;
            uint32_t value =
                source << 16 | (d->target[source] & TARGET_PRIORITY);

            if (hart < d->aplic->n_harts &&
                (!d->threshold[hart] ||
                 (value & TARGET_PRIORITY) < d->threshold[hart]) &&
                before(value, top[hart]))
                top[hart] = value;
        }
    }
}

uint32_t domain_top(const struct domain *d, uint32_t hart)
{
    uint32_t top[MAX_HARTS];

    find_top(d, top);
    return top[hart];
}

uint32_t domain_claim(struct domain *d, uint32_t hart)
{
    uint32_t value = domain_top(d, hart);

    if (value)
        domain_clear_pending(d, value >> 16);
    else
        d->force[hart] = 0;
    domain_update(d);
    return value;
}

/* Drive the harts' lines. */
void domain_update(struct domain *d)
{
    struct aplic *a = d->aplic;
    uint32_t on = (d->config & (DOMAIN_IE | DOMAIN_DM)) == DOMAIN_IE;
    uint32_t top[MAX_HARTS];

    find_top(d, top);
    for (uint32_t i = 0; i < a->n_harts; i++)
        if (d->line[i])
            a->irqs->set(a->host, d->line[i],
                         on && d->delivery[i] && (d->force[i] || top[i]));
}

/* ---- input ---- */

void aplic_wire(struct aplic *a, uint32_t source, uint32_t level)
{
    struct domain *d = &a->domain[ROOT];
    uint32_t was_high;

    if (d->source[source] & SOURCE_D)
        d = &a->domain[CHILD];
    was_high = domain_rectified(d, source);
    set_bit(a->wire, source, level);
    if (!was_high && domain_rectified(d, source))
        set_bit(d->pending, source, 1);
    follow_level(d, source);
    domain_update(d);
}

/* ---- messages ---- */

/* The message for a `target` or `genmsi` register: section "Addresses and data
 * for outgoing MSIs". Harts have the same numbers at both levels. */
struct message domain_message(const struct domain *d, uint32_t target)
{
    const uint32_t *r = d->aplic->msi;
    uint32_t supervisor = d->index == CHILD;
    uint32_t hart = target >> TARGET_HART_SHIFT & TARGET_HART;
    uint32_t low = r[supervisor ? SMSI : MMSI];
    uint32_t high = r[supervisor ? SMSIH : MMSIH];
    uint32_t hhxs = r[MMSIH] >> 24 & 0x1f, hhxw = r[MMSIH] >> 16 & 7;
    uint32_t lhxw = r[MMSIH] >> 12 & 0xf, lhxs = high >> 20 & 7;
    uint64_t ppn = (uint64_t)(high & 0xfff) << 32 | low;
    uint64_t group = hart >> lhxw & ((1u << hhxw) - 1);
    uint64_t member = hart & ((1u << lhxw) - 1);

    return (struct message){
        .address = (ppn | group << (hhxs + 12) | member << lhxs) << 12,
        .data = target & TARGET_EIID,
    };
}

void aplic_send(struct aplic *a, struct message message)
{
    uint8_t bytes[4] = {(uint8_t)message.data, (uint8_t)(message.data >> 8), 0,
                        0};

    a->memory->dma_write(a->host, message.address, bytes, sizeof bytes);
}

/* At most 32 messages of one word of sources. */
static uint32_t take_word(struct domain *d, uint32_t word,
                          struct message message[32])
{
    const uint32_t on = DOMAIN_IE | DOMAIN_DM;
    uint32_t bits = d->pending[word] & d->enable[word], n = 0;

    if ((d->config & on) != on)
        return 0;
    d->pending[word] &= ~bits;
    for (; bits; bits &= bits - 1) {
        uint32_t source = 32 * word + (uint32_t)__builtin_ctz(bits);

        message[n++] = domain_message(d, d->target[source]);
    }
    return n;
}

void aplic_forward(struct aplic *a)
{
    for (uint32_t i = 0; i < a->n_domains; i++)
        for (uint32_t word = 0; word < (a->n_sources + 31) / 32; word++) {
            struct message message[32];
            uint32_t n;

            pthread_mutex_lock(&a->lock);
            n = take_word(&a->domain[i], word, message);
            pthread_mutex_unlock(&a->lock);
            for (uint32_t k = 0; k < n; k++)
                aplic_send(a, message[k]);
        }
}
