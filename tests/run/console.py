#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# `tenon run` in a terminal: the terminal is as it was after every way out, the
# exit status says which, and a console that waits for a connection does not
# keep the program from ending.
import errno
import os
import pty
import select
import signal
import socket
import struct
import sys
import tempfile
import termios
import time

TENON = os.environ["TENON_TOP_BUILDDIR"] + "/tools/tenon"
work = tempfile.TemporaryDirectory(prefix="tenon-console-")
failures = 0


def program(name, *words):
    path = os.path.join(work.name, name)
    with open(path, "wb") as file:
        file.write(struct.pack("<%dI" % len(words), *words))
    return path


HELLO = (0x100002b7,  # lui t0, 0x10000 (the UART)
         0x04800313, 0x00628023,  # 'H'
         0x04900313, 0x00628023)  # 'I'
SLEEP = (0x10500073, 0xffdff06f)  # wfi; j .-4
idle = program("idle", *HELLO, *SLEEP)
# lui t0, 0x100 (the test finisher); t1 = value; sw t1, 0(t0); j .
power_off = program("off", *HELLO, 0x001002b7, 0x00005337, 0x55530313,
                    0x0062a023, 0x6f)


class Run:
    """tenon run at the end of a pseudo-terminal that this process holds."""

    def __init__(self, firmware, *settings):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        arguments = [TENON, "run", "--set", "machine.board=riscv-virt",
                     "--set", "machine.accel=interp",
                     "--set", "machine.memory=32M",
                     "--set", "machine.firmware=" + firmware]
        for setting in settings:
            arguments += ["--set", setting]
        self.pid = os.fork()
        if self.pid == 0:
            # A shell starts what is in its background with some ignored.
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.close(self.master)
            os.login_tty(self.slave) if hasattr(os, "login_tty") \
                else self.login()
            # A sanitizer must not take the signal that the test is about.
            options = os.environ.get("ASAN_OPTIONS", "")
            os.environ["ASAN_OPTIONS"] = \
                options + ":handle_segv=0:handle_abort=0"
            os.execv(TENON, arguments)

    def login(self):
        import fcntl
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(self.slave, fd)

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            self.output += os.read(self.master, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        return True

    def until(self, text, seconds=30):
        end = time.time() + seconds
        while text not in self.output and time.time() < end:
            self.read(0.2)
        return text in self.output

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def until_raw(self, wanted, seconds=20):
        end = time.time() + seconds
        while self.is_raw() != wanted and time.time() < end:
            self.read(0.05)
        return self.is_raw() == wanted

    def kill(self, number):
        os.kill(self.pid, number)

    def end(self, seconds=30):
        """The wait status, or None: it had to be killed."""
        end = time.time() + seconds
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0):
                    pass
                return status
            self.read(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def check(what, holds, run):
    global failures
    if not holds:
        failures += 1
        print("FAIL %s; output: %r" % (what, run.output))
    return holds


def ends(what, run, action, exit_status=None, by_signal=None):
    """After ACTION the program ends so, and the terminal is as before."""
    action()
    status = run.end()
    if exit_status is not None:
        right = status is not None and os.WIFEXITED(status) and \
            os.WEXITSTATUS(status) == exit_status
    else:
        right = status is not None and os.WIFSIGNALED(status) and \
            os.WTERMSIG(status) == by_signal
    ok = check("%s: status %r" % (what, status), right, run)
    ok &= check(what + ": terminal was not restored", run.restored(), run)
    if ok:
        print("ok " + what)
    run.close()


def at_work():
    run = Run(idle)
    check("the guest writes to the terminal", run.until(b"HI"), run)
    check("raw mode", run.until_raw(True), run)
    return run


def keys(run, text):
    return lambda: os.write(run.master, text)


run = Run(power_off)
ends("guest switches itself off", run, lambda: None, exit_status=0)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    run = at_work()
    ends(number.name, run, lambda: run.kill(number), exit_status=128 + number)
for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT):
    run = at_work()
    ends(number.name, run, lambda: run.kill(number), by_signal=number)
run = at_work()
ends("escape key, x", run, keys(run, b"\x01x"), exit_status=0)
# Stopped, the terminal is as before; going on, it is raw again.
run = at_work()
run.kill(signal.SIGTSTP)
check("SIGTSTP restores the terminal", run.until_raw(False), run)
run.kill(signal.SIGCONT)
check("SIGCONT makes it raw again", run.until_raw(True), run)
ends("ended after a stop", run, lambda: run.kill(signal.SIGTERM),
     exit_status=143)

# A console that waits for a connection.
path = os.path.join(work.name, "socket")
waiting = ("char.console.backend=socket", "char.console.path=" + path,
           "char.console.wait=yes")
for number in (signal.SIGINT, signal.SIGTERM):
    run = Run(idle, *waiting)
    check("status line", run.until(b"waiting for a connection"), run)
    ends("%s while waiting" % number.name, run, lambda: run.kill(number),
         exit_status=128 + number)
run = Run(power_off, *waiting)
check("status line", run.until(b"waiting for a connection"), run)
client = socket.socket(socket.AF_UNIX)
client.connect(path)
ends("runs when somebody has connected", run, lambda: None, exit_status=0)
check("the guest's output", client.recv(16) == b"HI", run)
client.close()
sys.exit(failures != 0)
