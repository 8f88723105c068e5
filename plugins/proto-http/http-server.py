#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""http-server.py FILE: serves FILE for http-test, in ways the path says.

Prints its port. /good: as it should be. The others are wrong in one thing.
"""
import base64
import http.server
import os
import re
import sys

data = open(sys.argv[1], "rb").read()
count = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        what = self.path.strip("/")
        count[what] = count.get(what, 0) + 1
        if what == "gone":
            return self.answer(404)
        if what == "to-good":
            return self.answer(302, Location="/good")
        if what == "to-file":
            return self.answer(302, Location="file://" + sys.argv[1])
        if what == "round":
            return self.answer(302, Location="/round")
        if what == "locked":
            user = base64.b64encode(b"me:open sesame").decode()
            if self.headers.get("Authorization") != "Basic " + user:
                return self.answer(401, WWW_Authenticate='Basic realm="x"')
        if what == "cookie" and self.headers.get("Cookie") != "a=1; b=2":
            return self.answer(403)
        if what == "flaky" and count[what] % 3 == 0:
            return self.answer(503)
        if what == "down" and count[what] > 1:
            return self.answer(503)
        content = b"" if what == "empty" else data
        if what.startswith("beside/"):
            with open(os.path.join(os.path.dirname(sys.argv[1]),
                                   os.path.basename(what)), "rb") as file:
                content = file.read()
        wanted = re.match(r"bytes=(\d+)-(\d+)$",
                          self.headers.get("Range", ""))
        if not wanted or what == "no-ranges":
            return self.answer(200, content)
        first, last = int(wanted[1]), int(wanted[2])
        if first >= len(content):
            return self.answer(416, Content_Range="bytes */%d" % len(content))
        last = min(last, len(content) - 1)
        valid, total = {"ETag": '"one"'}, len(content)
        if what == "dates":
            valid = {"Last_Modified": "Mon, 02 Nov 2026 10:00:%02d GMT"
                     % count[what]}
        if what == "date":
            valid = {"Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}
        if count[what] > 1:
            if what == "changes":
                return self.answer(200, content, ETag='"two"')
            if what == "grows":
                total += 1
            if what == "shifts":
                first, last = first + 1, last + 1
            if what == "long":
                last += 1
        body = content[first:last + 1]
        if what == "short" and count[what] > 1:
            body = body[:-1]
        self.answer(206, body, Content_Range="bytes %d-%d/%d" % (
            first, last, total), **valid)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port)
sys.stdout.flush()
if os.getppid() == 1:
    sys.exit(1)
server.serve_forever()
