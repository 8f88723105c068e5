#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The program from outside: exit status of each way a machine ends, dump of
# dump, machines without plugins, lists.
set -u
tenon=$TENON_TOP_BUILDDIR/tools/tenon
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

expect() # STATUS WHAT COMMAND...
{
    local wanted=$1 what=$2
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    local status=$?
    if [ $status != "$wanted" ]; then
        echo "FAIL $what: status $status, not $wanted"
        cat "$work/err"
        failures=$((failures + 1))
    else
        echo "ok $what"
    fi
}

said() # TEXT: the last command's messages have it
{
    grep -qF -- "$1" "$work/err" "$work/out" || {
        echo "FAIL nothing said '$1' but:"
        cat "$work/err"
        failures=$((failures + 1))
    }
}

# ---- the command line ----

expect 0 version "$tenon" --version
said "plugin ABI"
expect 0 help "$tenon" --help
expect 2 "unknown command" "$tenon" rnu
said "did you mean 'run'?"
expect 2 "no such file" "$tenon" run "$work/none.conf"
expect 2 "unknown option" "$tenon" check --bad
expect 0 list "$tenon" list
expect 0 "list of a kind" "$tenon" list accel
expect 2 "list of what is no kind" "$tenon" list bad
expect 0 plugins "$tenon" plugins
expect 0 "section type" "$tenon" describe disk
said "image = file name"
expect 0 "a plugin's components" "$tenon" describe accel-interp
said "interp: accel"
expect 2 "describe nothing" "$tenon" describe nothing
if "$tenon" plugins --json >"$work/json" 2>/dev/null; then
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))["plugins"]' \
        "$work/json" || failures=$((failures + 1))
fi

# ---- no plugins at all: a copy does not stand in the build tree ----

cp "$tenon" "$work/tenon"
printf '[machine]\nboard = b\n' >"$work/vm.conf"
printf '[board]\ntarget = riscv\n' >"$work/b.board"
if [ -x "$work/tenon" ] && ! "$work/tenon" plugins 2>/dev/null | grep -q .; then
    expect 2 "run without plugins" "$work/tenon" run "$work/vm.conf"
    said "no plugins are installed"
    expect 0 "list without plugins" "$work/tenon" list components
fi

# ---- dump ----

for file in "$TENON_TOP_SRCDIR"/examples/*.conf; do
    "$tenon" dump "$file" >"$work/1.conf" 2>"$work/err" || continue
    "$tenon" dump "$work/1.conf" >"$work/2.conf" &&
        cmp "$work/1.conf" "$work/2.conf" || {
        echo "FAIL dump of dump of $file"
        failures=$((failures + 1))
    }
done

# ---- how machines end ----

# Little-endian words of a raw binary.
words()
{
    local word
    for word; do
        printf "\\x$(printf %02x $((word & 255)))"
        printf "\\x$(printf %02x $((word >> 8 & 255)))"
        printf "\\x$(printf %02x $((word >> 16 & 255)))"
        printf "\\x$(printf %02x $((word >> 24 & 255)))"
    done
}

# lui t0, 0x100 (the test finisher); t1 = value; sw t1, 0(t0); j .
words 0x001002b7 0x00005337 0x55530313 0x0062a023 0x6f >"$work/poweroff"
words 0x001002b7 0x00073337 0x33330313 0x0062a023 0x6f >"$work/fail"
words 0x001002b7 0x00007337 0x77730313 0x0062a023 0x6f >"$work/reboot"
words 0x6f >"$work/spin"
machine=(--set machine.board=riscv-virt --set machine.accel=interp
    --set machine.memory=32M --set char.console.backend=null)

if "$tenon" check "${machine[@]}" 2>"$work/err" >&2; then
    expect 0 "boards tell of their options" "$tenon" list boards
    said "aia = none | aplic | aplic-imsic"
    expect 0 "check tells of saving" "$tenon" check "${machine[@]}"
    said "can be saved"
    if [ -e "$TENON_TOP_BUILDDIR/tests/abi/.libs/old-rng.so" ]; then
        expect 0 "check tells what blocks saving" env \
            TENON_PLUGIN_PATH="$TENON_TOP_BUILDDIR/tests/abi/.libs" \
            "$tenon" check "${machine[@]}" --set device.e.component=old-rng
        said "cannot be saved: e (component old-rng)"
    fi
    expect 0 "guest switches itself off" timeout 60 "$tenon" run \
        "${machine[@]}" --set "machine.firmware=$work/poweroff"
    expect 3 "guest reports failure" timeout 60 "$tenon" run \
        "${machine[@]}" --set "machine.firmware=$work/fail"
    said "code 7"
    expect 4 "guest reboots" timeout 60 "$tenon" run "${machine[@]}" \
        --set "machine.firmware=$work/reboot" --set machine.reboot=exit
    expect 1 "no kernel there" timeout 60 "$tenon" run "${machine[@]}" \
        --set "machine.firmware=$work/spin" --set machine.kernel=/nonexistent
    said "/nonexistent"
    expect 143 "ended by a signal" timeout --preserve-status -s TERM -k 20 2 \
        "$tenon" run "${machine[@]}" --set "machine.firmware=$work/spin"
    expect 130 "interrupted" timeout --preserve-status -s INT -k 20 2 \
        "$tenon" run "${machine[@]}" --set "machine.firmware=$work/spin"
else
    echo "SKIP running: plugins for riscv-virt are missing"
    cat "$work/err"
fi

[ $failures = 0 ]
