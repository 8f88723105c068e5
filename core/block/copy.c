/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of slots. Each holds a stretch of the content on its way: read from
 * the source, looked through for zeroes, written. Reads are started in order
 * and as many as there are slots; writes are started in order too (so that the
 * same source gives the same image), and end as they like. Completions only
 * change a slot's state; everything else happens in the loop of image_copy().
 */

#include "core/block/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (1u << 20)
#define MEMORY (12u << 20) /* of the slots' buffers */
#define MAX_SLOTS 64u
#define EXTENT_STEP (1ull << 30)
#define ZERO_STEP (64u << 20)
#define SALVAGE_STEP 4096u
#define HOLE (64u << 10) /* what is worth leaving out inside of a cluster */
#define RATE_SLICES 20 /* a second */

enum slot_state { FREE, READING, READ, WRITING };

struct slot {
    struct copy *copy;
    enum slot_state state;
    gboolean zero; /* nothing to read */
    uint64_t offset, bytes; /* relative to the copy's beginning */
    uint8_t *data;
    struct block_op read;
    struct iovec iov;
    int result;
    guint pending;   /* writes */
    GArray *writes;  /* of struct block_op */
    GArray *vectors; /* of struct iovec, one each */
};

struct copy {
    struct image_copy *job;
    struct slot *slots;
    guint n_slots;
    guint64 next_read, next_write, next_free; /* counts, modulo n_slots */
    uint64_t cursor;
    uint64_t chunk; /* bytes of a buffer */
    uint64_t unit;  /* reads begin and end on multiples of it */
    uint64_t scan;  /* zeroes are looked for in pieces of it */
    struct image_extent extent; /* at cursor; bytes 0: not known */
    uint64_t done;
    int result;
    int64_t started; /* for the rate */
    struct block_timer timer;
    gboolean timer_set;
};

/* ---- reading ---- */

static void read_done(struct block_op *op, int result)
{
    struct slot *slot = op->opaque;

    slot->result = result;
    slot->state = READ;
}

static void start_read(struct slot *slot)
{
    struct copy *c = slot->copy;

    slot->result = 0;
    if (slot->zero) {
        slot->state = READ;
        return;
    }
    slot->state = READING;
    slot->iov = (struct iovec){slot->data, slot->bytes};
    slot->read = (struct block_op){
        .node = c->job->source,
        .op = TN_DISK_READ,
        .offset = c->job->source_offset + slot->offset,
        .bytes = slot->bytes,
        .iov = &slot->iov,
        .n_iov = 1,
        .done = read_done,
        .opaque = slot,
    };
    block_op_start(&slot->read);
}

/* Piece by piece; what cannot be read is zeroes. */
static void salvage(struct slot *slot)
{
    struct image_copy *job = slot->copy->job;

    for (uint64_t at = 0; at < slot->bytes; at += SALVAGE_STEP) {
        uint64_t n = MIN(slot->bytes - at, SALVAGE_STEP);
        int32_t rc = image_read(job->source,
                                job->source_offset + slot->offset + at,
                                slot->data + at, n);

        if (rc) {
            memset(slot->data + at, 0, n);
            if (job->unreadable)
                job->unreadable(job->opaque,
                                job->source_offset + slot->offset + at, n, rc);
        }
    }
    slot->result = 0;
}

/* ---- writing ---- */

static void finish_slot(struct slot *slot)
{
    struct copy *c = slot->copy;

    slot->state = FREE;
    c->done += slot->bytes;
    if (slot->result && !c->result)
        c->result = slot->result;
}

static void write_done(struct block_op *op, int result)
{
    struct slot *slot = op->opaque;

    if (result)
        slot->result = result;
    if (--slot->pending == 0)
        finish_slot(slot);
}

/* Called before any is started: the arrays do not move afterwards. */
static void add_write(struct slot *slot, uint32_t op, uint64_t at,
                      uint64_t bytes)
{
    struct copy *c = slot->copy;
    struct iovec iov = {slot->data + at, bytes};
    struct block_op write = {
        .node = c->job->target,
        .op = op,
        .offset = c->job->target_offset + slot->offset + at,
        .bytes = bytes,
        .n_iov = op == TN_DISK_ZERO ? 0 : 1,
        .done = write_done,
        .opaque = slot,
    };

    if (op == TN_DISK_ZERO)
        write.flags = TN_DISK_UNMAP;
    else if (c->job->compress && write.offset % c->unit == 0 &&
             (bytes == c->unit ||
              write.offset + bytes == c->job->target->info.bytes))
        write.flags = BLOCK_OP_COMPRESS;
    g_array_append_val(slot->writes, write);
    g_array_append_val(slot->vectors, iov);
}

static void add_zero(struct slot *slot, uint64_t at, uint64_t bytes)
{
    if (!slot->copy->job->target_is_zero)
        add_write(slot, TN_DISK_ZERO, at, bytes);
}

static uint64_t piece(const struct copy *c, const struct slot *slot,
                      uint64_t at)
{
    uint64_t unit = c->scan;
    uint64_t into = (c->job->target_offset + slot->offset + at) % unit;

    return MIN(unit - into, slot->bytes - at);
}

/* Runs of pieces with and without zeroes; compressed ones go one by one. */
static void plan_writes(struct slot *slot)
{
    struct copy *c = slot->copy;
    uint64_t start = 0, at = 0;
    gboolean was_zero = FALSE;

    while (at < slot->bytes) {
        uint64_t n = piece(c, slot, at);
        gboolean zero =
            c->job->sparse && image_is_zero(slot->data + at, n);

        if (at > start && (zero != was_zero || (c->job->compress && !zero))) {
            if (was_zero)
                add_zero(slot, start, at - start);
            else
                add_write(slot, TN_DISK_WRITE, start, at - start);
            start = at;
        }
        was_zero = zero;
        at += n;
    }
    if (was_zero)
        add_zero(slot, start, at - start);
    else
        add_write(slot, TN_DISK_WRITE, start, at - start);
}

static void start_write(struct slot *slot)
{
    struct copy *c = slot->copy;

    if (slot->result && c->job->salvage)
        salvage(slot);
    if (slot->result || c->result) {
        finish_slot(slot);
        return;
    }
    g_array_set_size(slot->writes, 0);
    g_array_set_size(slot->vectors, 0);
    if (slot->zero)
        add_zero(slot, 0, slot->bytes);
    else
        plan_writes(slot);
    slot->state = WRITING;
    slot->pending = slot->writes->len + 1;
    for (guint i = 0; i < slot->writes->len; i++) {
        struct block_op *op = &g_array_index(slot->writes, struct block_op, i);

        op->iov = &g_array_index(slot->vectors, struct iovec, i);
        block_op_start(op);
    }
    if (--slot->pending == 0)
        finish_slot(slot);
}

/* ---- what comes next ---- */

static int32_t extent_at(struct image_copy *job, uint64_t at,
                         struct image_extent *e)
{
    return image_extent(job->source, job->base, job->source_offset + at,
                        MIN(job->bytes - at, EXTENT_STEP), IMAGE_STATUS_HOLES,
                        e);
}

/* The stretch at the cursor. Known zeroes are gathered, and what is alike (of
 * compressed units each is an extent) up to a buffer's end. */
static int32_t look(struct copy *c)
{
    struct image_extent *e = &c->extent;
    uint64_t left = c->job->bytes - c->cursor;
    struct image_extent next;
    int32_t rc;

    if (e->bytes)
        return 0;
    rc = extent_at(c->job, c->cursor, e);
    if (rc)
        return rc;
    if (!e->zero)
        left = MIN(left, c->chunk - c->cursor % c->chunk);
    /* What cannot be told is asked again when the cursor is there. */
    while (e->bytes < left && !extent_at(c->job, c->cursor + e->bytes, &next) &&
           next.zero == e->zero && next.present == e->present)
        e->bytes += next.bytes;
    return 0;
}

static void advance(struct copy *c, uint64_t bytes)
{
    c->cursor += bytes;
    c->extent.bytes -= MIN(bytes, c->extent.bytes);
}

/* Bytes from the cursor on that are a whole number of units, or the rest. */
static uint64_t whole_units(const struct copy *c, uint64_t bytes, gboolean up)
{
    uint64_t at = c->job->target_offset + c->cursor;
    uint64_t end = at + bytes;

    if (c->cursor + bytes >= c->job->bytes)
        return c->job->bytes - c->cursor;
    end = (end + (up ? c->unit - 1 : 0)) / c->unit * c->unit;
    if (end <= at)
        return 0;
    return MIN(end - at, c->job->bytes - c->cursor);
}

/* Set SLOT up with the next stretch. FALSE: nothing of it needs copying. */
static gboolean plan_slot(struct copy *c, struct slot *slot)
{
    const struct image_extent *e = &c->extent;
    gboolean skip = c->job->stored_only && !e->present;
    gboolean zero = e->zero && c->job->sparse && !skip;
    uint64_t bytes = 0;

    if (zero || skip)
        bytes = whole_units(c, e->bytes, FALSE);
    if (bytes) {
        if (skip || c->job->target_is_zero) {
            advance(c, bytes);
            c->done += bytes;
            return FALSE;
        }
        bytes = MIN(bytes, ZERO_STEP);
    } else {
        zero = FALSE;
        bytes = whole_units(c, e->bytes, TRUE);
        /* Chunks end on their own multiples: compressed units of the source
         * are then expanded once. */
        bytes = MIN(bytes, c->chunk - (c->job->target_offset + c->cursor) %
                                          c->chunk);
    }
    slot->offset = c->cursor;
    slot->bytes = bytes;
    slot->zero = zero;
    advance(c, bytes);
    return TRUE;
}

/* ---- the rate ---- */

static void tick(struct block_work *work)
{
    struct copy *c =
        (struct copy *)((char *)work - offsetof(struct copy, timer.work));

    c->timer_set = FALSE;
}

/* Has more been started than the time since the beginning allows? */
static gboolean too_fast(struct copy *c)
{
    double seconds =
        (double)(g_get_monotonic_time() - c->started) / G_USEC_PER_SEC;

    if (!c->job->rate ||
        (double)c->cursor <= (seconds + 1.0 / RATE_SLICES) *
                                 (double)c->job->rate)
        return FALSE;
    if (!c->timer_set) {
        c->timer_set = TRUE;
        c->timer.work.run = tick;
        block_context_later(c->job->source->context, &c->timer,
                            1000000000u / RATE_SLICES);
    }
    return TRUE;
}

/* ---- the loop ---- */

static struct slot *slot_of(struct copy *c, guint64 count)
{
    return &c->slots[count % c->n_slots];
}

/* TRUE: something was started, or is over. */
static gboolean start_reads(struct copy *c)
{
    gboolean any = FALSE;

    while (!c->result && c->cursor < c->job->bytes &&
           c->next_read < c->next_free + c->n_slots &&
           slot_of(c, c->next_read)->state == FREE && !too_fast(c)) {
        int32_t rc = look(c);

        if (rc && !c->job->salvage) {
            c->result = rc;
            return TRUE;
        }
        if (rc) /* the map is unreadable: so will be the data */
            c->extent = (struct image_extent){.bytes = SALVAGE_STEP,
                                              .data = TRUE,
                                              .present = TRUE};
        any = TRUE;
        if (plan_slot(c, slot_of(c, c->next_read)))
            start_read(slot_of(c, c->next_read++));
    }
    return any;
}

static gboolean start_writes(struct copy *c)
{
    gboolean any = FALSE;

    if (c->job->any_order) {
        for (guint64 i = c->next_free; i < c->next_read; i++)
            if (slot_of(c, i)->state == READ) {
                start_write(slot_of(c, i));
                any = TRUE;
            }
        c->next_write = c->next_read;
    }
    while (c->next_write < c->next_read &&
           slot_of(c, c->next_write)->state == READ) {
        start_write(slot_of(c, c->next_write++));
        any = TRUE;
    }
    while (c->next_free < c->next_write &&
           slot_of(c, c->next_free)->state == FREE) {
        c->next_free++;
        any = TRUE;
    }
    return any;
}

static gboolean is_over(const struct copy *c)
{
    return c->next_free == c->next_read &&
           (c->result || c->cursor >= c->job->bytes);
}

static void run(struct copy *c)
{
    uint64_t reported = UINT64_MAX;

    while (!is_over(c)) {
        gboolean any = start_writes(c);

        any |= start_reads(c);
        if (c->job->progress && c->done != reported) {
            reported = c->done;
            c->job->progress(c->job->opaque, reported);
        }
        if (!any && !is_over(c))
            block_context_wait(c->job->source->context);
    }
    while (c->timer_set)
        block_context_wait(c->job->source->context);
}

/* ---- begin and end ---- */

static void choose_sizes(struct copy *c)
{
    const struct image_copy *job = c->job;
    const struct tn_image_info *to = &job->target->info;
    uint64_t from_unit = MIN(MAX(job->source->info.cluster_bytes, 512u),
                             2u << 20);
    uint64_t unit = job->compress ? to->compress_bytes
                    : job->target->pass
                        ? 512
                        : MIN(MAX(to->cluster_bytes, 512u), CHUNK);

    c->unit = unit;
    c->scan = MIN(job->sparse / 512 * 512, CHUNK);
    if (job->target->pass)
        c->scan = MAX(c->scan, 4096);
    else if (job->compress || !job->target_is_zero)
        c->scan = MAX(c->scan / unit * unit, unit);
    else /* new space reads as zeroes: the rest of a cluster is left out */
        c->scan = MAX(c->scan / unit * unit, MIN(unit, HOLE));
    c->chunk = MAX(MAX(CHUNK, unit), job->source->pass ? 0 : from_unit);
    c->n_slots = (guint)MAX(MEMORY / c->chunk, 4);
    if (job->parallel)
        c->n_slots = CLAMP(job->parallel, 1, MAX(c->n_slots, 2));
    c->n_slots = MIN(c->n_slots, MAX_SLOTS);
}

static int32_t make_slots(struct copy *c)
{
    c->slots = g_new0(struct slot, c->n_slots);
    for (guint i = 0; i < c->n_slots; i++) {
        struct slot *slot = &c->slots[i];

        slot->copy = c;
        slot->data = block_file_memory(node_file(c->job->source, 0), c->chunk);
        slot->writes = g_array_new(FALSE, FALSE, sizeof(struct block_op));
        slot->vectors = g_array_new(FALSE, FALSE, sizeof(struct iovec));
        if (!slot->data)
            return -ENOMEM;
    }
    return 0;
}

static void free_slots(struct copy *c)
{
    for (guint i = 0; i < c->n_slots; i++) {
        free(c->slots[i].data);
        g_clear_pointer(&c->slots[i].writes, g_array_unref);
        g_clear_pointer(&c->slots[i].vectors, g_array_unref);
    }
    g_free(c->slots);
}

int32_t image_copy(struct image_copy *job, struct tn_error *error)
{
    struct copy c = {.job = job, .started = g_get_monotonic_time()};

    if (job->bytes == 0 || copy_by_file_system(job, &c.cursor))
        return 0;
    c.done = c.cursor;
    choose_sizes(&c);
    c.result = make_slots(&c);
    if (!c.result)
        run(&c);
    free_slots(&c);
    if (c.result)
        return tn_error_set(error, c.result, "copying %s to %s near offset %"
                            G_GUINT64_FORMAT ": %s", job->source->name,
                            job->target->name, job->source_offset + c.done,
                            g_strerror(-c.result));
    return 0;
}
