/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in memory, for tests: takes the place of the protocol "file", so that
 * thousands of images a second are opened, changed and put back, and nothing
 * depends on a disk or another thread. A name that is not in memory does not
 * exist: what an image may open is what the test has put there.
 */
#ifndef TENON_TESTS_IMAGE_MEMORY_H
#define TENON_TESTS_IMAGE_MEMORY_H

#include "core/block/block-test.h"

#define MEMORY_PAGE 4096u
#define MEMORY_MOST (1ull << 30) /* that a file can have; more is no space */

struct memory;

struct memory_file {
    struct memory *memory;
    char *name;
    uint8_t *data; /* MEMORY_MOST of address space, zero beyond HIGH */
    uint64_t length;
    uint64_t high; /* nothing beyond was ever written */
    /* What mem_restore() puts back. */
    uint8_t *base; /* likewise */
    uint64_t base_length;
    uint64_t base_high;
    uint8_t *is_dirty; /* a byte a page: DATA differs from BASE */
    GArray *dirty;     /* of guint32, those pages */
    guint opens;
};

/* What reached a file; DATA NULL: zeroes. */
enum memory_change {
    MEMORY_WRITE,
    MEMORY_ZERO,
    MEMORY_RESIZE, /* to BYTES */
    MEMORY_FLUSH,
};

struct memory {
    GHashTable *files; /* name -> struct memory_file */
    struct block_context *context;
    struct tn_component_entry *entry;
    struct tn_component_ops real;
    guint64 restored_pages;
    /* Optional: called for each change. */
    void (*changed)(void *opaque, struct memory_file *file,
                    enum memory_change change, uint64_t offset, uint64_t bytes,
                    const uint8_t *data);
    void *opaque;
    /* Optional: requests are done in an order drawn from it. */
    GRand *shuffle;
    GPtrArray *pending; /* of struct tn_protocol_request * */
};

/* From now on "file" of T's registry is memory; T's context must be one with
 * BLOCK_IO_INLINE. One at a time in a program. */
struct memory *mem_enter(struct image_test *t);
/* "file" is files again; what is in memory is lost. NULL is allowed. */
void mem_leave(struct memory *memory);

/* A file of that content; one that is there is replaced. */
struct memory_file *mem_put(struct memory *memory, const char *name,
                               const uint8_t *data, uint64_t bytes);
/* All files of DIRECTORY. Their count. */
guint mem_import(struct memory *memory, const char *directory);
/* All files in memory below DIRECTORY are written there, holes stay. */
void mem_export(struct memory *memory, const char *directory);
struct memory_file *mem_find(struct memory *memory, const char *name);
/* [offset, offset + bytes) of FILE's data is about to be changed; the file
 * becomes as long as that needs. FALSE: no space. */
gboolean mem_touch(struct memory_file *file, uint64_t offset,
                      uint64_t bytes);
/* The content of the data; DATA NULL: zeroes. FALSE: no space. */
gboolean mem_write(struct memory_file *file, uint64_t offset,
                      const uint8_t *data, uint64_t bytes);
void mem_resize(struct memory_file *file, uint64_t bytes);
/* The same to the base. */
void mem_base_write(struct memory_file *file, uint64_t offset,
                       const uint8_t *data, uint64_t bytes);
void mem_base_resize(struct memory_file *file, uint64_t bytes);
/* The data is again what the base is. */
void mem_restore(struct memory_file *file);
void mem_restore_all(struct memory *memory);

#endif
