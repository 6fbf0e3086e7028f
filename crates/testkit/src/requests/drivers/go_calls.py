"""Calls over the TLS of Go: a server in Go, called by a client in Go and by Python's standard library."""
import http.client
import os
import ssl
import subprocess
import time

from calls import LOOPBACK, main, word


def server(work, version):
    """Starts it; its port."""
    process = work.servers.start([work.program, "serve", work.path("port"), version])
    deadline = time.monotonic() + 20
    while not os.path.exists(work.path("port")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the server does not listen")
        time.sleep(0.02)
    with open(work.path("port")) as file:
        return int(file.read())


def go(work, version):
    """Go on both sides, four calls at a time."""
    port, log = server(work, version), work.path("calls.jsonl")
    begin = work.path("go") if os.environ.get("CALLS_WARM") or work.is_late else ""
    ready = work.path("ready") if work.is_late else ""
    subprocess.run([work.program, "call", str(port), str(work.count), log, version, begin, ready], check=True)
    log = work.log("http")
    # Those that are taken up in the middle have lost what they were asked for.
    for resource in ("/warm", ""):
        log.tally("GET", None, resource=resource)
    log.close()


def http1(work):
    go(work, "h1")


def http2(work):
    go(work, "h2")


def python(work):
    """Python's client, a connection for every ten calls."""
    port, log, pace = server(work, "h1"), work.log("http"), work.pace()
    context = ssl._create_unverified_context()
    connect = lambda: http.client.HTTPSConnection(LOOPBACK, port, context=context)
    line, deadline = connect(), time.monotonic() + 40
    while os.environ.get("CALLS_WARM") and not os.path.exists(work.path("go")) and time.monotonic() < deadline:
        line.request("GET", "/warm")
        line.getresponse().read()
        time.sleep(0.05)
    log.tally("GET", None, resource="/warm")
    for number in range(work.count):
        pace.wait()
        if number % 10 == 0:
            line.close()
            line = connect()
            line.connect()
        kind = ("take", "missing", "flow", "take", "large")[number % 5]
        method, body = ("POST", b"e" * 1500) if number % 5 == 3 else ("GET", None)
        path, ends = f"/{kind}/{word(number)}", (line.sock.getsockname()[1], port)
        since, clock = time.time_ns(), time.perf_counter_ns()
        line.request(method, path, body)
        answer = line.getresponse()
        answer.read()
        log.call(method, path, str(answer.status), since, time.perf_counter_ns() - clock, ends, tls=True, loose=True)
    log.close()


if __name__ == "__main__":
    main({it.__name__: it for it in (http1, http2, python)})
