/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM blocks.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "core/machine/ram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tenon/accel.h>

#include "core/machine/machine-private.h"

/* Blocks begin at a huge page, in memory and in the number space of RAM. */
#define HUGE_PAGE ((uint64_t)2 << 20)
/* Of a name that a memory file and saved state can both have. */
#define MAX_NAME 200u

static uint64_t huge_pages(uint64_t bytes)
{
    return (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

void ram_init(struct ram_set *set, uint64_t main_memory)
{
    set->limit = huge_pages(main_memory) + RAM_RESERVE;
}

static int32_t map_block(struct ram_block *block, struct tn_error *error)
{
    uint8_t *base;

    block->fd = memfd_create(block->name, MFD_CLOEXEC);
    if (block->fd < 0 || ftruncate(block->fd, (off_t)block->bytes))
        return tn_error_set(error, -errno,
                            "no memory file of %" G_GUINT64_FORMAT " bytes: %s",
                            block->bytes, g_strerror(errno));
    block->mapped_bytes = block->bytes + HUGE_PAGE;
    block->mapping = mmap(NULL, block->mapped_bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block->mapping == MAP_FAILED)
        return tn_error_set(error, -ENOMEM,
                            "no address space for %" G_GUINT64_FORMAT
                            " bytes of RAM",
                            block->bytes);
    base = (uint8_t *)(((uintptr_t)block->mapping + HUGE_PAGE - 1) &
                       ~(uintptr_t)(HUGE_PAGE - 1));
    block->memory = mmap(base, block->bytes, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED | MAP_NORESERVE, block->fd, 0);
    if (block->memory == MAP_FAILED) {
        block->memory = NULL;
        return tn_error_set(error, -errno,
                            "cannot map %" G_GUINT64_FORMAT " bytes of RAM: %s",
                            block->bytes, g_strerror(errno));
    }
    /* Advice: not every host can. */
    (void)madvise(block->memory, block->bytes, MADV_HUGEPAGE);
    (void)madvise(block->memory, block->bytes, MADV_DONTDUMP);
    return 0;
}

static void block_free(struct ram_block *block)
{
    if (block->mapping && block->mapping != MAP_FAILED)
        munmap(block->mapping, block->mapped_bytes);
    if (block->fd >= 0)
        close(block->fd);
    g_free((void *)block->page_flags);
    g_free(block->name);
    g_free(block);
}

static gboolean name_is_taken(struct ram_set *set, const char *name)
{
    struct ram_block *block = atomic_load(&set->blocks);

    while (block && strcmp(block->name, name) != 0)
        block = block->next;
    return block != NULL;
}

/* OWNER's NAME for a block; one that made two of a name gets "NAME+". */
static char *unique_name(struct ram_set *set, const char *owner,
                         const char *name)
{
    g_autoptr(GString) unique = g_string_new(owner);

    g_string_append_printf(unique, "%s%s", owner ? "/" : "", name);
    g_string_truncate(unique, MIN(unique->len, MAX_NAME));
    while (name_is_taken(set, unique->str))
        g_string_append_c(unique, '+');
    return g_string_free(g_steal_pointer(&unique), FALSE);
}

int32_t ram_new(struct tn_machine *machine, const char *owner,
                const char *name, uint64_t bytes, uint32_t flags,
                struct ram_block **result, struct tn_error *error)
{
    struct memory *memory = &machine->memory;
    struct ram_block *block = g_new0(struct ram_block, 1);
    int32_t rc;

    block->name = unique_name(&memory->ram, owner, name);
    block->bytes = bytes;
    block->flags = flags;
    block->fd = -1;
    block->page_flags = g_try_malloc0(bytes >> RAM_PAGE_BITS);
    rc = block->page_flags ? map_block(block, error) : -ENOMEM;
    if (rc) {
        block_free(block);
        return rc;
    }
    g_mutex_lock(&memory->map_lock);
    if (huge_pages(bytes) > memory->ram.limit - memory->ram.next_offset) {
        g_mutex_unlock(&memory->map_lock);
        block_free(block);
        return tn_error_set(error, -ENOSPC, "too much RAM beside main memory");
    }
    block->ram_offset = memory->ram.next_offset;
    memory->ram.next_offset += huge_pages(bytes);
    block->next = atomic_load(&memory->ram.blocks);
    atomic_store(&memory->ram.blocks, block);
    g_mutex_unlock(&memory->map_lock);
    *result = block;
    return 0;
}

void ram_discard(struct ram_block *block)
{
    (void)madvise(block->memory, block->bytes, MADV_REMOVE);
}

int32_t ram_discard_pages(struct ram_block *block, uint64_t offset,
                          uint64_t bytes)
{
    return madvise(block->memory + offset, bytes, MADV_REMOVE) ? -errno : 0;
}

void ram_free_all(struct ram_set *set)
{
    struct ram_block *block = atomic_exchange(&set->blocks, NULL);

    while (block) {
        struct ram_block *next = block->next;

        block_free(block);
        block = next;
    }
}

struct ram_block *ram_find(struct ram_set *set, const void *memory)
{
    const uint8_t *byte = memory;
    struct ram_block *block = atomic_load(&set->blocks);

    while (block &&
           !(byte >= block->memory && byte < block->memory + block->bytes))
        block = block->next;
    return block;
}

void ram_written(struct tn_machine *machine, struct ram_block *block,
                 uint64_t offset, uint64_t bytes)
{
    uint64_t page, last;

    if (!bytes)
        return;
    /* An accelerator sets TN_PAGE_CODE before it reads the bytes; we write
     * them before we look: one of us sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    last = (offset + bytes - 1) >> RAM_PAGE_BITS;
    for (page = offset >> RAM_PAGE_BITS; page <= last; page++) {
        uint8_t flags = atomic_load_explicit(&block->page_flags[page],
                                             memory_order_relaxed);

        if (G_LIKELY(!flags))
            continue;
        if (flags & TN_PAGE_CLEAN)
            atomic_fetch_and(&block->page_flags[page], (uint8_t)~TN_PAGE_CLEAN);
        if (flags & TN_PAGE_CODE)
            machine_code_written(
                machine, block->ram_offset + (page << RAM_PAGE_BITS), RAM_PAGE);
    }
}
