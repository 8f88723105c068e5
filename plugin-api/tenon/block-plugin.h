/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image formats and protocols.
 *
 * A *protocol* (kind TN_KIND_PROTOCOL, interface `tenon.protocol/1`) is where
 * bytes are: a file, a server. A *format* (kind TN_KIND_FORMAT, interface
 * `tenon.format/1`) says which of those bytes a guest sees at which offset.
 * Between them stands the block engine in core, which moves all data: formats
 * only answer questions about, and change, the *map*.
 *
 * Instances are made by the engine, one an open image, through the usual
 * create/configure/destroy; realize and later steps are not called. The
 * properties of their schema may stand in the [disk] section. They get the
 * services log and props, and a format `tenon.host.image/1` below. There may
 * be no machine at all (an image tool).
 *
 * Threads. The engine makes one call at a time to an instance, on a thread
 * [engine] of its own choosing, except those tagged [worker], which run
 * concurrently with everything and see only their arguments.
 *
 * Blocking and restarting. Calls marked *restarts* run on the engine's I/O
 * thread and may not wait. If such a call asks tn_image.read() for metadata
 * that is not in memory, read() returns -EAGAIN; the call must then return
 * -EAGAIN having changed nothing that a second try would change again. The
 * engine fetches the bytes and calls again with the same arguments. So: read
 * everything first, then change. What a call has read stays in memory until
 * it succeeds. Calls marked *may block* never see -EAGAIN.
 *
 * Order of metadata on stable storage. Changes go to the engine's cache and
 * from there to the file, in the order that tn_image.order() demands, with
 * flushes between. The engine itself guarantees that data written to newly
 * allocated space is stable before any metadata changed in commit() is, and
 * that space given back with tn_image.release() is not offered for reuse
 * (tn_format.release()) before the metadata that no longer refers to it is
 * stable. An image that was killed at any instant is then consistent but for
 * leaked space.
 *
 * Hostile images: every value read from a file is checked before it is used.
 * The engine checks in addition that extents lie inside the file and refuses
 * nonsense with -EIO.
 */
#ifndef TENON_BLOCK_PLUGIN_H
#define TENON_BLOCK_PLUGIN_H

#include "block.h" /* struct tn_iovec */
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ======== protocols ======== */

/* open() flags, also of formats where they apply */
#define TN_IMAGE_WRITABLE 0x1u
#define TN_IMAGE_DIRECT 0x2u   /* bypass the host's page cache */
#define TN_IMAGE_UNLOCKED 0x4u /* take no locks (looking at an image in use) */
#define TN_IMAGE_SHARED 0x8u   /* others may write meanwhile */
#define TN_IMAGE_CHECK 0x10u   /* format: open it although it is damaged, for
                                  check() */
#define TN_IMAGE_NO_IO 0x20u   /* format: only info() and metadata is wanted;
                                  what only data needs (keys) may be missing */
#define TN_IMAGE_KEEP_ID 0x40u /* format: the content id stays although the
                                  content changes: those based on the image are
                                  to accept it at any moment (a commit) */

#define TN_PROTOCOL_READ_ONLY 0x1u    /* cannot be written */
#define TN_PROTOCOL_CAN_DISCARD 0x2u
#define TN_PROTOCOL_CAN_ZERO 0x4u     /* ZERO without writing */
#define TN_PROTOCOL_CAN_RESIZE 0x8u
#define TN_PROTOCOL_GROWS 0x10u       /* a write beyond the end makes it longer */
#define TN_PROTOCOL_ZERO_INIT 0x20u   /* what it grows by reads as zeroes */
#define TN_PROTOCOL_ROTATIONAL 0x40u
#define TN_PROTOCOL_CAN_FUA 0x80u

struct tn_protocol_info {
    uint32_t size;
    uint32_t flags;
    uint64_t bytes;
    uint32_t block_bytes; /* unit of requests: offset, length ... */
    uint32_t memory_alignment; /* ... and addresses; 1: no constraint */
    uint32_t physical_bytes;
    uint32_t optimal_bytes;
    uint32_t discard_bytes;
    /* A file descriptor that is the bytes, or -1. With one, the engine reads
     * and writes by itself (io_uring, threads), flushes with fdatasync, and
     * discards and zeroes with fallocate; submit() is not called. It stays
     * the instance's. */
    int32_t fd;
    uint64_t allocated; /* bytes it occupies, if known, else 0 */
    char serial[64];
};

/* A request to a protocol; ops and flags are those of tn_disk_request. */
struct tn_protocol_request {
    uint32_t size;
    uint32_t op;
    uint32_t flags;
    uint32_t n_iov;
    uint64_t offset;
    uint64_t bytes;
    const struct tn_iovec *iov;
    /* [any] Called by the plugin exactly once, not from inside submit().
     * 0 or a negative errno; a short transfer is an error. */
    void (*done)(struct tn_protocol_request *request, int32_t result);
    void *opaque;
    void *plugin[4]; /* the plugin's while in flight */
};

/* What block status says of a range. */
#define TN_STATUS_DATA 0u
#define TN_STATUS_HOLE 1u /* not allocated, reads as zeroes */

/*
 * For filters: protocols that stand before another one. The child is opened by
 * the engine with the protocol that NAME asks for.
 */
#define TN_HOST_CHILD "tenon.host.child/1"
struct tn_child;
struct tn_children {
    uint32_t size;
    uint32_t reserved;
    /* [engine, in open() only, may block] */
    int32_t (*open)(struct tn_host *host, const char *name, uint32_t flags,
                    struct tn_child **child, struct tn_error *error);
    /* [engine] In close(), or after a failed open(). NULL is allowed. */
    void (*close)(struct tn_host *host, struct tn_child *child);
    /* [engine] Its fd is -1. */
    void (*info)(struct tn_host *host, struct tn_child *child,
                 struct tn_protocol_info *info);
    /* [engine] REQUEST as in tn_protocol.submit(); it is the caller's own
     * structure until done() is called, [engine]. */
    void (*submit)(struct tn_host *host, struct tn_child *child,
                   struct tn_protocol_request *request);
    /* [engine, may block] */
    int32_t (*resize)(struct tn_host *host, struct tn_child *child,
                      uint64_t bytes, struct tn_error *error);
    int32_t (*status)(struct tn_host *host, struct tn_child *child,
                      uint64_t offset, uint64_t *bytes);
    /* [engine, may block] In tn_protocol.create(): make NAME. */
    int32_t (*create)(struct tn_host *host, const char *name, uint64_t bytes,
                      struct tn_error *error);
    /* [engine] Call FUNCTION on the engine's thread after NANOSECONDS; for
     * requests that are delayed. close() is not called before it has run. */
    void (*later)(struct tn_host *host, uint64_t nanoseconds,
                  void (*function)(void *opaque), void *opaque);
};

/*
 * Keys and passwords, for formats and protocols. Given by the user, never in a
 * machine file's plain text unless the user puts them there.
 */
#define TN_HOST_SECRET "tenon.host.secret/1"
struct tn_secrets {
    uint32_t size;
    uint32_t reserved;
    /* [engine, may block] The bytes of secret ID; valid until the call into
     * the plugin returns. -ENOENT with ERROR set: there is no such secret. */
    int32_t (*get)(struct tn_host *host, const char *id, const void **data,
                   uint64_t *bytes, struct tn_error *error);
};

#define TN_PROTOCOL "tenon.protocol/1"
struct tn_protocol {
    uint32_t size;
    uint32_t reserved;
    /* URI schemes it serves, separated by commas ("http,https"); those that
     * are not the component's id stand in its tn_component_info.provides too,
     * which is where they are looked for. A name without a scheme is for the
     * protocol whose component id is "file". */
    const char *schemes;
    /* [engine, may block] NAME: a path or URI. FLAGS: TN_IMAGE_*. Takes the
     * locks that others take on such an image: -EBUSY with a text that says
     * so. */
    int32_t (*open)(void *self, const char *name, uint32_t flags,
                    struct tn_error *error);
    /* [engine] After the last request is done. */
    void (*close)(void *self);
    /* [engine] */
    void (*info)(void *self, struct tn_protocol_info *info);
    /* [engine, may block] Make NAME, BYTES long; an existing file is replaced.
     * The instance is not open before or after. */
    int32_t (*create)(void *self, const char *name, uint64_t bytes,
                      struct tn_error *error);
    /* [engine] Optional if there is a descriptor. */
    void (*submit)(void *self, struct tn_protocol_request *request);
    /* [engine, may block] Optional. Change the length. */
    int32_t (*resize)(void *self, uint64_t bytes, struct tn_error *error);
    /* [engine, may block] Optional: without it all is data. TN_STATUS_* at
     * OFFSET, which is inside; *BYTES: for how long that holds, at least 1. */
    int32_t (*status)(void *self, uint64_t offset, uint64_t *bytes);
};

/* ======== formats ======== */

/* ---- what the engine gives a format ---- */

/* Files of an image: 0 is the image itself; others are those that add_file()
 * returned (external data, extents of a split image). */
#define TN_IMAGE_FILE_SELF 0u

#define TN_HOST_IMAGE "tenon.host.image/1"
struct tn_image {
    uint32_t size;
    uint32_t reserved;

    /* [engine] Bytes in FILE now; more than were there at open if the engine
     * wrote beyond its end. */
    uint64_t (*length)(struct tn_host *host, uint32_t file);
    /* [engine, in open() only] The unit of caching, ordering and writing
     * metadata: a power of two, 512..65536; 4096 at first. Structures that
     * need an order between them must not share a unit. */
    int32_t (*set_block)(struct tn_host *host, uint32_t bytes);
    /* [engine] BYTES of metadata at OFFSET, which must not cross a unit.
     * *DATA is valid until the call into the plugin returns. Bytes beyond the
     * end of the file read as zeroes. 0, -EAGAIN or an I/O error. */
    int32_t (*read)(struct tn_host *host, uint32_t file, uint64_t offset,
                    uint32_t bytes, const void **data);
    /* [engine] Change metadata, within a unit, at once in the cache and later
     * in the file. May also create: a unit that was never read and is written
     * as a whole is not read first. 0, -EAGAIN (nothing was changed; not after
     * a read() of the unit in the same call), -EROFS. */
    int32_t (*write)(struct tn_host *host, uint32_t file, uint64_t offset,
                     uint32_t bytes, const void *data);
    /* [engine] The unit at THEN may reach the file only when what is now in
     * the unit at FIRST is stable. Call it before changing THEN. -EAGAIN:
     * that would be a circle; the engine writes FIRST's dependencies out and
     * calls again. */
    int32_t (*order)(struct tn_host *host, uint32_t first_file,
                     uint64_t first, uint32_t then_file, uint64_t then);
    /* [engine, may block] Make everything written so far stable. */
    int32_t (*flush)(struct tn_host *host);
    /* [engine] Space has a reference less once the changes of this call are
     * stable: tn_format.release() is called then. */
    void (*release)(struct tn_host *host, uint32_t file, uint64_t offset,
                    uint64_t bytes);
    /* [engine, may block] Any length and offset, past the cache but coherent
     * with it: open, check, create, snapshots. Reading beyond the end gives
     * zeroes. */
    int32_t (*pread)(struct tn_host *host, uint32_t file, uint64_t offset,
                     void *data, uint64_t bytes);
    int32_t (*pwrite)(struct tn_host *host, uint32_t file, uint64_t offset,
                      const void *data, uint64_t bytes);
    /* [engine, may block] */
    int32_t (*set_length)(struct tn_host *host, uint32_t file, uint64_t bytes,
                          struct tn_error *error);
    /* [engine, in open(), create() and resize() only, may block] Open another
     * file of the image, NAME being relative to the image. Returns its index,
     * or a negative errno; -EPERM if the caller forbids it. */
    int32_t (*add_file)(struct tn_host *host, const char *name, uint32_t flags,
                        struct tn_error *error);
    /* [any] Zeroed memory, or NULL also when the engine's limit for this
     * image is reached: tables whose size the image decides come from here.
     * Freed with free(). */
    void *(*allocate)(struct tn_host *host, uint64_t bytes);
    void (*free)(struct tn_host *host, void *memory);
    /* [engine] Like release(), and that was the only reference: the engine may
     * give the space back to the protocol before tn_format.release() makes it
     * free for other use. */
    void (*drop)(struct tn_host *host, uint32_t file, uint64_t offset,
                 uint64_t bytes);
    /* [engine, in create() and resize() only, may block] Make another file of
     * the image, NAME being relative to the image, and open it. As
     * add_file(). */
    int32_t (*create_file)(struct tn_host *host, const char *name,
                           uint64_t bytes, struct tn_error *error);
    /* [engine, may block] Have the space from OFFSET on, which is beyond what
     * was written: TN_PREALLOCATE_FALLOC or _FULL. The file grows. */
    int32_t (*preallocate)(struct tn_host *host, uint32_t file,
                           uint64_t offset, uint64_t bytes, uint32_t mode,
                           struct tn_error *error);
    /* [any] The name the image was opened or made by, a path or URI. */
    const char *(*name)(struct tn_host *host);
    /* [engine] In a call that restarts, which then returns -EAGAIN: begin a
     * flush, and call again when it is done. For a format whose before_flush()
     * makes the room that the call needs. */
    void (*want_flush)(struct tn_host *host);
};

/* Space for a new image's data, in the order of a `preallocation` property's
 * choices: "off|metadata|falloc|full". */
#define TN_PREALLOCATE_OFF 0u
#define TN_PREALLOCATE_METADATA 1u /* the tables are there, the data a hole */
#define TN_PREALLOCATE_FALLOC 2u   /* the space is reserved, not written */
#define TN_PREALLOCATE_FULL 3u     /* zeroes are written */

/* ---- what a format answers ---- */

/* tn_extent.kind */
#define TN_EXTENT_DATA 0u        /* at `at` in `file` */
#define TN_EXTENT_ZERO 1u        /* zeroes */
#define TN_EXTENT_UNALLOCATED 2u /* the backing image's, or zeroes */
#define TN_EXTENT_COMPRESSED 3u  /* stored bytes that decode() expands */

/* tn_extent.flags */
#define TN_EXTENT_WRITABLE 0x1u /* DATA: may be written in place */
#define TN_EXTENT_RESERVED 0x2u /* ZERO: space is allocated (at `at`) */
#define TN_EXTENT_ENCRYPTED 0x4u /* DATA: goes through transform() */
#define TN_EXTENT_FLAT 0x8u /* DATA: its place was given to it when the image
                               was made; what was never written may be a hole
                               in the file */

/* What a stretch of the guest's bytes is. */
struct tn_extent {
    uint32_t kind;
    uint32_t flags;
    uint32_t file;
    uint32_t codec;    /* COMPRESSED: for decode(), the format's meaning */
    uint64_t offset;   /* guest offset it starts at */
    uint64_t bytes;    /* guest bytes */
    uint64_t at;       /* DATA: offset in the file. COMPRESSED: of the stored
                          bytes */
    uint64_t stored;   /* COMPRESSED: how many (an upper bound) */
    uint64_t unit;     /* COMPRESSED: guest offset of the first byte that ... */
    uint64_t unit_bytes; /* ... decode() makes, and how many; at most 2 MiB */
};

/* allocate() flags */
#define TN_ALLOCATE_WHOLE 0x1u /* the caller will write the whole cluster: no
                                  old content needs to be kept */
/* OFFSET is a multiple of tn_image_info.compress_bytes, and BYTES that or up to
 * the end of the image; it will be stored as tn_allocation.stored bytes (set
 * by the caller), made by encode(). `at` need not be aligned. */
#define TN_ALLOCATE_COMPRESSED 0x2u

/* tn_allocation.flags, beside TN_EXTENT_ENCRYPTED. The file is made at least
 * `at` + `bytes` long before commit(), also if nothing is written there. */
#define TN_ALLOCATION_EXTENDS 0x100u

/* Space for a write, reserved but not yet visible. */
struct tn_allocation {
    uint32_t size;
    uint32_t file;
    uint64_t offset; /* guest range that the space stands for: a superset of ..*/
    uint64_t bytes;  /* .. the part of the request that it covers */
    uint64_t at;     /* where in the file it is, contiguous */
    uint32_t flags;  /* TN_EXTENT_ENCRYPTED, TN_ALLOCATION_EXTENDS */
    uint32_t fresh;  /* 1: space beyond the old end of the file or known to
                        read as zeroes: zeroes need not be written */
    uint64_t plugin[4]; /* the format's own */
    uint64_t stored;    /* TN_ALLOCATE_COMPRESSED: bytes written at `at` */
    uint32_t codec;     /* the same: as given to encode() */
    uint32_t reserved;
};

/* A unit to compress: encode(). */
struct tn_encode {
    uint32_t size;
    uint32_t codec;  /* tn_image_info.codec */
    uint64_t offset; /* guest offset of the unit */
    const void *data;
    uint64_t bytes;
    void *stored; /* ROOM bytes for the result; room is BYTES plus 4096 */
    uint64_t room;
};

/* change() kinds */
#define TN_CHANGE_ZERO 1u    /* reads as zeroes; keep the space */
#define TN_CHANGE_UNMAP 2u   /* reads as zeroes; give the space back */
#define TN_CHANGE_DISCARD 3u /* reads as anything; give the space back */
#define TN_CHANGE_FORGET 4u  /* the image no longer says what is there: the
                                backing image's is seen again; give the space
                                back. -ENOTSUP is allowed */

#define TN_FORMAT_CAN_ZERO 0x1u     /* change() does ZERO and UNMAP */
#define TN_FORMAT_CAN_DISCARD 0x2u
#define TN_FORMAT_COMPRESSES 0x4u
#define TN_FORMAT_BACKING 0x8u      /* may have a backing image */
#define TN_FORMAT_DAMAGED 0x10u     /* marked corrupt; read-only */
#define TN_FORMAT_PASS 0x20u        /* the map is the identity: raw. map() is
                                       not called */
/* written() wants to be called. */
#define TN_FORMAT_TRACKS_WRITES 0x40u
#define TN_FORMAT_ENCRYPTED 0x80u
/* Has compressed extents, or was marked as compressed. */
#define TN_FORMAT_COMPRESSED 0x100u
/* Was not closed cleanly; check() repairs it. open() of a writable image may
 * do so by itself. */
#define TN_FORMAT_DIRTY 0x200u
/* Units are only ever appended, in order, once each: streamOptimized. */
#define TN_FORMAT_SEQUENTIAL 0x400u
/* Every extent is DATA and WRITABLE: allocate() is not needed, nor a cluster
 * size. */
#define TN_FORMAT_IN_PLACE 0x800u

/* What open() found. Texts are UTF-8 as far as the image's are. */
struct tn_image_info {
    uint32_t size;
    uint32_t flags;
    uint64_t bytes;         /* what the guest sees; multiple of 512 */
    uint32_t cluster_bytes; /* unit of allocation; 0 none */
    uint32_t change_bytes;  /* unit of change(); 0 none */
    char backing[1024];     /* as it stands in the image; "" none */
    char backing_format[64];
    char format_version[32]; /* for people: "qcow2 v3" */
    /* Compressed writes: the unit, at most 2 MiB, and the codec; 0: none. */
    uint32_t compress_bytes;
    uint32_t codec;
    uint32_t block_bytes; /* smallest unit of the guest's requests; 0: 512 */
    uint32_t reserved;
    /* What says that the content is still the one that images above were made
     * of (a CID, a UUID); "" none. And the one that the backing image must
     * have: another one is an error unless backing_id is "". */
    char content_id[64];
    char backing_id[64];
    /* The image's part of a snapshot's machine state begins here; 0 none. */
    uint64_t state_bytes;
};

/* check() result */
struct tn_check {
    uint32_t size;
    uint32_t repair; /* in: 0 look only, 1 give back leaks, 2 repair all */
    uint64_t corruptions;
    uint64_t leaks;
    uint64_t corruptions_fixed;
    uint64_t leaks_fixed;
    uint64_t allocated_clusters;
    uint64_t total_clusters;
    uint64_t compressed_clusters;
    uint64_t fragmented_clusters;
    uint64_t image_end; /* highest byte in use + 1 */
    /* Optional. One line for each thing found. */
    void (*message)(void *opaque, const char *text);
    void *opaque;
};

struct tn_image_snapshot {
    uint32_t size;
    uint32_t index;
    char id[64];
    char name[256];
    uint64_t bytes;         /* disk size at that time */
    uint64_t state_bytes;   /* saved machine state, 0 none */
    uint64_t date_seconds;  /* since 1970 */
    uint32_t date_nanoseconds;
    uint32_t reserved;
    uint64_t clock_nanoseconds; /* the machine's clock then */
};

#define TN_SNAPSHOT_CREATE 0u
#define TN_SNAPSHOT_APPLY 1u
#define TN_SNAPSHOT_DELETE 2u
/* Until the image is closed map() shows what the snapshot has. The image was
 * opened without TN_IMAGE_WRITABLE; tn_image_info.bytes becomes the
 * snapshot's. */
#define TN_SNAPSHOT_VIEW 3u

/* A persistent dirty bitmap. */
struct tn_image_bitmap {
    uint32_t size;
    uint32_t index;
    char name[1024];
    uint64_t granularity; /* bytes a bit stands for, a power of two */
    uint32_t flags;       /* TN_BITMAP_* */
    uint32_t reserved;
};

#define TN_BITMAP_ENABLED 0x1u      /* records writes ("auto") */
#define TN_BITMAP_IN_USE 0x2u       /* was not saved: its bits mean nothing */
#define TN_BITMAP_EXTRA 0x4u        /* has data that others must know */

/* bitmap() kinds */
#define TN_BITMAP_ADD 0u
#define TN_BITMAP_REMOVE 1u
#define TN_BITMAP_CLEAR 2u
#define TN_BITMAP_ENABLE 3u
#define TN_BITMAP_DISABLE 4u

/* How large a new image's files will be. */
struct tn_measure {
    uint32_t size;
    uint32_t reserved;
    uint64_t data_bytes;    /* in: what is not zeroes, in whole clusters */
    uint64_t cluster_bytes; /* out: the unit to count that in */
    uint64_t required;      /* out */
    uint64_t fully_allocated; /* out: with all data allocated */
};

/* A new image. The file exists and is empty; options are the instance's
 * properties. */
struct tn_create {
    uint32_t size;
    uint32_t reserved;
    uint64_t bytes;
    const char *backing;        /* NULL none */
    const char *backing_format; /* NULL none */
    uint64_t backing_bytes;     /* the backing image's size */
    const char *backing_id;     /* its tn_image_info.content_id; NULL none */
};

/* Another image below. */
struct tn_base {
    uint32_t size;
    uint32_t reserved;
    const char *name;   /* as it shall stand in the image; NULL none */
    const char *format; /* NULL: not known */
    const char *id;     /* its tn_image_info.content_id; NULL: not known */
};

/* New values of properties with TN_PROP_AMEND, as texts. */
struct tn_amend {
    uint32_t size;
    uint32_t n;
    const char *const *names;
    const char *const *values;
    uint32_t force; /* do what cannot be undone (erase a last key) */
    uint32_t reserved;
};

#define TN_FORMAT "tenon.format/1"
struct tn_format {
    uint32_t size;
    uint32_t reserved;

    /* [any] How sure it is that HEADER, the first BYTES (at most 4096) of a
     * file of LENGTH bytes, is its format: 0 no .. 100 certain. Raw says 1.
     * Called without an instance.
     *
     * The component's tn_component_info.provides may have patterns, separated
     * by commas: OFFSET:HEX, the bytes HEX (digits) are at OFFSET (decimal) of
     * HEADER. If none of them is there the format is not asked, nor its plugin
     * loaded. "name:ENDING": a file whose name ends so has the format, if no
     * other knows its content; for marks that stand where guests write. "": it
     * is always asked; "none": never. */
    uint32_t (*probe)(const uint8_t *header, uint32_t bytes, uint64_t length);

    /* [engine, may block] FLAGS: TN_IMAGE_*. Fills INFO (zeroed before). */
    int32_t (*open)(void *self, uint32_t flags, struct tn_image_info *info,
                    struct tn_error *error);
    /* [engine, may block] Metadata that close() changes (a clean mark) is
     * flushed by the engine afterwards. */
    void (*close)(void *self);

    /* [engine, restarts] Extents from OFFSET on, in order, without gaps, at
     * most MAX of them and until BYTES are covered; the last may go beyond.
     * Returns how many, at least 1, or a negative errno. */
    int32_t (*map)(void *self, uint64_t offset, uint64_t bytes,
                   struct tn_extent *extents, uint32_t max);

    /* [engine, restarts] Reserve space for a write at OFFSET of BYTES, none of
     * whose bytes has a WRITABLE extent. May cover less than BYTES, but OFFSET
     * itself. The range of ALLOCATION is at most one cluster longer at each
     * end. The engine writes all of it: the request's bytes and, around them,
     * what was read there before. */
    int32_t (*allocate)(void *self, uint64_t offset, uint64_t bytes,
                        uint32_t flags, struct tn_allocation *allocation);
    /* [engine, restarts] The data is written: make it visible. */
    int32_t (*commit)(void *self, const struct tn_allocation *allocation);
    /* [engine] The data could not be written: forget the reservation. */
    void (*cancel)(void *self, const struct tn_allocation *allocation);
    /* [engine, restarts] Optional. Zero or discard; OFFSET and BYTES are
     * multiples of change_bytes, except that the range may end at the end of
     * the image. *DONE: how many bytes from OFFSET on were dealt with, at
     * least one unit. */
    int32_t (*change)(void *self, uint64_t offset, uint64_t bytes,
                      uint32_t kind, uint64_t *done);
    /* [engine, restarts] Optional. What tn_image.release() or drop() announced
     * may be used again. */
    int32_t (*release)(void *self, uint32_t file, uint64_t offset,
                       uint64_t bytes);

    /* [worker] Optional. Expand STORED into the unit_bytes at DATA. */
    int32_t (*decode)(void *self, const struct tn_extent *extent,
                      const void *stored, uint64_t stored_bytes, void *data);
    /* [worker] Optional. Compress UNIT; returns how many bytes were made, 0
     * if it is better stored as it is, or a negative errno. */
    int64_t (*encode)(void *self, const struct tn_encode *unit);
    /* [worker] Optional. En- or decrypt in place; multiples of 512 bytes (or
     * tn_image_info.block_bytes). Two calls may run at once. */
    int32_t (*transform)(void *self, uint32_t encrypt, uint64_t guest_offset,
                         uint64_t file_offset, void *data, uint64_t bytes);

    /* [engine, may block] The instance is not open; the file is 0. */
    int32_t (*create)(void *self, const struct tn_create *create,
                      struct tn_error *error);
    /* The rest: [engine, may block], image open, no request in flight,
     * optional. */
    int32_t (*resize)(void *self, uint64_t bytes, struct tn_error *error);
    int32_t (*check)(void *self, struct tn_check *check,
                     struct tn_error *error);
    int32_t (*set_backing)(void *self, const char *backing,
                           const char *backing_format, struct tn_error *error);
    int32_t (*snapshot_info)(void *self, uint32_t index,
                             struct tn_image_snapshot *snapshot);
    int32_t (*snapshot)(void *self, uint32_t what,
                        struct tn_image_snapshot *snapshot,
                        struct tn_error *error);
    /* Facts for people and tools: a JSON object, copied into TEXT; returns its
     * length, or -ENOSPC. */
    int32_t (*describe)(void *self, char *text, uint32_t room);

    /* [engine] Optional: TN_FORMAT_TRACKS_WRITES. BYTES from OFFSET on were
     * or are being changed: data, zeroes or discard. Before the first one is
     * acknowledged. No I/O; what has to be written is written in commit(),
     * before a flush or in close(). */
    void (*written)(void *self, uint64_t offset, uint64_t bytes);
    /* [engine, restarts] Optional. A flush begins: metadata that written()
     * put off. */
    int32_t (*before_flush)(void *self);
    /* [engine, may block] Optional. Read (WRITE 0) or write the machine state
     * of the snapshot that is viewed or about to be created. */
    int32_t (*state_io)(void *self, uint32_t write, uint64_t offset,
                        void *data, uint64_t bytes);
    /* As snapshot_info(): -ENOENT beyond the last one. */
    int32_t (*bitmap_info)(void *self, uint32_t index,
                           struct tn_image_bitmap *bitmap);
    /* ADD takes name, granularity (0: default), flags; others the name. */
    int32_t (*bitmap)(void *self, uint32_t what,
                      const struct tn_image_bitmap *bitmap,
                      struct tn_error *error);
    /* Bits of bitmap INDEX from guest OFFSET on, a multiple of granularity *
     * 8; lowest bit first. WRITE 0: read, 1: add those that are set. */
    int32_t (*bitmap_bits)(void *self, uint32_t index, uint32_t write,
                           uint64_t offset, uint8_t *bits, uint64_t bytes);
    int32_t (*amend)(void *self, const struct tn_amend *amend,
                     struct tn_error *error);
    /* [any] Instance not open; properties are the new image's. */
    int32_t (*measure)(void *self, const struct tn_create *create,
                       struct tn_measure *measure, struct tn_error *error);
    /* How many of file 0's units of cluster_bytes are in use; counting may end
     * at ENOUGH. For formats that give clusters their place ahead of their
     * data (preallocated metadata): if clearly fewer have space on the disk,
     * a tool that reports where data is asks the file for holes, too. */
    int32_t (*used)(void *self, uint64_t enough, uint64_t *clusters);
    /* What set_backing() does, for formats that need the base's content id
     * too; there is one or the other. After a loss of power the image is based
     * on the old one or on the new one. */
    int32_t (*set_base)(void *self, const struct tn_base *base,
                        struct tn_error *error);
};

#ifdef __cplusplus
}
#endif
#endif
