# SPDX-License-Identifier: MIT OR Apache-2.0
"""A log-cache whose only source are the lines of input.log: log-cache.py HOST:PORT

Prints its address. Line N was written N milliseconds after a fixed time of yesterday, so that
another process serves the same envelopes. Each file fail-* makes one request fail.
"""
import base64, http.server, json, os, sys, threading, urllib.parse

FIRST = os.stat(__file__).st_mtime_ns - 86_400 * 10**9
STEP = 10**6


class Log:
    """The lines that are complete, as envelopes."""

    def __init__(self):
        self.file, self.rest, self.envelopes = open("input.log", "rb"), b"", []
        self.lock = threading.Lock()

    def read(self):
        with self.lock:
            return self.read_on()

    def read_on(self):
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        for line in lines:
            payload = base64.b64encode(line).decode()
            self.envelopes.append(json.dumps({
                "timestamp": str(FIRST + len(self.envelopes) * STEP),
                "source_id": "app",
                "instance_id": "0",
                "tags": {"source_type": "APP"},
                "log": {"payload": payload, "type": "OUT"},
            }))
        return self.envelopes


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = Log()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        failures = [name for name in os.listdir() if name.startswith("fail-")]
        if failures:
            os.remove(failures[0])
            self.answer(500, "out of order")
        elif url.path.endswith("/info"):
            self.answer(200, '{"version": "2.3.1"}')
        elif url.path.endswith("/meta"):
            count = len(self.log.read())
            newest = FIRST + (count - 1) * STEP
            self.answer(200, json.dumps({"meta": {"app": {
                "count": str(count), "expired": "0",
                "oldestTimestamp": str(FIRST), "newestTimestamp": str(newest),
            }}}))
        elif not url.path.startswith("/api/v1/read/"):
            self.answer(404, "no such page")
        else:
            self.page(dict(urllib.parse.parse_qsl(url.query)))

    def page(self, query):
        all = self.log.read()
        index = lambda name, default: max(0, -((FIRST - int(query.get(name, default))) // STEP))
        begin = min(index("start_time", 0), len(all))
        end = min(index("end_time", FIRST + len(all) * STEP), len(all))
        limit = int(query.get("limit", 100))
        if query.get("descending") == "true":
            page = all[max(begin, end - limit):end][::-1]
        else:
            page = all[begin:min(end, begin + limit)]
        self.answer(200, '{"envelopes": {"batch": [%s]}}' % ",".join(page))

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Threads(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that is gone


host, port = sys.argv[1].rsplit(":", 1)
server = Threads((host, int(port)), Server)
print("%s:%d" % server.server_address, flush=True)
server.serve_forever()
