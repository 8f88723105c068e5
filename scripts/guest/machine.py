# SPDX-License-Identifier: Apache-2.0
"""Machines that tests and benchmarks start, and how Tenon is told of them."""
import os
import pathlib
import subprocess


def guests():
    """Where scripts/guest-* put what they make."""
    cache = os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")
    return pathlib.Path(os.environ.get("TENON_GUESTS", f"{cache}/tenon/guests"))


class Machine:
    """A machine in words that are no emulator's own."""

    def __init__(self, harts=1, memory="512M", kernel=None, initrd=None,
                 cmdline=None, firmware=None, disks=(), net=False, forward=None,
                 tap=None, rng=False, flash=(), transport="mmio", extra=None):
        self.harts, self.memory = harts, memory
        self.kernel, self.initrd, self.cmdline = kernel, initrd, cmdline
        self.firmware = firmware
        self.disks = disks          # (path, format), in order
        self.net, self.forward, self.tap = net or forward or tap, forward, tap
        self.rng = rng
        self.flash = flash          # code, variables
        self.transport = transport  # of virtio: mmio or pci
        self.extra = extra or {}    # settings of Tenon's own


class Tenon:
    name = "tenon"

    def __init__(self, path, settings=()):
        self.path = path
        self.extra = [word for s in settings for word in ("--set", s)]

    def settings(self, m):
        yield "machine.board", "riscv-virt"
        yield "machine.cpus", m.harts
        yield "machine.memory", m.memory
        for key in ("kernel", "initrd", "cmdline", "firmware"):
            if getattr(m, key):
                yield f"machine.{key}", getattr(m, key)
        for i, path in enumerate(m.flash):
            yield f"device.flash{i}.image", path
        if m.flash:
            yield "device.flash0.readonly", "yes"
        virtio = []
        for i, (path, form) in enumerate(m.disks):
            virtio.append(f"disk.d{i}")
            yield f"disk.d{i}.image", path
            yield f"disk.d{i}.format", form
            yield f"disk.d{i}.device", "virtio-blk"
        if m.net:
            virtio.append("net.n")
            yield "net.n.backend", "tap" if m.tap else "user"
            yield "net.n.device", "virtio-net"
            if m.tap:
                yield "net.n.ifname", m.tap
            if m.forward:
                yield "net.n.forward", m.forward
        if m.rng:
            virtio.append("device.rng")
            yield "device.rng.component", "virtio-rng"
        if m.transport == "pci":
            for i, device in enumerate(virtio):
                yield f"device.pci{i}.component", "virtio-pci"
                yield f"{device}.parent", f"pci{i}"
        yield from m.extra.items()

    def command(self, m):
        words = [str(self.path), "run"]
        for key, value in self.settings(m):
            words += ["--set", f"{key}={value}"]
        return words + self.extra

    def version(self):
        return subprocess.run([self.path, "--version"], capture_output=True,
                              text=True, check=False).stdout.split("\n")[0]
