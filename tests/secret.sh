#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# [secret NAME]: a machine with an encrypted disk, the ways its key is found,
# and what is said when it is not.
set -u
tenon=$TENON_TOP_BUILDDIR/tools/tenon
img=$TENON_TOP_BUILDDIR/tools/tenon-img
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

skip()
{
    echo "SKIP: $1"
    exit 77
}

expect() # STATUS TEXT WHAT COMMAND...: the status, and TEXT on stderr or ""
{
    local wanted=$1 text=$2 what=$3
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    local status=$?
    if [ $status != "$wanted" ] || ! grep -qF -- "$text" "$work/err" "$work/out"
    then
        echo "FAIL $what: status $status, not $wanted, or nothing said '$text'"
        cat "$work/err"
        failures=$((failures + 1))
    else
        echo "ok $what"
    fi
}

[ -x "$img" ] || skip "tenon-img was not built"
umask 077
printf geheim >"$work/key"
"$img" create -q --object "secret,id=k,file=$work/key" -f luks \
    -o key-secret=k,iter-time=10 "$work/disk.luks" 4M 2>"$work/err" ||
    skip "no encrypted image: $(cat "$work/err")"

# The test finisher's power off: lui t0, 0x100; t1 = 0x5555; sw t1, 0(t0); j .
printf '\xb7\x02\x10\x00\x37\x53\x00\x00\x13\x03\x53\x55\x23\xa0\x62\x00\x6f\0\0\0' \
    >"$work/poweroff"
cat >"$work/vm.conf" <<END
[machine]
board    = riscv-virt
accel    = interp
memory   = 32M
firmware = poweroff

[char console]
backend = null

[secret disk-key]
file = key

[disk d]
image      = disk.luks
format     = luks
key-secret = disk-key
device     = virtio-blk
END
vm=$work/vm.conf
run=(timeout 60 "$tenon" run "$vm")
env=(--set secret.disk-key.file= --set secret.disk-key.env=TENON_TEST_KEY)

"$tenon" check "$vm" 2>"$work/err" >&2 ||
    skip "the machine cannot be made: $(cat "$work/err")"

expect 0 "" "key from a file" "${run[@]}"
expect 0 "" "key from the environment" \
    env TENON_TEST_KEY=geheim "${run[@]}" "${env[@]}"
expect 0 "" "key in base64" env TENON_TEST_KEY=Z2VoZWlt \
    "${run[@]}" "${env[@]}" --set secret.disk-key.format=base64
expect 1 "[secret disk-key]: not in base64" "key that is no base64" \
    env TENON_TEST_KEY=geh.eim \
    "${run[@]}" "${env[@]}" --set secret.disk-key.format=base64
expect 1 "the password is wrong" "wrong key" \
    env TENON_TEST_KEY=falsch "${run[@]}" "${env[@]}"
expect 1 "[secret disk-key]: the environment has no variable 'TENON_TEST_KEY'" \
    "no such variable" env -u TENON_TEST_KEY "${run[@]}" "${env[@]}"
expect 2 "[disk d] key-secret: there is no [secret disk-kye]; did you mean \
'disk-key'?" "secret that is not there" \
    "$tenon" check "$vm" --set disk.d.key-secret=disk-kye

mv "$work/key" "$work/moved"
expect 1 "$vm:11: [secret disk-key]: " "file that is missing" "${run[@]}"
mv "$work/moved" "$work/key"
chmod 604 "$work/key"
expect 0 "vm.conf:11: warning: [secret disk-key] anybody can read" \
    "file that anybody can read" "$tenon" check "$vm"
chmod 602 "$work/key"
expect 0 "vm.conf:11: warning: [secret disk-key] anybody can change" \
    "file that anybody can change" "$tenon" check "$vm"
chmod 640 "$work/key"
"$tenon" check "$vm" >"$work/out" 2>&1
if grep -q "anybody" "$work/out"; then
    echo "FAIL a file of a group is warned about"
    failures=$((failures + 1))
fi
"$tenon" dump "$vm" >"$work/dump.conf"
expect 0 "" "dump has the secret's place" "$tenon" check "$work/dump.conf"
if grep -q geheim "$work/dump.conf"; then
    echo "FAIL the dump has the secret itself"
    failures=$((failures + 1))
fi

[ $failures = 0 ]
