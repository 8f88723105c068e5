#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon-img-compare.py TENON-IMG REFERENCE DIRECTORY

Runs both image tools over a corpus made by the reference and compares what
they print: JSON field by field, lines of text, exit status; then converts with
each and reads with the other.
"""
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys

OURS, THEIRS, DIRECTORY = sys.argv[1:4]
os.chdir(DIRECTORY)
failures = 0
VERSION = tuple(int(n) for n in re.search(
    r"version (\d+)\.(\d+)", subprocess.run(
        [THEIRS, "--version"], text=True, check=True,
        stdout=subprocess.PIPE).stdout).groups())
FORMATS = set(subprocess.run([OURS, "--help"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.split())


# Where the two differ and why; what is not named here is a failure.
KNOWN = {
    # The text for people says what is known of every format. JSON is equal;
    # the rest is there with --exact.
    "check *.vdi for people": "we count blocks, the reference does not",
    "check *.vmdk for people": "we count grains, the reference does not",
    "check *.vhdx for people": "we count blocks, the reference does not",
    "check *.qed for people": "we say where the image ends",
    # Status 63 says that there is no check: for these we have one.
    "check *.vpc*": "the reference cannot check them",
    "check *.vhd": "the reference cannot check them",
    "check *.vhd for people": "the reference cannot check them",
    "* d-top.vhd*": "the reference does not see what is below",
    "* x.vmdk*": "the reference counts its extent twice",
    "check e-qcow2*": "we need no password for it",
}
known = 0


def fail(text):
    global failures, known
    for pattern, reason in KNOWN.items():
        if fnmatch.fnmatch(text.split(":")[0], pattern):
            known += 1
            print(f"known: {text.split(':')[0]}: {reason}")
            return
    failures += 1
    print("FAIL", text)


def run(tool, *arguments):
    return subprocess.run([tool, *arguments], text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


def reference(*arguments):
    done = run(THEIRS, *arguments)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr}")


def ours(*arguments):
    done = run(OURS, *arguments)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr}")


def io(image, *commands, form="qcow2"):
    words = [w for c in commands for w in ("-c", c)]
    subprocess.run(["qemu-io", "-f", form, *words, image], check=True,
                   stdout=subprocess.DEVNULL)


def clean(value, old):
    """What older reference tools do not print is left out of both."""
    if isinstance(value, list):
        return [clean(v, old) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: clean(v, old) for k, v in value.items()
            if k not in old}


def corpus():
    reference("create", "-q", "-f", "raw", "r.img", "5M")
    io("r.img", "write -P 1 0 64k", "write -P 2 1M 4k", "write 2M 512k",
       "write -P 9 4M 1M", form="raw")
    yield "raw", "r.img"
    with open("odd.img", "wb") as f:
        f.write(b"x" * 1000)
    yield "raw", "odd.img"
    variants = {
        "plain": [], "old": ["compat=0.10"], "small": ["cluster_size=512"],
        "large": ["cluster_size=2M"], "narrow": ["refcount_bits=1"],
        "wide": ["refcount_bits=64"], "lazy": ["lazy_refcounts=on"],
        "zstd": ["compression_type=zstd"], "sub": ["extended_l2=on"],
        "meta": ["preallocation=metadata"], "data": ["data_file=data.bin"],
        "rawdata": ["data_file=raw.bin", "data_file_raw=on"],
    }
    for name, options in variants.items():
        image = f"q-{name}.qcow2"
        words = ["-o", ",".join(options)] if options else []
        reference("create", "-q", "-f", "qcow2", *words, image, "5M")
        io(image, "write -P 1 0 64k", "write -P 2 1M 4k", "write -z 2M 512k",
           "write -P 9 4M 1M", "discard 4M 128k")
        yield "qcow2", image
    for name in "zlib", "zstd":
        image = f"c-{name}.qcow2"
        reference("convert", "-c", "-O", "qcow2", "-o",
                  f"compression_type={name}", "r.img", image)
        yield "qcow2", image
    reference("create", "-q", "-f", "qcow2", "-b", "q-plain.qcow2", "-F",
              "qcow2", "o.qcow2", "7M")
    io("o.qcow2", "write -P 7 3M 192k", "write -z 0 64k")
    yield "qcow2", "o.qcow2"
    reference("create", "-q", "-f", "qcow2", "-b", "o.qcow2", "-F", "qcow2",
              "top.qcow2", "6M")
    io("top.qcow2", "write -P 8 5M 1M")
    yield "qcow2", "top.qcow2"
    reference("create", "-q", "-f", "qcow2", "s.qcow2", "5M")
    io("s.qcow2", "write -P 1 0 64k")
    reference("snapshot", "-c", "first", "s.qcow2")
    io("s.qcow2", "write -P 3 0 1M")
    reference("snapshot", "-c", "second one", "s.qcow2")
    yield "qcow2", "s.qcow2"
    reference("create", "-q", "-f", "qcow2", "b.qcow2", "5M")
    reference("bitmap", "--add", "b.qcow2", "b0")
    reference("bitmap", "--add", "-g", "32k", "b.qcow2", "b1")
    reference("bitmap", "--disable", "b.qcow2", "b1")
    yield "qcow2", "b.qcow2"
    yield from chains()
    yield from sparse_places()
    for form, options in OTHERS:
        if form not in FORMATS:
            continue
        image = f"{form}-{'-'.join(options).replace('=', '-')}.{form}"
        words = ["-o", ",".join(options)] if options else []
        reference("convert", "-O", form, *words, "r.img", image)
        yield form, image
        if "streamOptimized" in image:
            continue
        reference("create", "-q", "-f", form, *words, f"empty-{image}", "5M")
        yield form, f"empty-{image}"
    yield from encrypted()
    yield from from_elsewhere()


SECRET = ["--object", "secret,id=k,data=a password"]


def encrypted():
    """Read with a password; info also without one."""
    fast = "key-secret=k,iter-time=10"
    kinds = [("luks", "", ["", "cipher-alg=serpent-128,cipher-mode=cbc,"
                           "ivgen-alg=essiv,hash-alg=sha512"]),
             ("qcow2", "encrypt.", ["format=luks", "format=aes"])]
    for form, prefix, variants in kinds:
        for i, variant in enumerate(variants):
            if form not in FORMATS or "luks" not in FORMATS:
                continue
            image = f"e-{form}-{i}.{form}"
            words = f"{variant},{fast}".strip(",").split(",")
            if "format=aes" in words:
                words.remove("iter-time=10")
            done = run(THEIRS, "convert", *SECRET, "-O", form, "-o",
                       ",".join(prefix + w for w in words), "r.img", image)
            if done.returncode:  # it makes no more of the old kind
                print(f"skip {image}: {done.stderr.strip()}")
                continue
            yield form, image
            opened = f"driver={form},file.filename={image}," \
                     f"{prefix}key-secret=k"
            yield "", opened


def from_elsewhere():
    """What the reference reads and does not make: made here."""
    if "vpc" in FORMATS:
        ours("create", "-q", "-f", "vpc", "d-base.vhd", "5M")
        ours("create", "-q", "-f", "vpc", "-b", "d-base.vhd", "-F", "vpc",
             "d-top.vhd")
        yield "vpc", "d-top.vhd"
    if "vmdk" in FORMATS:
        # ESXi: a descriptor and a flat extent.
        shutil.copy("r.img", "x-flat.vmdk")
        with open("x.vmdk", "w", encoding="ascii") as f:
            f.write('# Disk DescriptorFile\nversion=1\nCID=12345678\n'
                    'parentCID=ffffffff\ncreateType="vmfs"\n\n'
                    f'RW {os.path.getsize("r.img") // 512} VMFS '
                    '"x-flat.vmdk"\n\nddb.adapterType = "lsilogic"\n')
        yield "vmdk", "x.vmdk"


OTHERS = [
    ("vdi", []), ("vdi", ["static=on"]), ("vpc", []),
    ("vpc", ["subformat=fixed"]), ("vpc", ["force_size=on"]), ("vhdx", []),
    ("vhdx", ["subformat=fixed"]), ("vhdx", ["block_size=1M"]), ("vmdk", []),
    ("vmdk", ["subformat=monolithicFlat"]),
    ("vmdk", ["subformat=twoGbMaxExtentSparse"]),
    ("vmdk", ["subformat=twoGbMaxExtentFlat"]),
    ("vmdk", ["subformat=streamOptimized"]), ("qed", []),
    ("qed", ["cluster_size=4k"]), ("qcow", []), ("parallels", []),
    ("parallels", ["cluster_size=64k"]),
]


def chains():
    """Names of backing files in every way that one can write them."""
    os.makedirs("sub", exist_ok=True)
    below = os.path.abspath("q-plain.qcow2")
    names = {
        "absolute": below, "dot": "./q-plain.qcow2",
        "json": 'json:{"driver":"qcow2","file":{"driver":"file","filename":"'
                + below + '"}}',
        "up": "../q-plain.qcow2",
    }
    for name, backing in names.items():
        image = f"sub/{name}.qcow2" if name == "up" else f"n-{name}.qcow2"
        reference("create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2",
                  image)
        yield "qcow2", image
    for form in "qed", "vmdk":
        if form in FORMATS:
            reference("create", "-q", "-f", form, "r-base." + form, "5M")
            reference("create", "-q", "-f", form, "-b", "r-base." + form,
                      "-F", form, "r-top." + form)
            yield form, "r-top." + form
    reference("create", "-q", "-f", "qcow2", "large.qcow2", "1T")
    io("large.qcow2", "write 700G 1M")
    yield "qcow2", "large.qcow2"


def sparse_places():
    """Data that is a hole in the file, by every way of having a place."""
    for form, options in (
            ("qcow2", ["preallocation=metadata"]),
            ("qcow2", ["preallocation=metadata", "data_file=hole.bin"]),
            ("qcow2", ["preallocation=falloc"]), ("vdi", ["static=on"]),
            ("vpc", ["subformat=fixed"]), ("vhdx", ["subformat=fixed"]),
            ("vmdk", ["subformat=monolithicFlat"])):
        if form not in FORMATS:
            continue
        image = f"hole-{len(options)}-{options[0][-5:]}.{form}"
        reference("create", "-q", "-f", form, "-o", ",".join(options), image,
                  "16M")
        io(image, "write -P 5 1M 1M", form=form)
        yield form, image


def compare_json(what, *arguments, old=(), again=True):
    ours, theirs = run(OURS, *arguments), run(THEIRS, *arguments)
    if ours.returncode != theirs.returncode:
        fail(f"{what}: status {ours.returncode}, not {theirs.returncode}: "
             f"{ours.stderr}")
        return
    if theirs.returncode not in (0, 2, 3):
        return
    a, b = json.loads(ours.stdout), json.loads(theirs.stdout)
    a, b = clean(a, old), clean(b, old)
    if a != b and again:
        os.sync()  # what a file takes on the disk may be settled late
        compare_json(what, *arguments, old=old, again=False)
    elif a != b:
        fail(f"{what}:\n  ours   {json.dumps(a, sort_keys=True)}\n"
             f"  theirs {json.dumps(b, sort_keys=True)}")


def compare_text(what, *arguments):
    ours, theirs = run(OURS, *arguments), run(THEIRS, *arguments)
    if (ours.returncode, ours.stdout) != (theirs.returncode, theirs.stdout):
        fail(f"{what}:\n{ours.stdout}{ours.stderr}\n---\n{theirs.stdout}"
             f"{theirs.stderr}")


def compare_image(form, image):
    old = set()
    if VERSION < (8, 0):
        old = {"children", "compressed", "detached-header"}
    if not form:  # the reference makes a json: name of the options
        old.add("filename")
    named = ["-f", form] if form else [*SECRET, "--image-opts"]
    compare_json(f"info {image}", "info", *named, "--output=json", image,
                 old=old)
    compare_json(f"chain of {image}", "info", *named, "--backing-chain",
                 "--output=json", image, old=old)
    compare_json(f"map {image}", "map", *named, "--output=json", image,
                 old=old)
    compare_json(f"check {image}", "check", *named, "--output=json", image,
                 old=old & {"filename"})
    if VERSION < (8, 0) and form == "parallels":
        old |= {"bitmaps"}  # which it has since 8.0
    for target in "raw", "qcow2":
        compare_json(f"measure {image} {target}", "measure", *named, "-O",
                     target, "--output=json", image, old=old)
    compare_text(f"check {image} for people", "check", *named, image)
    compare_text(f"compare {image}", "compare", *named, image, image)
    if form and image.startswith("e-"):
        return  # the content needs the password: another of the corpus
    # Each converts, the other compares.
    reference("convert", *named, "-O", "raw", image, "theirs.raw")
    for target in "raw", "qcow2":
        done = run(OURS, "convert", *named, "-O", target, image, "ours.img")
        if done.returncode:
            fail(f"convert {image} to {target}: {done.stderr}")
            continue
        done = run(THEIRS, "compare", "-f", target, "-F", "raw", "ours.img",
                   "theirs.raw")
        if done.returncode:
            fail(f"content of {image} as {target}: {done.stdout}")
        both = ["-f", form, "-F", target, image, "ours.img"]
        if not form:
            both = [*named, image, f"driver={target},file.filename=ours.img"]
        done = run(OURS, "compare", *both)
        if done.returncode:
            fail(f"our compare of {image} and {target}: {done.stdout}")


def main():
    n = 0
    for form, image in corpus():
        compare_image(form, image)
        n += 1
    print(f"{n} images compared, {known} known differences, "
          f"{failures} others")
    sys.exit(1 if failures else 0)


main()
