#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon-img-lines.py TENON-IMG REFERENCE DIRECTORY

Runs the same command lines with both image tools, each in a directory of its
own, one after the other on the same images, and compares what they print and
their exit status. What is only known to the tool that made an image (its
place on the disk, identifiers) is not asked for: tenon-img-compare.py looks at
images that both read.
"""
import os
import shlex
import subprocess
import sys

OURS, THEIRS, DIRECTORY = sys.argv[1:4]
FORMATS = set(subprocess.run([OURS, "--help"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.split())

SECRET = "--object secret,id=s,data=abc"

LINES = f"""
create -f qcow2 a.qcow2 64M
create -f qcow2 -q quiet.qcow2 64M
create a.raw 10M
create -f raw b.raw 10M
create -f raw -o preallocation=falloc c.raw 1M
create -f raw -o nocow=on d.raw 1M
create -f raw -o extent_size_hint=64k e.raw 1M
create -f qcow2 -o cluster_size=4k,compat=0.10 b.qcow2 5M
create -f qcow2 -o lazy_refcounts=on,refcount_bits=8 c.qcow2 5M
create -f qcow2 -b a.qcow2 -F qcow2 d.qcow2
create -f qcow2 -u -b nothere.qcow2 -F qcow2 d4.qcow2 1G
create -f qcow2 -o backing_file=a.qcow2,backing_fmt=qcow2 d6.qcow2
create -f qcow2 -o preallocation=metadata p1.qcow2 5M
create -f qcow2 -o extended_l2=on,cluster_size=128k p3.qcow2 5M
create -f qcow2 -o compression_type=zstd p4.qcow2 5M
create -f qcow2 -o data_file=data.bin,data_file_raw=on p5.qcow2 5M
create {SECRET} -f qcow2 -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 k.qcow2 5M
create -f qcow2 odd.qcow2 1000
create -f qcow2 hex.qcow2 0x10000
create -f qcow2 half.qcow2 1.5G
create -f vmdk -o subformat=monolithicFlat f.vmdk 5M
create -f vmdk -o adapter_type=lsilogic,zeroed_grain=on,hwversion=4 s.vmdk 5M
create -f vdi a.vdi 5M
create -f vdi -o static=on as.vdi 5M
create -f vpc a.vpc 5M
create -f vpc -o subformat=fixed,force_size=on af.vpc 5M
create -f vhdx a.vhdx 5M
create -f vhdx -o subformat=fixed,block_size=1M f.vhdx 5M
create -f qed a.qed 5M
create -f qed -o table_size=2 -b a.raw -F raw b.qed
create -f qcow a.qcow 5M
create -f parallels a.parallels 5M
create -f qcow2 -b a.qcow2 x.qcow2
create -f qcow2 -b nothere.qcow2 -F qcow2 x.qcow2
create -f qcow2 -u -b nothere.qcow2 -F qcow2 x.qcow2
create -f qcow2 -o nosuch=1 x.qcow2 5M
create -f qcow2 -o cluster_size=5000 x.qcow2 5M
create -f qcow2 x.qcow2
create -f nosuch x.img 5M
create -f qcow2 x.qcow2 5X
create -f qcow2 x.qcow2 -5
create
create --nosuch x
create -f qcow2 x.qcow2 5M extra
create -f qcow2 nodir/x.qcow2 5M
info nothere
info --output=nosuch a.raw
info --output=json nothere
info
snapshot -c one a.qcow2
snapshot -c two a.qcow2
snapshot -c x a.raw
snapshot -l a.raw
snapshot -d nosuch a.qcow2
snapshot -a nosuch a.qcow2
snapshot -d one a.qcow2
snapshot -a two a.qcow2
snapshot -l nothere
snapshot -l -c x a.qcow2
map a.qcow2
map d.qcow2
map p1.qcow2
map nothere
check a.qcow2
check a.raw
check nothere
check -q a.qcow2
check -r leaks a.qcow2
check -r all a.qcow2
check -r nosuch a.qcow2
check f.vmdk
measure --size 1G -O qcow2
measure --size 1G -O raw
measure --size 1G
measure --size 1G -O qcow2 --output=json
measure -O qcow2 -o cluster_size=4k --size 10M
measure -O qcow2
measure -O qcow2 nothere
compare a.raw b.raw
compare a.raw b.qcow2
compare -s a.raw b.qcow2
compare -q a.raw b.qcow2
compare a.raw nothere
compare -f qcow2 a.raw b.raw
convert a.raw b.raw
convert -O qcow2 a.raw b2.qcow2
convert -q -p -O qcow2 a.raw b2.qcow2
convert -O nosuch a.raw b2.x
convert nothere b2.x
convert a.raw
convert -c -O vdi a.raw x.vdi
convert -n -O qcow2 a.raw b2.qcow2
convert -n -O qcow2 a.raw nothere.qcow2
convert --target-is-zero -O qcow2 a.raw b2.qcow2
convert -S 4k -O qcow2 a.raw b2.qcow2
convert -S 0 -O qcow2 a.raw b2.qcow2
convert -S 5 -O qcow2 a.raw b2.qcow2
convert -m 0 -O qcow2 a.raw b2.qcow2
convert -W -m 4 -O qcow2 a.raw b2.qcow2
convert -B a.qcow2 -F qcow2 -O qcow2 d.qcow2 b3.qcow2
convert -l snapshot.name=two a.qcow2 sn.raw
convert -l nosuch a.qcow2 sn.raw
convert -O qcow2 a.raw a.raw cat.qcow2
convert --skip-broken-bitmaps -O qcow2 a.qcow2 bm.qcow2
convert -t nosuch a.raw b5.raw
convert -r x a.raw b5.raw
convert --image-opts driver=raw,file.filename=a.raw b5.raw
convert --target-image-opts -n a.raw driver=raw,file.filename=b5.raw
convert --target-image-opts a.raw driver=raw,file.filename=b5.raw
resize -f raw a.raw 20M
resize -f raw a.raw 10M
resize -f raw --shrink a.raw 10M
resize -f raw a.raw +5M
resize -f raw --shrink a.raw -5M
resize -f raw a.raw
resize -f raw a.raw nosuch
resize -q -f raw a.raw +1M
resize -f raw --preallocation=full a.raw +1M
resize -f raw --preallocation=nosuch a.raw +1M
resize b.qcow2 6M
resize nothere 6M
rebase -b a.qcow2 -F qcow2 d.qcow2
rebase -u -b nothere.qcow2 -F qcow2 d.qcow2
rebase -u -b a.qcow2 -F qcow2 d.qcow2
rebase -b nothere -F qcow2 d.qcow2
rebase -b '' d.qcow2
rebase -b a.qcow2 -F qcow2 d.qcow2
rebase d.qcow2
rebase -b a.qcow2 -F qcow2 a.raw
commit d.qcow2
commit -d d.qcow2
commit -q d.qcow2
commit a.raw
commit nothere
commit -b a.qcow2 d.qcow2
commit -b nosuch d.qcow2
commit a.qcow2
amend -f qcow2 -o compat=0.10 c.qcow2
amend -f qcow2 -o lazy_refcounts=off c.qcow2
amend -f qcow2 -o refcount_bits=16 c.qcow2
amend -o nosuch=1 b.qcow2
amend b.qcow2
amend -f raw -o help
bitmap --add a.qcow2 b0
bitmap --add a.qcow2 b0
bitmap --add -g 4096 a.qcow2 b1
bitmap --add -g 5000 a.qcow2 b2
bitmap --disable a.qcow2 b1
bitmap --enable a.qcow2 b1
bitmap --clear a.qcow2 b1
bitmap --merge b0 a.qcow2 b1
bitmap --remove a.qcow2 b1
bitmap --remove a.qcow2 b1
bitmap --add a.raw b1
bitmap a.qcow2 b1
bitmap --add a.qcow2
dd if=a.raw of=dd.raw
dd if=a.raw of=dd.raw bs=1M count=2
dd if=a.raw of=dd.raw bs=1M skip=2 count=2
dd if=a.raw of=dd.raw bs=0
dd if=a.raw of=dd.raw bs=x
dd if=a.raw of=dd.raw nosuch=4
dd if=a.raw
dd -f raw -O qcow2 if=a.raw of=dd.qcow2
bench -c x a.raw
bench -c 10 --flush-interval=2 a.raw
nosuch
"""

# What newer reference tools do than the one that may be installed.
NEWER = (" hwversion=undefined", " data_file_raw=off")


def run(tool, name, line):
    directory = os.path.join(DIRECTORY, name)
    os.makedirs(directory, exist_ok=True)
    done = subprocess.run([tool, *shlex.split(line)], cwd=directory, text=True,
                          check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          errors="replace")
    text = done.stdout
    for word in NEWER:
        text = text.replace(word, "")
    return done.returncode, text, done.stderr


def missing(line):
    words = line.split()
    return any(f in line for f in ("luks",) if f not in FORMATS) or (
        "-f" in words and words[0] == "create" and
        words[words.index("-f") + 1] not in FORMATS | {"nosuch"})


def main():
    failures = n = 0
    for line in LINES.strip().splitlines():
        if missing(line):
            continue
        n += 1
        ours, theirs = run(OURS, "ours", line), run(THEIRS, "theirs", line)
        if ours[:2] == theirs[:2]:
            continue
        if "accurate CPU usage" in theirs[2]:
            # It could not time its key derivation: the machine is busy.
            print(f"skip {line}: {theirs[2].strip()}")
            continue
        failures += 1
        print(f"FAIL {line}\n  status {ours[0]}, not {theirs[0]}\n"
              f"  ours   {ours[1]!r} {ours[2]!r}\n"
              f"  theirs {theirs[1]!r} {theirs[2]!r}")
    print(f"{n} command lines, {failures} of them differ")
    sys.exit(1 if failures else 0)


main()
