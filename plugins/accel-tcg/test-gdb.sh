#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# With gdb-symbols, a debugger knows translated code by its guest address: a
# program of four instructions runs until it makes the debugger's breakpoint
# at the second translation's registration, and the first is listed.
top=$TENON_TOP_BUILDDIR
plugins=$top/plugins
for f in "$plugins/target-riscv/.libs/target-riscv.so" \
    "$plugins/accel-tcg/.libs/accel-tcg.so"; do
    [ -e "$f" ] || { echo "SKIP: $f was not built"; exit 77; }
done
command -v gdb >/dev/null || { echo "SKIP: gdb is missing"; exit 77; }
gdb -nx -batch -ex run /bin/true 2>&1 | grep -q 'exited normally' || {
    echo "SKIP: gdb cannot run programs here"
    exit 77
}
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT

# An ELF file for RV64 at 0x80000000: li a0,1; j .+4; li a0,2; j .
python3 - "$directory/program" <<'END' || exit 1
import struct, sys
code = struct.pack("<4I", 0x00100513, 0x0040006f, 0x00200513, 0x0000006f)
header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 243, 1,
                     0x80000000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
segment = struct.pack("<IIQQQQQQ", 1, 7, 4096, 0x80000000, 0x80000000,
                      len(code), len(code), 4096)
open(sys.argv[1], "wb").write((header + segment).ljust(4096, b"\0") + code)
END
out=$("$top/libtool" --mode=execute gdb -nx -batch \
    -ex 'set breakpoint pending on' -ex 'set debuginfod enabled off' \
    -ex 'handle SIGALRM nostop' \
    -ex 'break __jit_debug_register_code' -ex run -ex continue \
    -ex 'info functions ^guest-' \
    --args "$top/tests/cpu/cpu-run" target-riscv accel-tcg \
    -p accel.gdb-symbols=true -p accel.max-insns=1 "$directory/program" \
    </dev/null 2>&1)
case $out in
*guest-0x80000000*) exit 0 ;;
esac
echo "$out"
echo "gdb does not list the translated code"
exit 1
