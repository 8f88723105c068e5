#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone, as C11 without extensions' help and as
# C++, with nothing but itself and the C library.
set -eu
api=${TENON_TOP_SRCDIR:-.}/plugin-api
cc=${CC:-cc}
cxx=${CXX:-c++}
status=0
for header in "$api"/tenon/*.h; do
    name=tenon/${header##*/}
    echo "#include <$name>" |
        $cc -std=gnu11 -Wall -Wextra -Werror -I"$api" -x c -fsyntax-only - || {
        echo "$name: not as C"
        status=1
    }
    command -v "$cxx" >/dev/null || continue
    echo "#include <$name>" |
        $cxx -std=gnu++17 -Wall -Wextra -Werror -I"$api" -x c++ -fsyntax-only - || {
        echo "$name: not as C++"
        status=1
    }
done
command -v "$cxx" >/dev/null || echo "no C++ compiler: only C was tried"
exit $status
