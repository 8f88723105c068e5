#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make-image.py FORMAT VARIANT FILE: an image of a format that is only read
here, and its content in FILE.raw."""
import base64
import bz2
import lzma
import random
import struct
import sys
import zlib

SECTOR = 512


def content(sectors):
    """Words, noise and zeroes."""
    r = random.Random(4)
    out = b""
    while len(out) < sectors * SECTOR:
        n = r.randrange(1, 40) * SECTOR
        kind = r.randrange(3)
        out += (b"\0" * n if kind == 0 else r.randbytes(n) if kind == 1
                else (b"a line of text, %d\n" % r.randrange(99)
                      * n)[:n])
    return out[:sectors * SECTOR]


def adc(data):
    """Plain pieces, and runs as copies of the byte before."""
    out, i = b"", 0
    while i < len(data):
        run = 1
        while run < 67 and i + run < len(data) and data[i + run] == data[i]:
            run += 1
        if i and run >= 4 and data[i - 1] == data[i]:
            out += bytes([0x40 | run - 4, 0, 0])
            i += run
        elif i and run == 3 and data[i - 1] == data[i]:
            out += bytes([0, 0])
            i += run
        else:
            n = min(len(data) - i, 1 if run > 3 else 30)
            out += bytes([0x80 | n - 1]) + data[i:i + n]
            i += n
    return out


CODECS = {
    "raw": (1, lambda d: d), "zlib": (0x80000005, zlib.compress),
    "bzip2": (0x80000006, bz2.compress), "lzma": (0x80000008, lzma.compress),
    "adc": (0x80000004, adc),
}


def dmg(variant):
    disk = content(2000)
    kinds = ["raw", "zlib"] if variant == "resources" else \
        ["raw", "zlib", "bzip2", "lzma", "adc"] if variant == "all" else \
        [variant]
    body, tables, start = b"", [], 0
    for part in (700, 1300):
        chunks, at = b"", 0
        while at < part:
            n = min(part - at, 96)
            piece = disk[(start + at) * SECTOR:][:n * SECTOR]
            number, pack = CODECS[kinds[at // 96 % len(kinds)]]
            stored = pack(piece)
            if not piece.strip(b"\0"):
                number, stored = (0 if at % 192 else 2), b""
            chunks += struct.pack(">IIQQQQ", number, 0, at, n, len(body),
                                  len(stored))
            body += stored
            at += n
        chunks += struct.pack(">IIQQQQ", 0xffffffff, 0, part, 0, 0, 0)
        tables.append(struct.pack(">IIQQQII", 0x6d697368, 1, start, part, 0,
                                  0, 0).ljust(200, b"\0") +
                      struct.pack(">I", len(chunks) // 40) + chunks)
        start += part
    koly = bytearray(512)
    struct.pack_into(">III", koly, 0, 0x6b6f6c79, 4, 512)
    struct.pack_into(">QQ", koly, 24, 0, len(body))
    if variant == "resources":
        data = b"".join(struct.pack(">I", len(t)) + t for t in tables)
        fork = struct.pack(">IIII", 256, 256 + len(data), len(data), 0)
        fork = fork.ljust(256, b"\0") + data
        struct.pack_into(">QQ", koly, 40, len(body), len(fork))
    else:
        fork = (b'<?xml version="1.0"?>\n<plist version="1.0"><dict>\n'
                b"<key>resource-fork</key><dict><key>blkx</key><array>\n" +
                b"".join(b"<dict><key>Data</key><data>\n" +
                         base64.encodebytes(t) + b"</data></dict>\n"
                         for t in tables) +
                b"</array></dict></dict></plist>\n")
        struct.pack_into(">QQ", koly, 216, len(body), len(fork))
    struct.pack_into(">Q", koly, 492, 2000)
    return body + fork + bytes(koly), disk


def cloop(variant):
    block = int(variant)
    disk = content(960)
    disk += b"\0" * (-len(disk) % block)
    blocks = [zlib.compress(disk[i:i + block])
              for i in range(0, len(disk), block)]
    at = 136 + 8 * (len(blocks) + 1)
    offsets = [at]
    for b in blocks:
        at += len(b)
        offsets.append(at)
    header = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop\n".ljust(128, b"\n")
    return (header + struct.pack(">II", block, len(blocks)) +
            b"".join(struct.pack(">Q", o) for o in offsets) +
            b"".join(blocks), disk)


def bochs(variant):
    extent, bitmap = 16384, 4
    disk = bytearray(content(32 * 12))
    catalog, body, used = [], b"", 0
    for i in range(0, len(disk), extent):
        piece = bytes(disk[i:i + extent])
        if i // extent % 4 == 3 or not piece.strip(b"\0"):
            disk[i:i + extent] = bytes(extent)
            catalog.append(0xffffffff)
            continue
        bits = 0
        for s in range(extent // SECTOR):
            if piece[s * SECTOR:(s + 1) * SECTOR].strip(b"\0"):
                bits |= 1 << s
        body += struct.pack("<I", bits).ljust(512, b"\0") + piece
        catalog.append(used)
        used += 1
    header = b"Bochs Virtual HD Image".ljust(32, b"\0") + \
        b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
    version = 0x10000 if variant == "1" else 0x20000
    header += struct.pack("<IIIII", version, 512, len(catalog), bitmap,
                          extent)
    header += struct.pack("<Q", len(disk)) if variant == "1" else \
        struct.pack("<IQ", 0, len(disk))
    return (header.ljust(512, b"\0") +
            b"".join(struct.pack("<I", c) for c in catalog) + body,
            bytes(disk))


image, disk = globals()[sys.argv[1]](sys.argv[2])
open(sys.argv[3], "wb").write(image)
open(sys.argv[3] + ".raw", "wb").write(disk)
