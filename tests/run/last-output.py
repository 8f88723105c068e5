# SPDX-License-Identifier: Apache-2.0
"""A guest prints a lot and powers off at once; a reader with a small pipe that
is slow gets every byte of it. When the reader goes away the guest goes on."""
import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import time

COUNT = 0x6000
# Bare metal: wait for the UART's holding register, write, count, power off.
PROGRAM = [
    0x10000537,  # lui  a0, 0x10000       the UART
    0x000065b7,  # lui  a1, 0x6           COUNT
    0x00554283,  # lbu  t0, 5(a0)         line status
    0x0202f293,  # andi t0, t0, 0x20
    0xfe028ce3,  # beqz t0, .-8
    0x07800313,  # li   t1, 'x'
    0x00650023,  # sb   t1, 0(a0)
    0xfff58593,  # addi a1, a1, -1
    0xfe0594e3,  # bnez a1, .-24
    0x00100537,  # lui  a0, 0x100         the finisher
    0x000055b7,  # lui  a1, 0x5
    0x55558593,  # addi a1, a1, 0x555     power off
    0x00b52023,  # sw   a1, 0(a0)
    0x0000006f,  # j    .
]


def start(firmware):
    return subprocess.Popen(
        [os.environ["TENON_TOP_BUILDDIR"] + "/tools/tenon", "run",
         "--set", "machine.board=riscv-virt",
         "--set", "machine.accel=interp",
         "--set", "machine.firmware=" + firmware.name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def slow_reader(firmware):
    tenon = start(firmware)
    fcntl.fcntl(tenon.stdout, fcntl.F_SETPIPE_SZ, 4096)
    data = b""
    while True:
        piece = os.read(tenon.stdout.fileno(), 64)
        if not piece:
            break
        data += piece
        time.sleep(0.0005)
    status = tenon.wait()
    print(f"{len(data)} of {COUNT} bytes, exit status {status}")
    return data == b"x" * COUNT and status == 0


def reader_goes(firmware):
    tenon = start(firmware)
    os.read(tenon.stdout.fileno(), 64)
    tenon.stdout.close()
    said = tenon.stderr.read().decode()
    status = tenon.wait()
    print(f"no reader: exit status {status}: {said.strip()}")
    return status == 0 and "Broken pipe" in said


def main():
    with tempfile.NamedTemporaryFile(suffix=".bin") as firmware:
        firmware.write(b"".join(struct.pack("<I", w) for w in PROGRAM))
        firmware.flush()
        good = slow_reader(firmware)
        good &= reader_goes(firmware)
    return 0 if good else 1


sys.exit(main())
