#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: machines of both emulators, medians, the table.

Every figure is a ratio of Tenon to the reference emulator, measured in turns
in the same run on the same machine: nothing here promises a duration.

As a program, "benchlib.py DIRECTORY PROGRAM ARGUMENTS" runs a program of a
reference directory made by get-reference.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts" / "guest"))
# pylint: disable=wrong-import-position
from console import Console  # noqa: E402
from machine import Machine, Tenon, guests  # noqa: E402,F401


def reference_command(directory, program):
    """The command that runs a program of the directory with its libraries."""
    directory = pathlib.Path(directory).resolve()
    loaders = [*directory.glob("lib64/ld-linux*.so.*"),
               *directory.glob("lib/ld-linux*.so.*")]
    if not loaders:
        raise SystemExit(f"{directory} has no loader: not made by "
                         "bench/get-reference?")
    libraries = [d for d in directory.glob("usr/lib/*-linux-gnu*")
                 if (d / "libc.so.6").exists() or (d / "libz.so.1").exists()]
    # Libraries in directories of their own, such as pulseaudio's.
    libraries += sorted({f.parent for d in libraries for f in d.glob("*/*.so*")
                         if f.parent.name in ("pulseaudio", "blas", "lapack")})
    return [str(loaders[0]), "--library-path",
            ":".join(str(d) for d in libraries),
            str(directory / "usr/bin" / program)]


class Reference:
    name = "reference"

    def __init__(self, directory):
        if directory:
            share = pathlib.Path(directory).resolve() / "usr/share/qemu"
            self.words = reference_command(directory, "qemu-system-riscv64")
            self.words += ["-L", str(share)]
        else:
            self.words = ["qemu-system-riscv64"]

    def command(self, m):
        suffix = "pci" if m.transport == "pci" else "device"
        words = self.words + ["-M", "virt", "-m", m.memory,
                              "-smp", str(m.harts), "-nographic", "-nodefaults",
                              "-serial", "stdio", "-monitor", "none"]
        for key, option in (("kernel", "-kernel"), ("initrd", "-initrd"),
                            ("cmdline", "-append"), ("firmware", "-bios")):
            if getattr(m, key):
                words += [option, str(getattr(m, key))]
        for i, (path, form) in enumerate(m.disks):
            words += ["-drive",
                      f"file={path},format={form},if=none,id=d{i}",
                      "-device", f"virtio-blk-{suffix},drive=d{i}"]
        if m.net or m.tap:
            words += ["-netdev",
                      f"tap,id=n,ifname={m.tap},script=no,downscript=no"
                      if m.tap else "user,id=n",
                      "-device", f"virtio-net-{suffix},netdev=n"]
        return words

    def version(self):
        return subprocess.run(self.words[:-2] + ["--version"],
                              capture_output=True, text=True,
                              check=False).stdout.split("\n")[0]


class Table:
    """Figures of both emulators; prints medians and their ratio."""

    def __init__(self):
        self.figures = {}

    def add(self, row, emulator, value, more_is_better=False):
        entry = self.figures.setdefault(row, ({}, more_is_better))
        entry[0].setdefault(emulator, []).append(value)

    def print(self, title):
        print(f"\n{title}: ratio of Tenon to the reference, less is better")
        print(f"{'':34}{'tenon':>12}{'reference':>12}{'ratio':>8}")
        for row, (figures, more_is_better) in self.figures.items():
            median = {e: statistics.median(v) for e, v in figures.items()}
            tenon = median.get("tenon")
            reference = median.get("reference")
            ratio = ""
            if tenon and reference:
                quotient = tenon / reference
                ratio = f"{1 / quotient if more_is_better else quotient:.2f}"
            cells = [f"{v:.4g}" if v is not None else "-"
                     for v in (tenon, reference)]
            print(f"{row:34}{cells[0]:>12}{cells[1]:>12}{ratio:>8}")
        sys.stdout.flush()


class Bench:
    """Options, guests and the loop over both emulators."""

    def __init__(self, description, harts="1,4", runs=5):
        parser = argparse.ArgumentParser(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--tenon", default=str(TOP / "build/tools/tenon"),
                            help="the program (default: in build/)")
        parser.add_argument("--set", action="append", default=[],
                            help="for Tenon's machine, as accel=interp")
        parser.add_argument("--reference",
                            default=os.environ.get("TENON_REFERENCE"),
                            help="directory made by bench/get-reference "
                            "(default: $TENON_REFERENCE, else the installed "
                            "qemu-system-riscv64)")
        parser.add_argument("--only", choices=("tenon", "reference"))
        parser.add_argument("--runs", type=int, default=runs)
        parser.add_argument("--harts", default=harts)
        parser.add_argument("--transport", choices=("mmio", "pci"),
                            default="mmio")
        parser.add_argument("--log", help="append the consoles to this file")
        self.parser = parser
        self.table = Table()
        self.scratch = tempfile.TemporaryDirectory(prefix="tenon-bench-")

    def parse(self):
        self.args = self.parser.parse_args()
        emulators = [Tenon(self.args.tenon, self.args.set),
                     Reference(self.args.reference)]
        self.emulators = [e for e in emulators
                          if self.args.only in (None, e.name)]
        self.harts = [int(h) for h in self.args.harts.split(",")]
        self.kernel = guests() / "riscv64"
        self.disk = guests() / "riscv64-disk"
        for e in self.emulators:
            print(f"{e.name}: {e.version()}")
        return self.args

    def turns(self):
        """Both emulators, in turns, as often as asked."""
        for _ in range(self.args.runs):
            yield from self.emulators

    def console(self, emulator, machine):
        return Console(emulator.command(machine), log=self.args.log)

    def firmware(self):
        return self.kernel / "firmware/fw_dynamic.bin"

    def overlay(self):
        """A copy of the disk that one run may write to."""
        path = pathlib.Path(self.scratch.name) / "disk.raw"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto",
                        self.disk / "disk.raw", path], check=True)
        return path

    def programs(self, *names, libraries=()):
        """Compile bench/guest/NAME.c for the guest; a disk holding a tar."""
        compiler = shutil.which("riscv64-linux-gnu-gcc")
        if not compiler:
            raise SystemExit("riscv64-linux-gnu-gcc is missing (Debian: "
                             "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross)")
        scratch = pathlib.Path(self.scratch.name)
        image = scratch / "programs.tar"
        with tarfile.open(image, "w") as tar:
            for name in names:
                subprocess.run(
                    [compiler, "-O2", "-static", "-pthread", "-o",
                     scratch / name, TOP / "bench/guest" / f"{name}.c", "-lm"],
                    check=True)
                tar.add(scratch / name, name)
            for path in libraries:
                tar.add(path, pathlib.Path(path).name)
        with open(image, "ab") as f:  # whole sectors
            f.truncate((image.stat().st_size + 65535) // 65536 * 65536)
        return image


if __name__ == "__main__":
    os.execv((c := reference_command(sys.argv[1], sys.argv[2]) +
              sys.argv[3:])[0], c)
