/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses to the callbacks of one region: the thunk of tn_region_ops.
 *
 * An access of 1..8 bytes at any offset is split into naturally aligned ones
 * of sizes that the region takes; what is narrower than its smallest is
 * widened. The region's lock is taken once for all parts.
 */
#include "core/machine/region.h"

#include <errno.h>

#include "core/machine/instance.h"
#include "core/machine/machine-private.h"
#include "core/machine/thread.h"

static uint64_t mask_of(uint32_t bytes)
{
    return bytes >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * bytes)) - 1;
}

/* VALUE of BYTES (a power of two) with its bytes in the opposite order. */
static uint64_t reversed(uint64_t value, uint32_t bytes)
{
    return __builtin_bswap64(value) >> (64 - 8 * bytes);
}

static uint64_t raw_read(struct tn_region *region, uint64_t offset,
                         uint32_t bytes)
{
    uint64_t value = 0;

    if (region->ops->read)
        value = region->ops->read(region->opaque, offset, bytes);
    value &= mask_of(bytes);
    return region->limits.flags & TN_REGION_BIG_ENDIAN ? reversed(value, bytes)
                                                       : value;
}

static void raw_write(struct tn_region *region, uint64_t offset, uint32_t bytes,
                      uint64_t value)
{
    value &= mask_of(bytes);
    if (region->limits.flags & TN_REGION_BIG_ENDIAN)
        value = reversed(value, bytes);
    if (region->ops->write)
        region->ops->write(region->opaque, offset, value, bytes);
}

/* One callback's part of an access. */
struct part {
    uint64_t offset; /* of the callback */
    uint32_t bytes;  /* of the callback */
    uint32_t skip;   /* bytes of the callback before the access's */
    uint32_t used;   /* bytes of the access */
};

static struct part next_part(const struct tn_region *region, uint64_t offset,
                             uint32_t bytes)
{
    const struct tn_region_ops *limits = &region->limits;
    struct part part = {.offset = offset, .bytes = 8};

    while (
        part.bytes > limits->max_access || part.bytes > bytes ||
        (!(limits->flags & TN_REGION_UNALIGNED) && (offset & (part.bytes - 1))))
        part.bytes /= 2;
    part.used = part.bytes;
    if (part.bytes < limits->min_access) {
        part.bytes = limits->min_access;
        part.offset = offset & ~(uint64_t)(part.bytes - 1);
        part.skip = (uint32_t)(offset - part.offset);
        part.used = MIN(part.bytes - part.skip, bytes);
    }
    return part;
}

static gboolean fits(const struct tn_region *region, const struct part *part)
{
    return (unsigned __int128)part->offset + part->bytes <= region->bytes;
}

static int32_t region_enter(struct tn_region *region)
{
    struct thread_state *thread = thread_current();
    struct instance *owner = region->owner;
    int32_t rc = 0;

    if (region->limits.flags & TN_REGION_PARALLEL) {
        if (thread->n_calls == THREAD_MAX_CALLS || thread_is_inside(owner))
            return -EDEADLK;
        thread->calls[thread->n_calls++] = owner;
        thread->parallel_callbacks++;
        atomic_fetch_add(&region->callbacks, 1);
    } else if (!thread->n_calls || owner->controller || !owner->lock) {
        rc = instance_enter(owner);
    } else {
        /* A device's access to another device: locks would be taken in an
         * order the guest chooses, so this one must not wait for ever. */
        for (guint tries = 0; tries < 1000; tries++) {
            rc = instance_try_enter(owner);
            if (rc != -EBUSY)
                break;
            g_thread_yield();
        }
    }
    return rc;
}

static void region_leave(struct tn_region *region)
{
    struct thread_state *thread = thread_current();

    if (!(region->limits.flags & TN_REGION_PARALLEL)) {
        instance_leave(region->owner);
        return;
    }
    thread->n_calls--;
    thread->parallel_callbacks--;
    atomic_fetch_sub(&region->callbacks, 1);
}

/* An access that cannot be made: whose fault it is goes into the log. */
static int32_t refused(struct tn_region *region, uint64_t offset, int32_t rc)
{
    tn_logf(&region->owner->base.host, TN_LOG_GUEST,
            "%s: access to +0x%" G_GINT64_MODIFIER "x from its own DMA or "
            "from a device that waits for it refused",
            region->name, offset);
    return rc == -EBUSY ? -EFAULT : rc;
}

int32_t region_read(struct tn_region *region, uint64_t offset, uint32_t bytes,
                    uint64_t *value)
{
    uint32_t done = 0;
    int32_t rc = region_enter(region);

    *value = 0;
    if (rc)
        return refused(region, offset, rc);
    while (done < bytes && !rc) {
        struct part part = next_part(region, offset + done, bytes - done);

        if (atomic_load(&region->dead) || !fits(region, &part)) {
            rc = -EFAULT;
            break;
        }
        *value |=
            (raw_read(region, part.offset, part.bytes) >> (8 * part.skip) &
             mask_of(part.used))
            << (8 * done);
        done += part.used;
    }
    region_leave(region);
    return rc;
}

int32_t region_write(struct tn_region *region, uint64_t offset, uint32_t bytes,
                     uint64_t value)
{
    uint32_t done = 0;
    int32_t rc = region_enter(region);

    if (rc)
        return refused(region, offset, rc);
    while (done < bytes) {
        struct part part = next_part(region, offset + done, bytes - done);
        uint64_t piece = value >> (8 * done) & mask_of(part.used);

        if (atomic_load(&region->dead) || !fits(region, &part)) {
            rc = -EFAULT;
            break;
        }
        if (part.used != part.bytes) {
            uint64_t keep =
                mask_of(part.bytes) & ~(mask_of(part.used) << (8 * part.skip));

            piece = piece << (8 * part.skip) |
                    (raw_read(region, part.offset, part.bytes) & keep);
        }
        raw_write(region, part.offset, part.bytes, piece);
        done += part.used;
    }
    region_leave(region);
    return rc;
}
