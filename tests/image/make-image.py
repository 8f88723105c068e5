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
    """Plain pieces and copies of earlier bytes, in both of their forms."""
    out, plain, seen, i = b"", b"", {}, 0

    def flush():
        return bytes([0x80 | len(plain) - 1]) + plain if plain else b""

    while i < len(data):
        key, n = data[i:i + 4], 4
        at = seen.get(key)
        seen[key] = i
        if at is None or len(key) < 4 or i - at > 65536:
            plain += data[i:i + 1]
            i += 1
            if len(plain) == 128:
                out, plain = out + flush(), b""
            continue
        while n < 67 and i + n < len(data) and data[at + n] == data[i + n]:
            n += 1
        out, plain, back = out + flush(), b"", i - at - 1
        if n <= 18 and back < 1024:
            out += bytes([n - 3 << 2 | back >> 8, back & 255])
        else:
            out += bytes([0x40 | n - 4, back >> 8, back & 255])
        i += n
    return out + flush()


def lzfse(data):
    """Blocks that are not compressed: what a program can make by itself."""
    return b"bvx-" + struct.pack("<I", len(data)) + data + b"bvx$"


CODECS = {
    "raw": (1, lambda d: d), "zlib": (0x80000005, zlib.compress),
    "bzip2": (0x80000006, bz2.compress), "lzma": (0x80000008, lzma.compress),
    "adc": (0x80000004, adc), "lzfse": (0x80000007, lzfse),
}


def dmg(variant):
    disk = content(2000)
    disk = disk[:192 * SECTOR] + bytes(96 * SECTOR) + disk[288 * SECTOR:]
    kinds = ["raw", "zlib"] if variant == "resources" else \
        ["raw", "zlib", "bzip2", "lzma", "adc"] if variant == "all" else \
        [variant.replace("all-", "")]
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
