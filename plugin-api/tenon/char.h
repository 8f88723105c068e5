/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character streams: what a serial port or a console device is connected to.
 *
 * Two sides that never meet: a device uses the service `tenon.host.char/1`, a
 * back-end (a component of kind TN_KIND_CHAR) offers the interface
 * `tenon.char/1`. Core stands between: it checks what both say, buffers what a
 * slow back-end does not take at once, and keeps the optional log.
 */
#ifndef TENON_CHAR_H
#define TENON_CHAR_H

#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TN_CHAR_OPENED 1u /* somebody is at the other end */
#define TN_CHAR_CLOSED 2u
#define TN_CHAR_BREAK 3u /* a serial break was received */

/* ---- the device's side ---- */

struct tn_char_stream; /* one open connection of a device */

/* What a device wants to hear. All on its I/O thread, under its lock. */
struct tn_char_handlers {
    uint32_t size;
    uint32_t reserved;
    /* [io] How many bytes it can take now. Core asks before it receives; a
     * device that said 0 calls accept() when that has changed. */
    uint32_t (*can_receive)(void *opaque);
    /* [io] At most as many as can_receive() said. */
    void (*receive)(void *opaque, const uint8_t *data, uint32_t bytes);
    /* [io] Optional. TN_CHAR_OPENED and the others. */
    void (*event)(void *opaque, uint32_t event);
    /* [io] Optional. write() took less than asked, and now takes more. */
    void (*writable)(void *opaque);
};

#define TN_HOST_CHAR "tenon.host.char/1"
struct tn_chars {
    uint32_t size;
    uint32_t reserved;
    /* [control] Connect to the character back-end instance ID, or, where ID is
     * NULL, to the one that the property `chardev` names. A device without
     * one gets a stream that swallows what is written. NULL with ERROR set:
     * there is no such back-end or it has another user. HANDLERS are not
     * copied. */
    struct tn_char_stream *(*open)(struct tn_host *host, const char *id,
                                   const struct tn_char_handlers *handlers,
                                   void *opaque, struct tn_error *error);
    /* [control] */
    void (*close)(struct tn_host *host, struct tn_char_stream *stream);
    /* [any] Send; returns how many bytes were taken. Less than BYTES only when
     * the back-end is slow and core's buffer is full: writable() follows. */
    uint32_t (*write)(struct tn_host *host, struct tn_char_stream *stream,
                      const uint8_t *data, uint32_t bytes);
    /* [any] can_receive() would return more than before. */
    void (*accept)(struct tn_host *host, struct tn_char_stream *stream);
    /* [any] 1 if somebody is at the other end. */
    uint32_t (*is_open)(struct tn_host *host, struct tn_char_stream *stream);
    /* [any] Send a break, if the back-end knows what that is. */
    void (*send_break)(struct tn_host *host, struct tn_char_stream *stream);
    /* [control] Wait until the back-end has what was written, as long as it
     * takes any of it within five seconds. For the end of a device's life;
     * close() does it too. */
    void (*flush)(struct tn_host *host, struct tn_char_stream *stream);
};

/* ---- the back-end's side ---- */

/* How a back-end hands over what it received. Core gives it the table. */
struct tn_char_sink {
    uint32_t size;
    uint32_t reserved;
    /* [io] How many bytes would be taken now. With 0 the back-end stops
     * reading until wanted() is called. */
    uint32_t (*room)(void *opaque);
    /* [io] At most room(). */
    void (*receive)(void *opaque, const uint8_t *data, uint32_t bytes);
    /* [io] */
    void (*event)(void *opaque, uint32_t event);
    /* [io] write() took less than asked, and would now take more. */
    void (*writable)(void *opaque);
};

/* The property every character back-end has; core does what it says. */
#define TN_CHAR_LOG_PROPERTY                                                   \
    {                                                                          \
        .name = "log", .type = TN_PROP_PATH,                                   \
        .doc = "File to which everything the guest sends is appended too"      \
    }

#define TN_CHAR "tenon.char/1"
struct tn_char {
    uint32_t size;
    uint32_t reserved;
    /* [control] Where to deliver; SINK is NULL when the device goes away. */
    void (*attach)(void *self, const struct tn_char_sink *sink, void *opaque);
    /* [io] Returns how many bytes were taken (0 is allowed), or a negative
     * errno: then the bytes are dropped and the error is logged once. */
    int32_t (*write)(void *self, const uint8_t *data, uint32_t bytes);
    /* [io] room() is not 0 any more. */
    void (*wanted)(void *self);
    /* [io] Optional. */
    void (*send_break)(void *self);
};

#ifdef __cplusplus
}
#endif
#endif
