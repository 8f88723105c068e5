#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tenon-img serve: clients of others (libnbd's, the reference's, the kernel's),
# ours, and those that mean no good. What is not installed is skipped by name.
set -u
img=$TENON_TOP_BUILDDIR/tools/tenon-img
PATH=$PATH:/usr/sbin # nbd-client
here=$TENON_TOP_SRCDIR/tools
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
sock=$work/s
url="nbd+unix:///?socket=$sock"

fail() # TEXT
{
    echo "FAIL $1"
    failures=$((failures + 1))
}

check() # WHAT COMMAND...
{
    local what=$1
    shift
    if "$@" >.out 2>&1 </dev/null; then
        echo "ok $what"
    else
        fail "$what: status $?"
        cat .out
    fi
}

refused() # WHAT COMMAND...
{
    local what=$1
    shift
    if "$@" >.out 2>&1 </dev/null; then
        fail "$what: was not refused"
    else
        echo "ok $what"
    fi
}

said() # TEXT
{
    grep -qF -- "$1" .out || {
        fail "nothing said '$1' but:"
        cat .out
    }
}

has() # PROGRAM
{
    command -v "$1" >/dev/null || {
        echo "skip: $1 is not installed"
        return 1
    }
}

# Ready when it says its URL.
start() # OPTIONS...
{
    mkfifo ready
    "$img" serve "$@" >ready 2>.server &
    server=$!
    served=
    read -r served <ready
    rm ready
    [ -n "$served" ] || {
        fail "serve $*"
        cat .server
    }
}

# By SIGTERM, or because the last client went.
stopped() # WHAT
{
    wait $server
    local status=$?
    server=
    [ $status = 0 ] || {
        fail "$1: the server's status is $status"
        cat .server
    }
}

stop() # WHAT
{
    kill $server
    stopped "$1"
}

misdeeds() # WHAT COMMAND [ARGUMENT]
{
    check "$1" python3 "$here/tenon-img-serve.py" "$sock" "${@:2}"
}

"$img" --help | grep '^Supported formats' | grep -qw qcow2 || {
    echo "skip: the format qcow2 is not there"
    exit 77
}
"$img" create -q -f qcow2 base.qcow2 64M
python3 - <<'END'
import random
r = random.Random(1)
with open("data.raw", "wb") as f:
    f.truncate(64 << 20)
    for i in range(12):
        f.seek(r.randrange(60 << 20))
        f.write(r.randbytes(300000))
END
"$img" convert -f raw -O qcow2 data.raw data.qcow2
"$img" create -q -f qcow2 -b data.qcow2 -F qcow2 top.qcow2

# ---- the command ----

refused "serve without an image" "$img" serve
refused "writing to what others write" "$img" serve -U data.qcow2
said "--read-only"
refused "a part beyond the end" \
    "$img" serve -q -k "$sock" --offset 128M data.qcow2
refused "no such snapshot" "$img" serve -q -k "$sock" -l none data.qcow2
refused "no such image" "$img" serve --fork -k "$sock" none.qcow2
said "none.qcow2"
[ -e "$sock" ] && fail "a socket was left behind"

start -t -A -x disk/a -D "a disk" -k "$sock" top.qcow2
[ "$served" = "nbd+unix:///disk/a?socket=$sock" ] || fail "URL $served"

# ---- libnbd ----

if has nbdinfo; then
    check "nbdinfo" nbdinfo --json "$served"
    python3 - .out <<'END' || fail "nbdinfo --json"
import json, sys
e = json.load(open(sys.argv[1]))["exports"][0]
assert e["export-name"] == "disk/a" and e["description"] == "a disk", e
assert e["export-size"] == 64 << 20 and not e["is_read_only"], e
for what in "flush fua multi_conn trim zero df cache fast_zero".split():
    assert e["can_" + what], what
assert "base:allocation" in e["contexts"], e
END
    check "nbdinfo --list" nbdinfo --list "$url"
    said 'export="disk/a"'
    check "nbdinfo --map" nbdinfo --map "$served"
    said "hole,zero"
    check "nbdinfo --map of depths" \
        nbdinfo --map=qemu:allocation-depth "$served"
    said "backing depth 2"
    refused "no such export" nbdinfo "nbd+unix:///other?socket=$sock"
fi
if has nbdcopy; then
    check "nbdcopy from it" nbdcopy "$served" out.raw
    check "what nbdcopy read" cmp data.raw out.raw
    check "nbdcopy to it" nbdcopy data.raw "$served"
    rm -f out.raw
fi

# ---- the reference's client, and ours ----

if has qemu-img && has qemu-io; then
    check "compare by the reference" \
        qemu-img compare -f raw -F raw "$served" data.raw
    check "writes by the reference" qemu-io -f raw -c 'write -P 1 0 1M' \
        -c 'write -P 2 513 700' -c 'write -f -P 3 2M 64k' \
        -c 'write -z -u 3M 1M' -c 'discard 8M 1M' -c 'flush' \
        -c 'read -P 2 513 700' -c 'read -P 1 1213 1000' \
        -c 'read -P 3 2M 64k' -c 'read -P 0 3M 1M' "$served"
    grep -q "verification failed" .out && fail "reads by the reference"
fi
check "our client" "$img" convert -f raw -O qcow2 "$served" copy.qcow2
check "what our client read" "$img" compare "$served" copy.qcow2
stop "clients of all kinds"
[ -e "$sock" ] && fail "the socket is still there"
check "the image afterwards" "$img" check top.qcow2
check "what was written" "$img" compare top.qcow2 copy.qcow2

# ---- parts, snapshots, images in use ----

start -t -r -k "$sock" -f raw --offset 1M --length 3000000 data.raw
check "a part" "$img" dd -f raw if="$served" of=part.raw bs=1000 count=3000
check "what is in the part" cmp -n 3000000 part.raw <(tail -c +1048577 data.raw)
stop "a part"

"$img" snapshot -c before data.qcow2
"$img" dd -f raw -O raw if=data.raw of=zero.raw bs=1M count=1
start -t -k "$sock" data.qcow2
check "our client writes" "$img" convert -n -f raw -O raw base.qcow2 "$served"
stop "a writer"
start -r -l before -k "$sock" data.qcow2
check "a snapshot" "$img" compare -f raw -F raw "$served" data.raw
stopped "the last client's end"

"$img" create -q -f qcow2 -b top.qcow2 -F qcow2 live.qcow2
start -t -k "$sock" live.qcow2
refused "an image that is being written to" \
    "$img" serve -q -r -k "$work/s2" live.qcow2
writer=$server
sock2=$work/s2
start -r -U -k "$sock2" live.qcow2
check "a live chain" "$img" compare -f raw -F raw "$served" "$url"
stopped "reading a live chain"
server=$writer
stop "a writer beside a reader"

# ---- bitmaps ----

"$img" create -q -f qcow2 map.qcow2 1M
"$img" bitmap --add -g 64k map.qcow2 b0
if has qemu-io && has nbdinfo; then
    qemu-io -c 'write 128k 64k' map.qcow2 >/dev/null
    start -t -r -B b0 -k "$sock" map.qcow2
    check "a dirty bitmap" nbdinfo --map=qemu:dirty-bitmap:b0 "$url"
    grep -q '131072 *65536 *1' .out || fail "the bitmap's bits"
    stop "a dirty bitmap"
fi

# ---- TCP, several addresses, the background, started by the client ----

start -t -p 0 base.qcow2
check "TCP" "$img" info "$served"
if has nbd-client; then
    port=${served##*:}
    check "nbd-client's list" nbd-client -l localhost "$port"
fi
stop "TCP"
check "into the background" "$img" serve --fork --pid-file pid -t -q \
    -k "$sock" base.qcow2
check "the background" "$img" info "$url"
kill "$(cat pid)"
while [ -e pid ]; do sleep 0.02; done
if has nbdinfo; then
    check "started by the client" \
        nbdinfo --size -- [ "$img" serve -r base.qcow2 ]
    said 67108864
fi

# ---- TLS ----

certificates()
{
    mkdir tls
    certtool --generate-privkey --key-type ecdsa --outfile tls/ca-key.pem &&
        printf 'cn = CA\nca\ncert_signing_key\nexpiration_days = 9\n' >ca.t &&
        certtool --generate-self-signed --load-privkey tls/ca-key.pem \
            --template ca.t --outfile tls/ca-cert.pem &&
        printf 'cn = localhost\ndns_name = localhost\ntls_www_server\n%s\n' \
            'tls_www_client
signing_key
expiration_days = 9' >one.t || return 1
    for who in server client; do
        certtool --generate-privkey --key-type ecdsa \
            --outfile tls/$who-key.pem &&
            certtool --generate-certificate --template one.t \
                --load-privkey tls/$who-key.pem \
                --load-ca-certificate tls/ca-cert.pem \
                --load-ca-privkey tls/ca-key.pem \
                --outfile tls/$who-cert.pem || return 1
    done
}

tls_clients()
{
    start -t -r -p 0 --tls-certificates tls --tls-verify-peer top.qcow2
    local port=${served##*:}
    [ "${served%%:*}" = nbds ] || fail "URL $served"
    mkdir -p ca
    cp tls/ca-cert.pem ca
    refused "plain text where TLS is wanted" "$img" info "${served/nbds/nbd}"
    check "TLS with our client" "$img" compare -f raw -F qcow2 \
        "$served/?tls-certificates=$work/tls" top.qcow2
    for dir in "$work/tls" "$work/ca"; do
        "$img" compare -q --object "tls-creds-x509,id=t,endpoint=client,dir=$dir" \
            --image-opts "driver=nbd,host=localhost,port=$port,tls-creds=t" \
            driver=qcow2,file.filename=top.qcow2 2>.err
        echo $? >> .statuses
    done
    [ "$(tr '\n' ' ' < .statuses)" = "0 2 " ] ||
        fail "TLS with credentials by name: $(cat .statuses .err)"
    if has nbdinfo; then
        check "TLS with libnbd" nbdinfo --size \
            "$served/?tls-certificates=$work/tls"
        refused "a client without a certificate" nbdinfo --size \
            "$served/?tls-certificates=$work/ca"
    fi
    if has qemu-img; then
        check "TLS with the reference" qemu-img info --object \
            "tls-creds-x509,id=t,endpoint=client,dir=$work/tls" --image-opts \
            "driver=nbd,host=localhost,port=$port,tls-creds=t"
    fi
    stop "TLS"
}

if has certtool && certificates >.out 2>&1; then
    "$img" serve -q -p 0 --tls-certificates none base.qcow2 >.out 2>&1
    if grep -q "without GnuTLS" .out; then
        echo "skip: TLS: this build has no GnuTLS"
    else
        said "none"
        tls_clients
        echo "alice:00112233445566778899aabbccddeeff" >psk
        start -t -k "$sock" --tls-psk psk base.qcow2
        check "TLS with a key" "$img" info \
            "nbds+unix:///?socket=$sock&tls-psk-file=$work/psk"
        stop "TLS with a key"
    fi
fi

# ---- the kernel's client ----

if has nbd-client; then
    if [ ! -b /dev/nbd0 ] || [ ! -w /dev/nbd0 ]; then
        echo "skip: the kernel's client: no /dev/nbd0 that can be written to"
    else
        start -t -k "$sock" -r -f raw data.raw
        check "the kernel's client" nbd-client -unix "$sock" /dev/nbd0
        check "what the kernel reads" cmp -n 67108864 /dev/nbd0 data.raw
        check "the kernel's client ends" nbd-client -d /dev/nbd0
        stop "the kernel's client"
    fi
fi

# ---- our client and nbdkit ----

if has nbdkit; then
    check "our client reads from nbdkit" nbdkit -U - file data.raw --run \
        "'$img' compare -f raw -F raw \"nbd+unix:///?socket=\$unixsocket\" \
        data.raw"
fi

# ---- clients that mean no good ----

"$img" create -q -f qcow2 bad.qcow2 64M
start -t -A -k "$sock" bad.qcow2
misdeeds "a good-bye with writes in flight" pending
misdeeds "a client that vanishes" broken
misdeeds "parts of sectors from two sides" ragged
misdeeds "everything beyond the limits" limits
"$img" dd -f raw if="$url" of=seen.raw bs=64k count=41
stop "bad clients"
check "the image after bad clients" "$img" check bad.qcow2
python3 - <<'END' || fail "what was written before the good-bye"
with open("seen.raw", "rb") as f:
    for i in range(40):
        assert f.read(65536) == bytes([i + 1]) * 65536, i
    assert f.read(65536) == bytes(65536)
END
start -t --handshake-timeout 1 -k "$sock" bad.qcow2
misdeeds "a handshake that takes too long" hold
stop "a handshake that takes too long"
start -t -k "$sock" bad.qcow2
mkfifo ready
python3 "$here/tenon-img-serve.py" "$sock" stuck >ready &
client=$!
read -r _ <ready
rm ready
stop "a client that reads no replies"
wait $client || fail "the end of a client that reads no replies"
start -t -A -e 0 -k "$sock" bad.qcow2
misdeeds "mutated input" fuzz 1:400
stop "mutated input"
check "the image after mutated input" "$img" check bad.qcow2
start -t -r -f raw -k "$sock" data.raw
misdeeds "mutated input, read-only" fuzz 2:200
stop "mutated input, read-only"

[ $failures = 0 ] || { echo "$failures failed"; exit 1; }
