/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block engine's own properties of a [disk]. The format's and protocol's
 * are those of their components.
 */
#include "core/config/machine-desc.h"

const struct tn_property tn_block_schema[] = {
    {"image", TN_PROP_PATH, TN_PROP_REQUIRED, "", "", "", "", "",
     "file name or URI of the image"},
    {"format", TN_PROP_STRING, 0, "", "", "", "", "",
     "component of kind format; default: found by looking at the image"},
    {"protocol", TN_PROP_STRING, 0, "", "", "", "", "",
     "component of kind protocol; default: by the URI, else file"},
    {"readonly", TN_PROP_BOOL, 0, "no", "", "", "", "",
     "the guest cannot write"},
    {"snapshot", TN_PROP_BOOL, 0, "no", "", "", "", "",
     "writes go to a temporary file and are dropped at the end"},
    {"cache", TN_PROP_ENUM, 0, "writeback", "", "",
     "writeback|none|writethrough|unsafe|directsync", "",
     "none: direct I/O; writethrough: each write is flushed; directsync: "
     "both; unsafe: the guest's flushes do nothing"},
    {"aio", TN_PROP_ENUM, 0, "auto", "", "", "auto|io_uring|threads", "",
     "how files are read and written; auto: io_uring where there is one"},
    {"discard", TN_PROP_BOOL, 0, "yes", "", "", "", "",
     "pass the guest's discards to the image"},
    {"detect-zeroes", TN_PROP_ENUM, 0, "no", "", "", "no|yes|unmap", "",
     "make writes of zeroes cheap by looking for them; unmap: give their "
     "space back"},
    {"iops", TN_PROP_UINT, 0, "0", "", "", "", "requests/s",
     "throttle: requests a second; 0: none"},
    {"iops-read", TN_PROP_UINT, 0, "0", "", "", "", "requests/s",
     "throttle: reads a second"},
    {"iops-write", TN_PROP_UINT, 0, "0", "", "", "", "requests/s",
     "throttle: writes, discards and zeroings a second"},
    {"bandwidth", TN_PROP_SIZE, 0, "0", "", "", "", "bytes/s",
     "throttle: bytes a second; 0: none"},
    {"bandwidth-read", TN_PROP_SIZE, 0, "0", "", "", "", "bytes/s",
     "throttle: bytes read a second"},
    {"bandwidth-write", TN_PROP_SIZE, 0, "0", "", "", "", "bytes/s",
     "throttle: bytes written a second"},
    {"burst", TN_PROP_TIME, 0, "100ms", "", "", "", "",
     "throttle: how much of an idle time may be caught up at once"},
};
const guint tn_block_schema_rows = G_N_ELEMENTS(tn_block_schema);
