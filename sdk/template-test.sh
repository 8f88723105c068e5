#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The template builds with plain make against the headers alone, passes the
# checker, and tenon finds and describes it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$TENON_TOP_SRCDIR"/sdk/template/* "$work"
chmod 755 "$work"
make -s -C "$work" TENON_CFLAGS="-I$TENON_TOP_SRCDIR/plugin-api -Werror" \
    CFLAGS=-O1 MAKEFLAGS=
"$TENON_TOP_BUILDDIR/sdk/tenon-plugin-check" "$work/counter.so"
"$TENON_TOP_BUILDDIR/tools/tenon" describe --plugin-dir "$work" \
    com.example.counter
"$TENON_TOP_BUILDDIR/tools/tenon" describe --plugin-dir "$work" \
    --no-third-party com.example.counter && exit 1
exit 0
