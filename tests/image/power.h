/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the power test share: power.c records what a guest does
 * and what of it reaches the files, power-crash.c looks at what is left.
 */
#ifndef TENON_TESTS_IMAGE_POWER_H
#define TENON_TESTS_IMAGE_POWER_H

#include "tests/image/kind.h"
#include "tests/image/memory.h"

#define SECTOR 512u
#define BYTES (3u << 20)
#define MOST_BYTES (4u << 20) /* after resizes */
#define SECTORS (MOST_BYTES / SECTOR)
#define MOST_FILES 16u
#define MOST_SNAPSHOTS 64u
#define MOST_BITMAPS 32u

/* What reached a file. */
struct record {
    enum memory_change kind;
    uint32_t file;
    uint64_t offset, bytes;
    uint8_t *data; /* NULL: zeroes */
};

/* Deeds besides TN_DISK_*. */
#define DEED_RESIZE 0x100u
#define DEED_SNAPSHOT 0x101u
#define DEED_APPLY 0x102u
#define DEED_DELETE 0x103u
#define DEED_REOPEN 0x104u
#define DEED_MERGE 0x105u
#define DEED_BITMAP 0x110u /* + TN_BITMAP_* */

/* What the guest did, between records START and END. */
struct deed {
    struct block_op op;
    struct iovec iov;
    uint32_t kind; /* TN_DISK_* or DEED_* */
    uint32_t number;
    uint64_t offset, bytes; /* resize, apply: the new size */
    guint start, end;
    guint snapshot; /* or the bitmap */
    guint from;     /* merge: the other bitmap */
    uint32_t flags; /* a new bitmap's */
    uint8_t *data;
    gboolean finished;
};

struct power_file {
    struct memory_file *file;  /* the guest writes to it */
    struct memory_file *crash; /* what is left of it */
    guint applied;             /* records that its base has */
    guint flush;               /* last FLUSH before the crash point */
};

struct power_snapshot {
    uint32_t *content; /* as struct power's base */
    uint64_t bytes, state_bytes;
    guint deed, deleted; /* indexes; deleted 0: never */
};

struct power_bitmap {
    uint64_t granularity;
    guint added, removed; /* indexes of deeds; removed 0: never */
    gboolean usable;      /* after the crash under way */
};

struct power {
    struct image_test t;
    struct memory *memory;
    const struct image_kind *kind;
    struct power_file files[MOST_FILES];
    guint n_files;
    gboolean recording;
    GArray *records;
    GPtrArray *deeds;
    uint32_t *base; /* content at the start: 0, or POWER_BASE */
    struct power_snapshot snapshots[MOST_SNAPSHOTS];
    guint n_snapshots;
    struct power_bitmap bitmaps[MOST_BITMAPS];
    guint n_bitmaps;
    guint64 bitmaps_read; /* that said to be whole */
    guint64 crashes;
    guint64 reference_every;
};

#define POWER_BASE 0xffffffffu /* written before the first deed */
#define FOREIGN 0xfffffffeu    /* written by nobody */
#define BASE_OR_ZERO 0xfffffffdu
#define OR_ZERO 0x80000000u /* the deed's content, or none: discarded */

/* From now on what reaches FILE is recorded, if recording; a crash leaves what
 * there was then and a part of the rest in CRASH, which may be FILE itself. */
void power_watch(struct power *p, struct memory_file *file,
                 struct memory_file *crash);
/* A copy of FILE for that. */
struct memory_file *power_copy(struct power *p,
                               const struct memory_file *file);
/* The memory's changed(). */
void power_record(void *opaque, struct memory_file *file,
                  enum memory_change change, uint64_t offset, uint64_t bytes,
                  const uint8_t *data);
/* COUNT points in time, in order; g_free(). Nothing is recorded any more. */
guint *power_points(struct power *p, guint64 count);
/* Make what is left of file I at POINT; KEEP percent of what was not
 * flushed. */
void power_make_file(struct power *p, guint i, guint point, guint keep);
/* power-commit.c: a commit into the image below, of KIND->base or raw, and
 * power lost during it. */
void power_commit_test(const struct image_kind *kind,
                       const struct image_options *options, guint32 seed,
                       guint64 crashes);
/* Sector by sector what the first N deeds leave; the size then. */
uint64_t power_content(struct power *p, guint n, uint32_t *content);
/* The last flush that had ended. */
guint power_last_flush(const struct power *p, guint point);
/* Around calls that have the image to themselves; a flush too. */
struct deed *power_call_begin(struct power *p, uint32_t kind);
void power_call_end(struct power *p, struct deed *d, int32_t rc,
                    struct tn_error *error);

/* power-bitmap.c */
/* The machine state of snapshot I; g_free(). */
uint8_t *power_state(guint i, uint64_t bytes);
/* Of the snapshot that is about to be taken; how much. */
uint64_t power_write_state(struct power *p);
void power_do_bitmap(struct power *p);
void power_do_reopen(struct power *p);
void power_check_bitmaps(struct power *p, guint point);
void power_note_bitmaps(struct power *p);
void power_check_written(struct power *p, const uint64_t *offsets, guint n,
                         uint64_t bytes);

/* Power is lost after POINT records; points come in ascending order. */
void power_crash(struct power *p, guint point);

#endif
