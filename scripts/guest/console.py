# SPDX-License-Identifier: Apache-2.0
"""Drive a program through its console: tests and benchmarks talk to guests.

    with Console(["tenon", "run", "vm.conf"], log="boot.log") as guest:
        guest.expect(r"login: ", 60)
        guest.line("root")
        print(guest.run("uname -m"))
"""
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time


class Timeout(Exception):
    """What was waited for did not come; the text is what came instead."""


class Ended(Exception):
    """The program ended while something was waited for."""


def _own_terminal():
    """In the child: its end of the terminal hangs up when we are gone."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Console:
    """A program on a terminal of its own."""

    def __init__(self, command, log=None, **kwargs):
        self.text = ""          # what has come and was not consumed yet
        # A path, or a binary file that is open already.
        self.owns_log = isinstance(log, (str, os.PathLike))
        self.log = open(log, "ab", buffering=0) if self.owns_log else log
        self.prompt = None
        self.fd, terminal = pty.openpty()
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal,
            start_new_session=True, close_fds=True, preexec_fn=_own_terminal,
            **kwargs)
        os.close(terminal)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def elapsed(self):
        return time.monotonic() - self.start

    def cpu(self):
        """Processor seconds used so far by the program (not its children)."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, seconds):
        if not select.select([self.fd], [], [], max(seconds, 0))[0]:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:         # the terminal's other side was closed
            data = b""
        if not data:
            raise Ended(self.text[-2000:])
        if self.log:
            self.log.write(data)
            self.log.flush()
        self.text += data.decode(errors="replace").replace("\r", "")

    def expect(self, pattern, timeout):
        """Wait for the pattern; consume all up to its end; give the match."""
        regex = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        while True:
            match = regex.search(self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"no {pattern!r} in {timeout} s, but: "
                              + self.text[-2000:])
            self._read(left)

    def send(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.send(text + "\n")

    def login(self, user="root", password="tenon", timeout=300):
        """Log in at getty's prompt and make the shell fit to be driven."""
        self.expect(r"login: ", timeout)
        self.line(user)
        self.expect(r"[Pp]assword: ", 60)
        self.line(password)
        self.expect(r"[#$] ", 60)
        self.quiet()

    def quiet(self):
        """Turn echo off and set a prompt that nothing else prints."""
        # The quotes keep the command's echo from looking like the prompt.
        self.line("stty -echo; TERM=dumb; unset PROMPT_COMMAND; "
                  "bind 'set enable-bracketed-paste off' 2>/dev/null; "
                  "PS1='tn''>> '")
        self.prompt = r"tn>> "
        self.expect(self.prompt, 60)

    def run(self, command, timeout=120):
        """Run a shell command; give (status, what it printed)."""
        self.line(command + "\necho \"tn-status=$?\"")
        match = self.expect(r"(?s)\A(.*?)(?:tn>> )?tn-status=(\d+)\n", timeout)
        self.expect(self.prompt, 60)
        return int(match.group(2)), match.group(1)

    def wait(self, timeout):
        """Wait for the program's end; give its exit status."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self._read(deadline - time.monotonic())
            raise Timeout(f"still running after {timeout} s: "
                          + self.text[-2000:])
        except Ended:
            return self.process.wait(max(deadline - time.monotonic(), 1))

    def close(self):
        """End the program if it has not ended yet."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(sig)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    continue
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.log and self.owns_log:
            self.log.close()
        self.log = None
