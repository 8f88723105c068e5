#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands for the unit tests where they could not be built.
if grep -q '^HAVE_CMOCKA_TRUE = #' "$TENON_TOP_BUILDDIR/Makefile"; then
    echo "skipped: the unit tests need cmocka (Debian: libcmocka-dev)"
    exit 77
fi
