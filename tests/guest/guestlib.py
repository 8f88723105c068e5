# SPDX-License-Identifier: Apache-2.0
"""What the tests that boot guests share: $TENON_TOP_BUILDDIR's tenon and the
guests of scripts/guest-riscv64 and guest-riscv64-disk in $TENON_GUESTS."""
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TENON_TOP_BUILDDIR", TOP / "build"))
sys.path.insert(0, str(TOP / "scripts" / "guest"))
# pylint: disable=wrong-import-position
from console import Console  # noqa: E402
from machine import Machine, Tenon, guests  # noqa: E402,F401

KERNEL = guests() / "riscv64"
DISK = guests() / "riscv64-disk"
SCRATCH = tempfile.TemporaryDirectory(prefix="tenon-guest-")
# Words for every machine of a test run, as TENON_SET="machine.accel=interp".
TENON = Tenon(BUILD / "tools/tenon", os.environ.get("TENON_SET", "").split())


def need(*paths):
    for path in paths:
        if not pathlib.Path(path).exists():
            print(f"skipped: {path} is missing (scripts/guest-riscv64, "
                  "scripts/guest-riscv64-disk)")
            sys.exit(77)


def direct(initrd="initrd.img", **machine):
    """A machine that boots the fetched kernel directly."""
    need(KERNEL / "kernel", KERNEL / initrd)
    return Machine(kernel=KERNEL / "kernel", initrd=KERNEL / initrd,
                   firmware=KERNEL / "firmware/fw_dynamic.bin", **machine)


def disk(form):
    """A copy of the Debian disk that a test may write to."""
    source = DISK / f"disk.{form}"
    need(source)
    path = pathlib.Path(SCRATCH.name) / source.name
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, path],
                   check=True)
    return path


def start(machine):
    """Run it; the console also goes to the test's log."""
    command = TENON.command(machine)
    print("$", " ".join(command), flush=True)
    return Console(command, log=sys.stdout.buffer)


def equal(what, got, wanted):
    if got != wanted:
        sys.exit(f"\n{what}: got {got!r}, wanted {wanted!r}")
    print(f"\n{what}: {got!r}", flush=True)


def succeed(guest, command, timeout=300):
    """Run a command in the guest that must not fail; what it printed."""
    status, out = guest.run(command, timeout)
    equal(f"status of {command}", status, 0)
    return out


def power_off(guest):
    guest.line("poweroff")
    equal("exit status after power-off", guest.wait(300), 0)
