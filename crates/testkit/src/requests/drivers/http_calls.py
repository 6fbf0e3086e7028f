"""Calls over HTTP/1: nginx, Python's and Node's servers; Python's, Node's and curl as clients."""
import json
import os
import subprocess
import time

from calls import LOOPBACK, Line, Poll, free_port, listener, main, word

NGINX = """
daemon off; worker_processes 2; pid {home}/nginx.pid; error_log {home}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; client_max_body_size 64m; client_body_buffer_size 16m;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5; sendfile on; default_type text/plain;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {home}/files;
    location /plain/ {{ return 200 "hello, world\\n"; }}
    location /broken/ {{ return 500 "no\\n"; }}
    location /away/ {{ return 302 /plain/there; }}
    location /last/ {{ keepalive_timeout 0; return 200 "bye\\n"; }}
    location /small/ {{ rewrite ^ /small.txt break; }}
    location /middle/ {{ rewrite ^ /middle.bin break; }}
    location /large/ {{ rewrite ^ /large.bin break; }}
    location /missing/ {{ rewrite ^ /nowhere break; }}
    location /behind/ {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
MIDDLE, LARGE = 30_000, 10_000_000


class Http(Line):
    def call(self, log, method, path, status, head=(), body=b"", chunked=False, shown=None, **more):
        self.ask(method, path, head, body, chunked)
        self.answer(log, method, shown or path, status, **more)

    def ask(self, method, path, head=(), body=b"", chunked=False):
        self.since, self.clock = self.send(request(method, path, head, body, chunked))

    def answer(self, log, method, path, status, **more):
        code = self.response(method)
        if code != status:
            raise SystemExit(f"{method} {path} gave {code}, not {status}")
        log.call(method, path, str(code), self.since, self.arrived - self.clock, self.ends, **more)

    def response(self, method):
        while True:
            lines = self.until(b"\r\n\r\n").split(b"\r\n")
            code = int(lines[0].split()[1])
            if code != 100:
                break
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        if method == "HEAD" or code in (204, 304):
            return code
        if fields.get(b"transfer-encoding") == b"chunked":
            while size := int(self.until(b"\r\n"), 16):
                self.exactly(size + 2)
            self.until(b"\r\n")
        elif (length := fields.get(b"content-length")) is not None:
            self.exactly(int(length))
        else:
            while self.more():
                self.rest = b""
        return code


def request(method, path, head=(), body=b"", chunked=False):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", *head]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[at:at + 7000] for at in range(0, len(body), 7000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def nginx(work):
    os.makedirs(work.path("files"), exist_ok=True)
    os.chmod(work.home, 0o755)
    for name, size in (("small.txt", 612), ("middle.bin", MIDDLE), ("large.bin", LARGE)):
        with open(work.path(f"files/{name}"), "wb") as file:
            file.write(work.random.randbytes(size))
    behind = listener()
    work.servers.fork(serve, behind, None)
    port = free_port()
    with open(work.path("nginx.conf"), "w") as file:
        file.write(NGINX.format(home=work.home, port=port, behind=behind.getsockname()[1]))
    work.servers.start(["nginx", "-e", work.path("error.log"), "-c", work.path("nginx.conf")], port)
    return port


def serve(listening, ragged, connections=None):
    """A server with a thread for each connection; what it answers depends on the path."""
    import threading
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(6, 1, 1)
        threading.Thread(target=converse, args=(connection, ragged), daemon=True).start()


def converse(connection, ragged):
    reader = connection.makefile("rb")
    while line := reader.readline():
        method, path, _ = line.decode().split()
        fields = {}
        while (field := reader.readline()) not in (b"\r\n", b""):
            name, value = field.decode().strip().split(": ", 1)
            fields[name.lower()] = value
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(reader.readline(), 16):
                body += reader.read(size)
                reader.readline()
            reader.readline()
        elif length := int(fields.get("content-length", 0)):
            body = reader.read(length)
        data, closes = response(method, path, body)
        if ragged:
            cuts = [0, *sorted(ragged.sample(range(1, len(data)), min(4, len(data) - 1))), len(data)]
            for begin, end in zip(cuts, cuts[1:]):
                connection.sendall(data[begin:end])
        else:
            connection.sendall(data)
        if closes:
            break
    reader.close()
    connection.close()


def response(method, path, body):
    words = path.split("/")
    if "chunked" in words:
        pieces = [b"x" * size for size in (1, 700, 5000, 40)]
        data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data, False
    if "until-close" in words:
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"y" * 9000, True
    if "empty" in words:
        return b"HTTP/1.1 204 No Content\r\n\r\n", False
    if "down" in words:
        return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n", False
    data = b"%d bytes came\n" % len(body)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data, False


def keep_alive(work):
    """One after the other on a few connections, what nginx itself answers and small files."""
    port, log, pace = nginx(work), work.log("http"), work.pace()
    lines = [Http(port) for _ in range(4)]
    work.begun()
    for number in range(work.count):
        kind, method, status = (
            ("plain", "GET", 200), ("small", "GET", 200), ("missing", "GET", 404), ("plain", "HEAD", 200),
            ("broken", "GET", 500), ("away", "GET", 302), ("small", "HEAD", 200), ("middle", "GET", 200),
        )[number % 8]
        pace.wait()
        lines[number // 8 % 4].call(log, method, f"/{kind}/{word(number)}", status)
    log.close()


def new_connections(work):
    """A connection for each call, which the server closes."""
    port, log, pace = nginx(work), work.log("http"), work.pace()
    for number in range(work.count):
        pace.wait()
        line = Http(port)
        line.call(log, "GET", f"/last/{word(number)}", 200)
        line.close()
    log.close()


def pipeline(work):
    """Sixteen requests in one piece, before the first is answered."""
    port, log, pace = nginx(work), work.log("http"), work.pace()
    line = Http(port)
    work.begun()
    for first in range(0, work.count, 16):
        numbers = range(first, first + 16)
        paths = [(f"/missing/{word(n)}", 404) if n % 5 == 0 else (f"/plain/{word(n)}", 200) for n in numbers]
        pace.wait()
        line.since, line.clock = line.send(b"".join(request("GET", path) for path, _ in paths))
        for path, status in paths:
            line.answer(log, "GET", path, status)
    log.close()


def bodies(work):
    """30 KB and 10 MB, up and down, with a known length and in chunks."""
    port, log = nginx(work), work.log("http")
    server = listener()
    work.servers.fork(serve, server, None)
    lines = [Http(port), Http(server.getsockname()[1])]
    for number in range(work.count):
        name = word(number)
        lines[0].call(log, "GET", f"/middle/{name}", 200)
        lines[1].call(log, "POST", f"/take/{name}", 200, body=work.random.randbytes(MIDDLE))
        lines[1].call(log, "PUT", f"/take/{name}", 200, body=b"z" * MIDDLE, chunked=True)
        lines[1].call(log, "GET", f"/chunked/{name}", 200)
        lines[1].call(log, "DELETE", f"/empty/{name}", 204)
        if number % 20 == 0:
            lines[0].call(log, "GET", f"/large/{name}", 200)
            lines[1].call(log, "POST", f"/take/large/{name}", 200, body=work.random.randbytes(LARGE))
            lines[1].call(log, "PUT", f"/take/large/{name}", 200, body=b"z" * LARGE, chunked=True)
            line = Http(server.getsockname()[1])
            line.call(log, "GET", f"/until-close/{name}", 200)
            line.close()
    log.close()


def proxied(work):
    """nginx passes them on: each call is two, and has four rows."""
    port, log, pace = nginx(work), work.log("http"), work.pace()
    line = Http(port)
    for number in range(work.count):
        pace.wait()
        kind, status = (("chunked", 200), ("take", 200), ("down", 503), ("empty", 204))[number % 4]
        line.call(log, "GET", f"/behind/{kind}/{word(number)}", status)
        log.call("GET", f"/behind/{kind}/{word(number)}", str(status), line.since, None, (None, None))
    log.close()


def ragged(work):
    """Both sides write in pieces of any length."""
    server = listener()
    work.servers.fork(serve, server, work.random)
    log, pace = work.log("http"), work.pace()
    lines = [Http(server.getsockname()[1], work.random) for _ in range(4)]
    for number in range(work.count):
        pace.wait()
        line, path = lines[number % 4], word(number)
        if number % 3 == 0:
            line.call(log, "POST", f"/take/{path}", 200, body=work.random.randbytes(work.random.randrange(1, 3000)))
        elif number % 3 == 1:
            line.call(log, "GET", f"/chunked/{path}", 200)
        else:
            line.call(log, "PUT", f"/take/{path}", 200, body=b"a" * work.random.randrange(1, 20000), chunked=True)
    log.close()


def hundred(work):
    """A hundred connections, each with a call under way at any time."""
    port, log = nginx(work), work.log("http")
    lines = [Http(port) for _ in range(100)]
    poll, number = Poll(lines), 0
    for line in lines:
        line.path = f"/small/{word(number)}"
        line.ask("GET", line.path)
        number += 1
    busy = len(lines)
    while busy:
        for line in poll.ready():
            line.answer(log, "GET", line.path, 200)
            busy -= 1
            if number < work.count:
                line.path = f"/small/{word(number)}"
                line.ask("GET", line.path)
                number, busy = number + 1, busy + 1
    log.close()


def standard_library(work):
    """http.server and http.client, the one with HTTP/1.0 and the other in its own process."""
    import http.client
    import http.server

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if "there" in self.path else 404)
            self.end_headers()
            self.wfile.write(b"text until the end\n")

        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer((LOOPBACK, 0), Answer)
    work.servers.fork(server.serve_forever)
    log, pace, port = work.log("http"), work.pace(), server.server_port
    for number in range(work.count):
        pace.wait()
        path = f"/{'there' if number % 3 else 'lost'}/{word(number)}"
        method, body = ("POST", b"b" * 500) if number % 4 == 3 else ("GET", None)
        connection = http.client.HTTPConnection(LOOPBACK, port)
        connection.connect()
        ends = (connection.sock.getsockname()[1], port)
        since, clock = time.time_ns(), time.perf_counter_ns()
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        log.call(method, path, str(answer.status), since, time.perf_counter_ns() - clock, ends)
        connection.close()
    log.close()


NODE_SERVER = """
require('http').createServer((q, a) => {
  let n = 0; q.on('data', d => n += d.length); q.on('end', () => {
    if (q.url.startsWith('/lost')) { a.writeHead(404); a.end('no'); }
    else if (q.url.startsWith('/flow')) { a.write('a'.repeat(3000)); a.end('b'); }
    else a.end('came: ' + n); }); }).listen(PORT, '127.0.0.1');
"""
NODE_CLIENT = """
const http = require('http'), fs = require('fs'), letters = 'bcdfghjklmnpqrstvwxz';
const word = n => { let w = ''; for (let i = 0; i < 5; i++) { w = letters[n % 20] + w; n = Math.floor(n / 20); } return 'q' + w; };
const agent = new http.Agent({keepAlive: true, maxSockets: 4}); let next = 0, lines = [];
const one = () => { const n = next++; if (n >= COUNT) return;
  const path = ['/lost/', '/flow/', '/take/'][n % 3] + word(n), method = n % 3 == 2 ? 'POST' : 'GET';
  const since = BigInt(Date.now()) * 1000000n, clock = process.hrtime.bigint();
  const q = http.request({port: PORT, host: '127.0.0.1', agent, method, path}, a => {
    const client = a.socket.localPort; a.resume(); a.on('end', () => {
      const latency = process.hrtime.bigint() - clock;
      lines.push(JSON.stringify({call: {protocol: 'http', operation: method, resource: path, status: String(a.statusCode),
        time: Number(since), latency: Number(latency), client, server: PORT, loose: true}})); one(); }); });
  q.end(method == 'POST' ? 'c'.repeat(2000) : undefined); };
for (let i = 0; i < 4; i++) one();
process.on('exit', () => fs.appendFileSync(LOG, lines.join('\\n') + '\\n'));
"""


def node(work):
    """Node on both sides."""
    port = free_port()
    work.servers.start(["node", "-e", NODE_SERVER.replace("PORT", str(port))], port)
    script = NODE_CLIENT.replace("PORT", str(port)).replace("COUNT", str(work.count))
    subprocess.run(["node", "-e", script.replace("LOG", json.dumps(work.path("calls.jsonl")))], check=True)


def curl(work):
    """curl: many addresses in one run, and a large upload that asks first."""
    port, log = nginx(work), work.log("http")
    server = listener()
    work.servers.fork(serve, server, None)
    form = "%{method} %{response_code} %{local_port} %{remote_port} %{time_pretransfer} %{time_total} %{url_effective}\n"
    with open(work.path("curl.conf"), "w") as file:
        for number in range(work.count):
            path = f"/{('small', 'missing', 'plain')[number % 3]}/{word(number)}"
            file.write(f'url = "http://{LOOPBACK}:{port}{path}"\noutput = "/dev/null"\n')
    with open(work.path("body"), "wb") as file:
        file.write(b"d" * 2_000_000)
    many = ["curl", "-q", "-s", "-w", form, "-K", work.path("curl.conf")]
    upload = ["curl", "-q", "-s", "-o", "/dev/null", "-w", form, "-H", "Expect: 100-continue", "--expect100-timeout", "0.05",
              "--data-binary", f"@{work.path('body')}", f"http://{LOOPBACK}:{server.getsockname()[1]}/take/{word(work.count)}"]
    for command in (many, upload):
        # The time is that of the whole run: where calls are told apart is their names.
        since = time.time_ns()
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            method, code, client, port_there, begun, total, url = line.split()
            path = "/" + url.split("/", 3)[3]
            latency = int((float(total) - float(begun)) * 1e9)
            log.call(method, path, code, since, latency, (int(client), int(port_there)), loose=True)
    log.close()


if __name__ == "__main__":
    main({it.__name__.replace("_", "-"): it for it in (
        keep_alive, new_connections, pipeline, bodies, proxied, ragged, hundred, standard_library, node, curl)})
