#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a libFuzzer target of a format's test in a tree configured with
#   CC=clang --enable-sanitizers CFLAGS="-O1 -g -fsanitize=fuzzer-no-link"
# and runs it on seeds that the fuzz test makes:
#   tests/image/fuzz-target.sh BUILD FORMAT CORPUS [libFuzzer options]
# FORMAT: qcow2, vhdx, ... (plugins/fmt-FORMAT/FORMAT-kind-test.c).
set -e
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$1 format=$2 corpus=$3
shift 3
mkdir -p "$corpus"
corpus=$(cd "$corpus" && pwd)
cd "$build"
test=plugins/fmt-$format/$format-kind-test
make "plugins/fmt-$format/fmt-$format.la" plugins/fmt-raw/fmt-raw.la \
    plugins/proto-file/proto-file.la "$test" >/dev/null
export TENON_TOP_BUILDDIR="$PWD" TENON_TOP_SRCDIR="$top"
if [ -z "$(ls "$corpus")" ]; then
    for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
        TENON_TEST_ONLY=fuzz TENON_TEST_SEED=$seed TENON_TEST_MUTATIONS=1 \
            TENON_TEST_SAVE="$corpus/seed$seed" "$test" >/dev/null
    done
fi
target=plugins/fmt-$format/$format-fuzz
# What links the test links the target, but for main().
clang -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -DTENON_LIBFUZZER -D_GNU_SOURCE -I. -I"$top" \
    -I"$top/plugin-api" $(pkg-config --cflags glib-2.0) \
    "$top/$test.c" tests/image/.libs/libimage-test.a -o "$target" \
    $(sed -n "s/^inherited_linker_flags='\(.*\)'/\1/p
              s/^dependency_libs='\(.*\)'/\1/p" tests/image/libimage-test.la |
      sed 's/[^ ]*\.la//g') -rdynamic
exec "$target" "$@" "$corpus"
