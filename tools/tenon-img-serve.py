#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What no well-behaved NBD client does to `tenon-img serve`, over a unix
socket: tenon-img-serve.py SOCKET COMMAND [ARGUMENT]

fuzz SEED:N  N connections of mutated handshakes and requests; all of what is
             sent is drawn from the seed, whatever the server answers
pending      writes that are still in flight when the client says good-bye
broken       a client that vanishes between its requests
ragged       parts of the same sectors written from two connections at once
limits       requests and options that must be refused, each with its error
hold         connect, and say nothing until the server hangs up
stuck        ask for much, read none of it, until the server hangs up
"""
import random
import select
import socket
import struct
import sys
import threading

IHAVEOPT = 0x49484156454F5054
REPLY = 0x3E889045565A9
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
GO, STRUCTURED, LIST_META, SET_META = 7, 8, 9, 10
EINVAL, ENOSPC = 22, 28


def option(code, data=b""):
    return struct.pack(">QII", IHAVEOPT, code, len(data)) + data


def go(name=b"", code=GO):
    return option(code, struct.pack(">I", len(name)) + name + b"\0\0")


def meta(code, *queries):
    data = struct.pack(">II", 0, len(queries))
    for query in queries:
        data += struct.pack(">I", len(query)) + query
    return option(code, data)


def request(kind, cookie, offset=0, length=0, flags=0, data=b""):
    return struct.pack(">IHHQQI", 0x25609513, flags, kind, cookie, offset,
                       length) + data


def write(cookie, offset, data, flags=0):
    return request(WRITE, cookie, offset, len(data), flags, data)


class Client:
    """A connection with simple replies, or structured ones."""

    def __init__(self, path, structured=False):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.take(18)
        self.send(struct.pack(">I", 3))
        self.structured = structured
        if structured:
            assert self.ask(option(STRUCTURED))[-1][0] == 1
            assert self.ask(meta(SET_META, b"base:allocation"))[-1][0] == 1

    def send(self, data):
        self.socket.sendall(data)

    def take(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def ask(self, what):
        """All the replies to an option: (type, data)."""
        self.send(what)
        replies = []
        while not replies or replies[-1][0] in (2, 3, 4):
            magic, _, kind, length = struct.unpack(">QIII", self.take(20))
            assert magic == REPLY
            replies.append((kind, self.take(length)))
        return replies

    def go(self):
        assert self.ask(go())[-1][0] == 1
        return self

    def reply(self):
        """(cookie, error)"""
        if not self.structured:
            magic, error, cookie = struct.unpack(">IIQ", self.take(16))
            assert magic == 0x67446698
            return cookie, error
        error = 0
        while True:
            magic, flags, kind, cookie, length = struct.unpack(
                ">IHHQI", self.take(20))
            assert magic == 0x668E33EF
            data = self.take(length)
            if kind & 0x8000:
                error = struct.unpack(">I", data[:4])[0]
            if flags & 1:
                return cookie, error

    def drain(self):
        """Until the server closes."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except (ConnectionError, BrokenPipeError):
            pass


# ---- fuzzing ----

NAMES = [b"", b"x", b"base:", b"base:allocation", b"qemu:",
         b"qemu:allocation-depth", b"qemu:dirty-bitmap:", b"y" * 5000]
NUMBERS = [0, 1, 511, 512, 65535, 1 << 20, (32 << 20) + 1, 0x7FFFFFFF,
           0xFFFFFFFF, 1 << 32, (1 << 63) - 1, (1 << 64) - 512, (1 << 64) - 1]


def conversation(r):
    """A list of messages that would be right, more or less."""
    parts = [struct.pack(">I", r.choice([3, 3, 3, 1, 0, 7, 0xFFFFFFFF]))]
    for _ in range(r.randrange(5)):
        parts.append(r.choice([
            option(3), option(STRUCTURED), go(r.choice(NAMES), 6),
            meta(LIST_META, *r.sample(NAMES, r.randrange(4))),
            meta(SET_META, *r.sample(NAMES, r.randrange(4))),
            option(5), option(r.randrange(20), r.randbytes(r.randrange(40))),
        ]))
    parts.append(option(1) if r.random() < .2 else option(2)
                 if r.random() < .1 else go())
    for cookie in range(r.randrange(12)):
        kind = r.randrange(9)
        length = r.choice([0, 1, 512, 4096, 70000, r.randrange(1 << 20)])
        offset = r.choice([0, 100, 4096, 1 << 20, r.randrange(4 << 20),
                           r.choice(NUMBERS)])
        if r.random() < .1:
            length = r.choice(NUMBERS[:9])
        data = r.randbytes(min(length, 1 << 17)) if kind == WRITE else b""
        parts.append(request(kind, cookie, offset, length,
                             r.choice([0, 0, 1, 2, 4, 8, 16, 0xFFFF]), data))
    return parts


def mutate(r, parts):
    out = bytearray()
    for part in parts:
        part = bytearray(part)
        while r.random() < .08:
            where = r.randrange(min(len(part), 64))
            how = r.randrange(4)
            if how == 0:
                part[where] = r.randrange(256)
            elif how == 1:
                part[where:where + 4] = struct.pack(
                    ">I", r.choice(NUMBERS) & 0xFFFFFFFF)
            elif how == 2:
                del part[where:where + r.randrange(8)]
            else:
                part[where:where] = r.randbytes(r.randrange(8))
            if not part:
                break
        out += part
    return out[:r.randrange(len(out) + 1)] if r.random() < .1 else out


def fuzz(path, argument):
    seed, count = map(int, argument.split(":"))
    for i in range(count):
        r = random.Random(f"{seed}:{i}")
        data = mutate(r, conversation(r))
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(path)
        # Replies are read meanwhile: the server bounds what it owes us.
        reader = threading.Thread(target=swallow, args=(s, i))
        reader.start()
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it hung up, as it may
        reader.join()
        s.close()
    Client(path).go()


def swallow(s, i):
    try:
        while s.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        print(f"connection {i}: the server neither answers nor hangs up")
        raise


# ---- one behaviour each ----

def pending(path, _):
    c = Client(path).go()
    c.send(b"".join(write(i, i * 65536, bytes([i + 1]) * 65536)
                    for i in range(40)) + request(DISC, 99))
    answers = sorted(c.reply() for _ in range(40))
    assert answers == [(i, 0) for i in range(40)], answers
    try:
        c.take(1)
        raise AssertionError("a reply too many")
    except EOFError:
        pass


def broken(path, _):
    c = Client(path).go()
    c.send(write(1, 8 << 20, b"\x55" * 4096))
    assert c.reply() == (1, 0)
    c.send(b"".join(write(i, (9 << 20) + i * 65536, b"\x66" * 65536)
                    for i in range(20)))
    c.send(write(77, 0, b"\x77" * 65536)[:1000])  # half a write is none
    c.socket.close()


def ragged(path, _):
    """Even bytes' stretches from one connection, odd ones' from another."""
    def work(which):
        c = Client(path).go()
        c.send(b"".join(write(i, (10 << 20) + i * 200 + which * 100,
                              bytes([0x10 + which]) * 100)
                        for i in range(50)))
        for _ in range(50):
            assert c.reply()[1] == 0
        c.send(request(DISC, 0))

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    c = Client(path).go()
    c.send(request(READ, 5, 10 << 20, 10000))
    assert c.reply() == (5, 0)
    got = c.take(10000)
    assert got == (b"\x10" * 100 + b"\x11" * 100) * 50


def limits(path, _):
    c = Client(path, structured=True)
    for what, error in (
            (go(b"nonsense"), 0x80000006),
            (option(GO, b"\0\0"), 0x80000003),
            (option(GO, struct.pack(">I", 0xFFFFFFFF) + b"\0\0"), 0x80000003),
            (option(LIST_META, struct.pack(">III", 0, 1, 99)), 0x80000003),
            (option(3, b"x"), 0x80000003),
            (option(999), 0x80000001),
            (option(4, b"z" * 70000), 0x80000009)):
        got = c.ask(what)[-1][0]
        assert got == error, (what[:20], hex(got))
    c.go()
    size = 64 << 20
    for what, error in (
            (request(READ, 1, size - 512, 1024), EINVAL),
            (request(READ, 1, (1 << 64) - 512, 1024), EINVAL),
            (request(READ, 1, 0, (32 << 20) + 1), EINVAL),
            (request(READ, 1, 0, 512, 8), EINVAL),
            (write(1, size - 1, b"ab"), ENOSPC),
            (request(TRIM, 1, size, 1), ENOSPC),
            (request(STATUS, 1, 0, 0), EINVAL),
            (request(200, 1, 0, 512), EINVAL),
            (request(FLUSH, 1), 0),
            (request(READ, 1, size - 1, 1, 4), 0),
            (request(CACHE, 1, 0, size), 0),
            (request(STATUS, 1, 0, size), 0)):
        c.send(what)
        cookie, got = c.reply()
        assert (cookie, got) == (1, error), (what[:28], got)


def hold(path, _):
    c = Client(path)
    c.drain()


def stuck(path, _):
    c = Client(path).go()
    c.send(b"".join(request(READ, i, 0, 1 << 20) for i in range(200)))
    # Ready when the first reply is there.
    c.take(16)
    print("stuck", flush=True)
    poll = select.poll()
    poll.register(c.socket, 0)
    assert poll.poll(60000), "the server does not hang up"


if __name__ == "__main__":
    globals()[sys.argv[2]](sys.argv[1], (sys.argv + [""])[3])
