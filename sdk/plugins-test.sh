#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every plugin of the tree keeps to the ABI; one that does not is found out.
set -eu
check=$TENON_TOP_BUILDDIR/sdk/tenon-plugin-check
set -- "$TENON_TOP_BUILDDIR"/plugins/*/.libs/*.so
[ -e "$1" ] || {
    echo "no plugin was built"
    exit 77
}
"$check" "$@"
"$check" "$TENON_TOP_BUILDDIR"/core/plugin/.libs/test-plugin-other-info.so &&
    exit 1
exit 0
