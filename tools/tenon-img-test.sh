#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tenon-img from outside, beside the reference's image tool where that is
# installed: exit status, messages, the same JSON over a corpus of images, and
# content that both agree about.
set -u
img=$TENON_TOP_BUILDDIR/tools/tenon-img
here=$TENON_TOP_SRCDIR/tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() # TEXT
{
    echo "FAIL $1"
    failures=$((failures + 1))
}

expect() # STATUS WHAT ARGUMENTS...
{
    local wanted=$1 what=$2
    shift 2
    "$img" "$@" >"$work/.out" 2>"$work/.err" </dev/null
    local status=$?
    if [ $status != "$wanted" ]; then
        fail "$what: status $status, not $wanted"
        cat .err
    else
        echo "ok $what"
    fi
}

said() # TEXT
{
    grep -qF -- "$1" .err .out || {
        fail "nothing said '$1' but:"
        cat .err .out
    }
}

has_format() # NAME
{
    "$img" --help | grep '^Supported formats' | grep -qw -- "$1"
}

# ---- the command line ----

expect 0 version --version
expect 0 help --help
said "Supported formats"
expect 1 "unknown command" inof
said "did you mean 'info'?"
expect 1 "no command"
for command in amend bench bitmap check commit compare convert create dd info \
    map measure rebase resize serve snapshot verify; do
    expect 0 "help of $command" $command --help
done
expect 1 "unknown option" info --bad x
expect 1 "no such image" info none
said "none"
expect 2 "compare: no such image" compare none none
expect 1 "no size" create a.raw
said "Image creation needs a size parameter"
expect 1 "bad size" create a.raw 1X
said "Invalid image size specified: '1X'"
expect 1 "unknown format" create -f nonsense a 1M
said "Unknown file format 'nonsense'"
expect 1 "unknown option of a format" create -f qcow2 -o bad=1 a 1M
expect 1 "shrinking needs a word" resize -f raw none 1

# ---- raw, alone ----

expect 0 "create raw" create a.raw 3M
said "Formatting 'a.raw', fmt=raw size=3145728"
[ "$(stat -c %s a.raw)" = 3145728 ] || fail "size of a raw image"
expect 0 "quiet" create -q b.raw 3M
[ -s .out ] && fail "-q printed something"
printf 'hello' | dd of=b.raw bs=1 seek=1048576 conv=notrunc status=none
expect 1 "different content" compare a.raw b.raw
said "Content mismatch at offset 1048576!"
expect 0 "a copy" convert -p b.raw c.raw
said "(100.00/100%)"
cmp b.raw c.raw || fail "convert raw to raw"
expect 0 "equal content" compare b.raw c.raw
said "Images are identical."
expect 0 "grow" resize -f raw c.raw +1M
expect 0 "equal but for zeroes" compare b.raw c.raw
said "Warning: Image size mismatch!"
expect 1 "strictly not equal" compare -s b.raw c.raw
said "Strict mode: Image size mismatch!"
expect 1 "shrink" resize -f raw c.raw -1M
said "--shrink"
expect 0 "shrink with the word" resize --shrink -f raw c.raw -1M
cmp b.raw c.raw || fail "resize there and back"
expect 63 "no checks" check -f raw b.raw
expect 0 "dd" dd if=b.raw of=d.raw bs=1M skip=1 count=2
[ "$(head -c 5 d.raw)" = hello ] || fail "dd skip"
expect 0 "two sources" convert b.raw b.raw e.raw
cat b.raw b.raw | cmp - e.raw || fail "concatenation"
expect 0 "all zeroes stored" convert -S 0 b.raw f.raw
cmp b.raw f.raw || fail "convert -S 0"
expect 0 "measure" measure --output=json b.raw
expect 0 "bench" bench -c 100 -f raw b.raw
expect 0 "options" info --image-opts driver=raw,file.filename=b.raw
expect 0 "json" info \
    'json:{"driver":"raw","file":{"driver":"file","filename":"b.raw"}}'
said "file format: raw"
expect 1 "json without sense" info 'json:{"driver":"raw"'
expect 1 "an option that is none" info --image-opts driver=raw,file.filename=b.raw,x=1
said "there is no option 'x'"

# ---- encrypted targets: opened with the secret of -o, zeroes written ----

encrypted() # FORMAT OPTIONS PREFIX
{
    local secret=secret,id=k,data=pw
    rm -f e.img e.raw
    expect 0 "convert to $1 with ${2%%=*}" convert --object $secret -f raw \
        -O "$1" -o "$2,$3key-secret=k,$3iter-time=10" b.raw e.img
    expect 0 "convert from $1 with ${2%%=*}" convert --object $secret \
        --image-opts "driver=$1,$3key-secret=k,file.filename=e.img" -O raw e.raw
    cmp b.raw e.raw || fail "content through $1 with $2"
}

if has_format luks; then
    encrypted luks hash-alg=sha256 ""
else
    echo "skip: encrypted targets: the format luks is not there"
fi
if has_format luks && has_format qcow2; then
    encrypted qcow2 encrypt.format=luks encrypt.
    encrypted qcow2 preallocation=metadata,encrypt.format=luks encrypt.
fi

keys() # FORMAT CREATE-OPTIONS PREFIX
{
    local secrets="--object secret,id=k,data=one --object secret,id=n,data=two"
    local one="driver=$1,file.filename=k.img,$3key-secret=k"
    local two="driver=$1,file.filename=k.img,$3key-secret=n"
    local add="$3state=active,$3new-secret=n,$3keyslot=3,$3iter-time=10"
    rm -f k.img
    expect 0 "$1 with one key" create $secrets -f "$1" \
        -o "$2$3key-secret=k,$3iter-time=10" k.img 1M
    expect 0 "$1: a second key" amend $secrets --image-opts "$one" -o "$add"
    expect 1 "$1: the slot is in use" amend $secrets --image-opts "$one" \
        -o "$add"
    expect 0 "$1: both open it" compare $secrets --image-opts "$one" "$two"
    expect 0 "$1: the first is erased" amend $secrets --image-opts "$two" \
        -o "$3state=inactive,$3old-secret=k"
    expect 2 "$1: it opens nothing" compare $secrets --image-opts "$one" "$one"
    expect 1 "$1: the last stays" amend $secrets --image-opts "$two" \
        -o "$3state=inactive,$3keyslot=3"
    said "force"
    expect 0 "$1: replaced by force" amend $secrets --force --image-opts \
        "$two" -o "${add/new-secret=n/new-secret=k}"
    expect 0 "$1: the new one opens it" compare $secrets --image-opts "$one" \
        "$one"
    expect 0 "$1: erased by force" amend $secrets --force --image-opts "$one" \
        -o "$3state=inactive,$3keyslot=3"
    expect 2 "$1: nobody opens it" compare $secrets --image-opts "$one" "$one"
}

if has_format luks; then
    keys luks "" ""
    if has_format qcow2; then
        keys qcow2 encrypt.format=luks, encrypt.
    fi
fi

# ---- what is known by its name ----

if has_format dmg; then
    python3 "$here/../tests/image/make-image.py" dmg all-zlib n.dmg
    expect 0 "a disk of a Mac" convert n.dmg n.img
    cmp n.img n.dmg.raw || fail "content of the disk of a Mac"
    cp n.dmg n.other
    expect 0 "the same under another name" convert n.other n.img
    expect 0 "is what it looks like" compare -f raw -F raw n.img n.other
fi

# ---- qcow2 ----

if has_format qcow2; then
    mkdir -p below
    expect 0 "create qcow2" create -f qcow2 -o cluster_size=4k a.qcow2 8M
    expect 0 "to qcow2" convert -O qcow2 b.raw below/b.qcow2
    expect 0 "from qcow2" convert below/b.qcow2 g.raw
    cmp b.raw g.raw || fail "there and back through qcow2"
    expect 1 "options that go with nothing" create -q -f qcow2 \
        -o keep_data_file=on below/b.qcow2 1M
    expect 0 "leave what was there" compare below/b.qcow2 b.raw
    expect 1 "a missing data file" create -q -f qcow2 \
        -o data_file=none.bin,data_file_raw=on,keep_data_file=on p.qcow2 1M
    [ ! -e p.qcow2 ] || fail "leaves a file"
    cp b.raw keep.bin
    expect 0 "a data file that is kept" create -q -f qcow2 \
        -o data_file=keep.bin,data_file_raw=on,keep_data_file=on \
        below/k.qcow2 "$(stat -c %s b.raw)"
    expect 0 "shows its content" compare below/k.qcow2 b.raw
    expect 0 "a data file" create -q -f qcow2 -o data_file=here.bin \
        here.qcow2 1M
    (mkdir elsewhere && mv here.qcow2 elsewhere/)
    expect 0 "is found in the current directory" check -q elsewhere/here.qcow2
    expect 0 "an overlay" create -f qcow2 -b below/b.qcow2 -F qcow2 o.qcow2
    said "backing_file=below/b.qcow2 backing_fmt=qcow2"
    expect 1 "format of the backing file" create -f qcow2 -b below/b.qcow2 p 1M
    expect 0 "content of the overlay" compare o.qcow2 b.raw
    expect 2 "a forbidden backing file" compare --no-backing o.qcow2 b.raw
    "$img" map --no-backing o.qcow2 >/dev/null 2>.err &&
        fail "--no-backing followed"
    grep -q "forbidden here" .err || fail "--no-backing does not say why"
    for compat in 0.10 1.1; do
        expect 0 "based on none" create -q -f qcow2 -o compat=$compat n.qcow2 8M
        expect 0 "now on one" rebase -q -f qcow2 -F raw -b b.raw n.qcow2
        truncate -s 8M n.raw
        expect 0 "zeroes stay zeroes ($compat)" compare n.qcow2 n.raw
    done
    mkdir -p other
    "$img" map --backing-dir other o.qcow2 >/dev/null 2>.err &&
        fail "--backing-dir followed"
    "$img" map --backing-dir below o.qcow2 >/dev/null 2>.err ||
        fail "--backing-dir does not follow"
    ln -s ../below/b.qcow2 other/link.qcow2
    "$img" create -q -f qcow2 -b other/link.qcow2 -F qcow2 l.qcow2
    "$img" map --backing-dir other l.qcow2 >/dev/null 2>&1 &&
        fail "--backing-dir follows a link out of it"
fi

# ---- more than the reference says ----

if has_format vhdx; then
    "$img" create -q -f vhdx x.vhdx 16M
    "$img" map --output=json x.vhdx | grep -q '"zero": false, "data": true' ||
        fail "map of vhdx: all is data"
    "$img" map --exact --output=json x.vhdx |
        grep -q '"zero": true, "data": false' || fail "map --exact of vhdx"
    full=$("$img" measure -O qcow2 x.vhdx | head -n 1)
    "$img" measure --exact -O qcow2 x.vhdx | grep -qF "$full" &&
        fail "measure --exact counts what is not there"
    "$img" check --output=json x.vhdx | grep -q total-clusters &&
        fail "check counts where the reference does not"
    "$img" check --exact --output=json x.vhdx | grep -q total-clusters ||
        fail "check --exact"
fi

# ---- verify ----

says_digest() # WANTED WHAT ARGUMENTS...
{
    local wanted=$1 what=$2
    shift 2
    expect 0 "$what" verify "$@"
    [ "$(cut -d' ' -f1 .out)" = "$wanted" ] || {
        fail "$what: not $wanted but:"
        cat .out
    }
}

head -c 3000320 /dev/urandom >v.raw
truncate -s 9000448 v.raw
whole=sha256:$(sha256sum v.raw | cut -d' ' -f1)
pieces=$(split -b 1M --filter='sha256sum | cut -c1-64' v.raw | sha256sum)
pieces=sha256-1048576:${pieces%% *}
says_digest "$whole" "digest of the whole" -w -f raw v.raw
says_digest "$pieces" "digest of pieces" -f raw v.raw
says_digest "$pieces" "one worker" --jobs 1 -f raw v.raw
if has_format qcow2; then
    expect 0 "v.qcow2" convert -c -f raw -O qcow2 v.raw v.qcow2
    says_digest "$whole" "digest of the whole of a compressed image" -w v.qcow2
    says_digest "$pieces" "digest of a compressed image" v.qcow2
fi
small=$(split -b 4k --filter='sha1sum | cut -c1-40' v.raw | sha1sum)
says_digest "sha1-4096:${small%% *}" "small pieces" -f raw -a sha1 \
    --piece 4k v.raw
expect 0 "an expected digest" verify -f raw --expect "$whole" v.raw
expect 0 "its hexadecimal" verify -f raw --expect "${pieces#*:}" v.raw
expect 1 "another one" verify -f raw --expect "sha256:${pieces#*:}" v.raw
said "is not what was expected"
expect 2 "no digest" verify -f raw --expect sha256-x:00 v.raw
expect 2 "no algorithm" verify -f raw -a md9 v.raw
expect 2 "odd pieces" verify -f raw --piece 1000 v.raw
expect 2 "verify: no such image" verify none
expect 0 "writing sums" verify -f raw --write-sums v.sums v.raw
grep -v '^#' v.sums | sha256sum | cut -d' ' -f1 | grep -qx "${pieces#*:}" ||
    fail "sums are not what the digest is of"
expect 0 "sums of the same" verify -f raw --check-sums v.sums v.raw
cp v.raw w.raw
printf x | dd of=w.raw bs=1 seek=2100000 conv=notrunc 2>.err
printf x | dd of=w.raw bs=1 seek=3200000 conv=notrunc 2>.err
printf x | dd of=w.raw bs=1 seek=9000000 conv=notrunc 2>.err
expect 1 "sums of something else" verify -f raw --check-sums v.sums w.raw
said "differs between offsets 2097152 and 4194304"
said "differs between offsets 8388608 and 9000448"
truncate -s 8M w.raw
expect 1 "sums of something longer" verify -f raw --check-sums v.sums w.raw
said "8388608 bytes, but 9000448 when"
head -n 3 v.sums >t.sums
expect 2 "sums that end early" verify -f raw --check-sums t.sums v.raw
said "t.sums:4: the file ends too early"
sed 3s/./x/ v.sums >t.sums
expect 2 "no sum" verify -f raw --check-sums t.sums v.raw
said "t.sums:3: this is not a sum"
expect 2 "no sums" verify -f raw --check-sums v.raw v.raw
said "v.raw:1: expected '# tenon-img verify"
expect 2 "sums to nowhere" verify -f raw --write-sums no/sums v.raw

# ---- commit ----

# The image shows the same afterwards, and so does its base.
for format in qcow qcow2 qed vhdx vmdk vpc; do
    has_format $format || continue
    expect 0 "$format: base" create -q -f $format c.$format 8M
    expect 0 "$format: over it" create -q -f $format -b c.$format -F $format \
        d.$format
    expect 0 "$format: write" bench -q -w -c 20 -s 64k -S 192k --pattern 77 \
        -f $format d.$format
    sums=$("$img" verify -f $format d.$format | cut -d' ' -f1)
    expect 0 "$format: commit" commit -q -f $format d.$format
    expect 0 "$format: committed" verify -f $format --expect "$sums" d.$format
    expect 0 "$format: the base" verify -f $format --expect "$sums" c.$format
    expect 0 "$format: write again" bench -q -w -c 5 -s 64k --pattern 3 \
        -f $format d.$format
    expect 0 "$format: commit again" commit -q -f $format d.$format
    expect 0 "$format: the same" compare -f $format -F $format c.$format \
        d.$format
done

# ---- beside the reference ----

if ! command -v qemu-img >/dev/null || ! command -v python3 >/dev/null; then
    echo "no comparison: qemu-img or python3 is missing"
elif ! has_format qcow2 || { "$img" check a.qcow2 >.out 2>&1; [ $? = 63 ]; }; then
    echo "no comparison: qcow2 is not there, or cannot be checked"
else
    python3 "$here/tenon-img-compare.py" "$img" qemu-img "$work" ||
        fail "comparison"
    python3 "$here/tenon-img-lines.py" "$img" qemu-img "$work/lines" ||
        fail "command lines"
fi

[ $failures = 0 ] || { echo "$failures failed"; exit 1; }
