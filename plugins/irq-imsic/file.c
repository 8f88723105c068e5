/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt files: RISC-V Advanced Interrupt Architecture 1.0, chapter
 * "Incoming MSI Controller (IMSIC)". What messages and the harts' CSRs do to
 * them.
 */
#include "imsic.h"

/* An interrupt file's page, section "Memory region for an interrupt file". */
#define SETEIPNUM_LE 0x000u
#define SETEIPNUM_BE 0x004u

/* Values of *iselect. */
#define EIDELIVERY 0x70u
#define EITHRESHOLD 0x72u
#define EIP0 0x80u
#define EIE0 0xc0u
#define LAST_REGISTER 0xffu

/* ---- one file; its lock is held ---- */

/* The lowest identity that is pending, enabled and below the threshold. */
static uint32_t top_identity(const struct imsic *m, uint32_t file)
{
    uint32_t limit = m->threshold[file] ? m->threshold[file] : UINT32_MAX;

    for (uint32_t i = 0; i < m->n_words; i++) {
        uint64_t bits = m->pending[file * m->n_words + i] &
                        m->enable[file * m->n_words + i];

        if (bits) {
            uint32_t id = 64 * i + (uint32_t)__builtin_ctzll(bits);

            return id < limit ? id : 0;
        }
    }
    return 0;
}

void imsic_update(struct imsic *m, uint32_t file)
{
    uint32_t level =
        m->delivery[file] == DELIVERY_ON && top_identity(m, file) != 0;

    if (m->line[file])
        m->irqs->set(m->host, m->line[file], level);
}

/* Bits of a pair of 32-bit registers that stand for identities. */
uint64_t imsic_implemented(uint32_t word)
{
    return word ? UINT64_MAX : ~(uint64_t)1;
}

/* ---- messages ---- */

static void deliver(struct imsic *m, uint32_t file, uint32_t id)
{
    if (!id || id > m->n_ids)
        return;
    pthread_mutex_lock(&m->lock[file]);
    m->pending[file * m->n_words + id / 64] |= 1ull << id % 64;
    imsic_update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

static uint64_t page_read(void *opaque, uint64_t offset, uint32_t size)
{
    (void)opaque, (void)offset, (void)size;
    return 0;
}

static void page_write(void *opaque, uint64_t offset, uint64_t value,
                       uint32_t size)
{
    struct level *level = opaque;
    uint32_t file = level->first_file + (uint32_t)(offset / PAGE);

    (void)size;
    if (offset % PAGE == SETEIPNUM_LE)
        deliver(level->imsic, file, (uint32_t)value);
    else if (offset % PAGE == SETEIPNUM_BE)
        deliver(level->imsic, file, __builtin_bswap32((uint32_t)value));
}

const struct tn_region_ops imsic_page = {
    .size = sizeof imsic_page,
    .flags = TN_REGION_PARALLEL,
    .min_access = 4,
    .max_access = 4,
    .read = page_read,
    .write = page_write,
};

/* ---- what the harts' CSRs reach: struct tn_riscv_imsic ---- */

/* The file's number, or MAX_FILES. */
static uint32_t find_file(const struct imsic *m, uint32_t hart, uint32_t level)
{
    uint32_t index = level == TN_RISCV_M ? 0 : 1;

    if (hart >= m->n_harts || index >= m->n_levels)
        return MAX_FILES;
    return m->level[index].first_file + hart;
}

static uint32_t has_level(void *self, uint32_t level)
{
    return find_file(self, 0, level) != MAX_FILES;
}

/* The word of eip or eie that NUMBER names and where in it; NULL if it has no
 * identities of this controller. */
static uint64_t *array_word(struct imsic *m, uint32_t file, uint32_t number,
                            uint32_t *word)
{
    uint64_t *array = number < EIE0 ? m->pending : m->enable;

    *word = (number & 0x3f) / 2;
    return number >= EIP0 && number <= LAST_REGISTER && *word < m->n_words
               ? &array[file * m->n_words + *word]
               : NULL;
}

static uint64_t register_read(void *self, uint32_t hart, uint32_t level,
                              uint32_t number, uint32_t bits)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), word;
    uint64_t value = 0, *at;

    if (file == MAX_FILES)
        return 0;
    pthread_mutex_lock(&m->lock[file]);
    if (number == EIDELIVERY)
        value = m->delivery[file];
    else if (number == EITHRESHOLD)
        value = m->threshold[file];
    else if ((at = array_word(m, file, number, &word)))
        value = bits == 32 ? (uint32_t)(*at >> 32 * (number & 1)) : *at;
    pthread_mutex_unlock(&m->lock[file]);
    return value;
}

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
    return (old & ~mask) | (value & mask);
}

static void register_write(void *self, uint32_t hart, uint32_t level,
                           uint32_t number, uint32_t bits, uint64_t value,
                           uint64_t mask)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), word;
    uint64_t *at;

    if (file == MAX_FILES)
        return;
    pthread_mutex_lock(&m->lock[file]);
    if (number == EIDELIVERY) { /* WARL: 0 or 1 */
        m->delivery[file] = merge(m->delivery[file], value, mask) == 1;
    } else if (number == EITHRESHOLD) {
        m->threshold[file] =
            (uint32_t)merge(m->threshold[file], value, mask) & m->n_ids;
    } else if ((at = array_word(m, file, number, &word))) {
        if (bits == 32) {
            value = (value & UINT32_MAX) << 32 * (number & 1);
            mask = (mask & UINT32_MAX) << 32 * (number & 1);
        }
        *at = merge(*at, value, mask & imsic_implemented(word));
    }
    imsic_update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

static uint32_t top(void *self, uint32_t hart, uint32_t level)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level), id;

    if (file == MAX_FILES)
        return 0;
    pthread_mutex_lock(&m->lock[file]);
    id = top_identity(m, file);
    pthread_mutex_unlock(&m->lock[file]);
    return id << 16 | id;
}

static void claim(void *self, uint32_t hart, uint32_t level, uint32_t id)
{
    struct imsic *m = self;
    uint32_t file = find_file(m, hart, level);

    if (file == MAX_FILES || !id || id > m->n_ids)
        return;
    pthread_mutex_lock(&m->lock[file]);
    m->pending[file * m->n_words + id / 64] &= ~(1ull << id % 64);
    imsic_update(m, file);
    pthread_mutex_unlock(&m->lock[file]);
}

const struct tn_riscv_imsic imsic_table = {
    .size = sizeof imsic_table,
    .has_level = has_level,
    .read = register_read,
    .write = register_write,
    .top = top,
    .claim = claim,
};
