#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the programs of a built riscv-tests (github.com/riscv-software-src) that
# lie in $TENON_RISCV_TESTS: rv64*-p-*, rv64*-v-*, rv32*-p-*, on every
# accelerator that was built.
if [ -z "$TENON_RISCV_TESTS" ] || [ ! -d "$TENON_RISCV_TESTS" ]; then
    echo "SKIP: TENON_RISCV_TESTS names no directory of built riscv-tests"
    exit 77
fi
run=$TENON_TOP_BUILDDIR/tests/cpu/cpu-run
if [ ! -e "$TENON_TOP_BUILDDIR/plugins/target-riscv/.libs/target-riscv.so" ]
then
    echo "SKIP: target-riscv was not built"
    exit 77
fi

# breakpoint wants debug triggers (Sdtrig), instret_overflow a counter of
# instructions; ours counts nanoseconds.
programs() {
    for f in "$TENON_RISCV_TESTS"/$1; do
        case $f in
        *.dump | *-breakpoint | *-instret_overflow) ;;
        *) [ -f "$f" ] && echo "$f" ;;
        esac
    done
}

status=0
for accel in accel-interp accel-tcg; do
    [ -e "$TENON_TOP_BUILDDIR/plugins/$accel/.libs/$accel.so" ] || continue
    wide=$(programs 'rv64*-[pv]-*')
    narrow=$(programs 'rv32*-p-*')
    # shellcheck disable=SC2086
    [ -z "$wide" ] ||
        "$run" target-riscv $accel -p target.model=max $wide || status=1
    # shellcheck disable=SC2086
    [ -z "$narrow" ] ||
        "$run" target-riscv $accel -p target.model=rv32 -p target.zfh=on \
            -p target.zicond=on $narrow || status=1
done
exit $status
