"""A small shop: nginx in front, a Python server behind it over TLS, which asks Redis, PostgreSQL and a
service over gRPC."""
import json
import os
import subprocess
import sys
import time

import postgres_calls
import redis_calls
from calls import LOOPBACK, free_port, main, word
from http_calls import Http

NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  upstream web {{ server 127.0.0.1:{web}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass https://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ssl_verify off; }}
  }}
}}
"""


def open_shop(work):
    """Starts all of it; nginx's port."""
    place = {"home": work.home, "log": work.path("calls.jsonl"), "certificate": work.path("web.pem"), "key": work.path("web.key")}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=shop", "-keyout", place["key"], "-out", place["certificate"]], check=True, stderr=subprocess.DEVNULL)
    os.chmod(work.home, 0o755)
    place["postgres"], place["redis"] = postgres_calls.server(work), redis_calls.server(work)
    for name in ("prices", "web"):
        place[name] = start_part(work, name, place)
    port = free_port()
    with open(work.path("nginx.conf"), "w") as file:
        file.write(NGINX.format(home=work.home, port=port, web=place["web"]))
    work.servers.start(["nginx", "-e", work.path("error.log"), "-c", work.path("nginx.conf")], port)
    return port, place["web"]


def start_part(work, name, place):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shop_parts.py")
    process = work.servers.start([sys.executable, script, name, json.dumps(place)])
    deadline = time.monotonic() + 30
    while not os.path.exists(work.path(name)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{name} does not listen")
        time.sleep(0.02)
    with open(work.path(name)) as file:
        return int(file.read())


def warm(work, port):
    """Asks for nothing until what is said over TLS is read, or waits for as long as was said."""
    time.sleep(float(os.environ.get("CALLS_AFTER", "0")))
    line, deadline = Http(port), time.monotonic() + 40
    while os.environ.get("CALLS_WARM") and not os.path.exists(work.path("go")) and time.monotonic() < deadline:
        line.ask("GET", "/warm")
        line.response("GET")
        time.sleep(0.05)
    line.close()


def sells(work):
    """Orders, each of which is a call to everybody in the shop."""
    port, web = open_shop(work)
    warm(work, port)
    log, pace = work.log("http"), work.pace()
    for name in ("postgres", "redis"):
        log.protocol = name
        postgres_calls.around(log)
    log.protocol = "postgres"
    log.tally("CREATE", None)
    log.protocol = "redis"
    for operation in ("PING", "CLIENT", "CLIENT SETINFO", "CLIENT MAINT_NOTIFICATIONS", "HELLO"):
        log.tally(operation, None)
    log.protocol = "http"
    log.tally("GET", None, resource="/warm")
    customers = [Http(port) for _ in range(2)]
    for number in range(work.count):
        pace.wait()
        path, status = f"/order/{word(number)}", 404 if number % 7 == 6 else 201
        customer = customers[number % 2]
        customer.call(log, "POST", f"{path}?number={number}", status, shown=path, tls=False)
        # The one behind nginx.
        log.call("POST", path, str(status), customer.since, None, (None, web), tls=True)
    log.close()


if __name__ == "__main__":
    main({"sells": sells})
