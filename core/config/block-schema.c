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
     "writeback|none|writethrough|unsafe", "",
     "none: direct I/O; unsafe: the guest's flushes do nothing"},
    {"discard", TN_PROP_BOOL, 0, "yes", "", "", "", "",
     "pass the guest's discards to the image"},
    {"detect-zeroes", TN_PROP_BOOL, 0, "no", "", "", "", "",
     "make writes of zeroes cheap by looking for them"},
    {"iops", TN_PROP_UINT, 0, "0", "", "", "", "requests/s",
     "throttle: requests a second; 0: none"},
    {"bandwidth", TN_PROP_SIZE, 0, "0", "", "", "", "bytes/s",
     "throttle: bytes a second; 0: none"},
};
const guint tn_block_schema_rows = G_N_ELEMENTS(tn_block_schema);
