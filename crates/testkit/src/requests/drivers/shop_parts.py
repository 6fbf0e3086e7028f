"""What the shop consists of besides its servers: `web`, which takes orders over TLS, and `prices`, which it
asks over gRPC. Each ends when it is told to, and says that it listens by a file."""
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time

from calls import LOOPBACK, Log, listener, word

QUOTE = "/shop.Prices/Quote"


def prices(place):
    """Knows every price but every seventh."""
    import grpc
    from concurrent.futures import ThreadPoolExecutor

    def quote(asked, context):
        number = int(asked)
        if number % 7 == 6:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        return b"%d" % (number * 3)

    class Quotes(grpc.GenericRpcHandler):
        def service(self, call):
            return grpc.unary_unary_rpc_method_handler(quote) if call.method == QUOTE else None

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Quotes(),))
    ready(place, "prices", server.add_insecure_port(f"{LOOPBACK}:0"))
    server.start()
    signal.sigwait({signal.SIGTERM})
    server.stop(0).wait()


def web(place):
    """Looks in the cart, asks for the price, and writes the order down."""
    import grpc
    import psycopg
    import redis

    postgres, cache = place["postgres"], place["redis"]
    logs = {name: Log(place["log"], name, 1) for name in ("postgres", "redis", "grpc")}
    database = psycopg.connect(f"host={LOOPBACK} port={postgres} user=postgres dbname=postgres sslmode=disable gssencmode=disable",
                               autocommit=True, cursor_factory=psycopg.ClientCursor)
    with socket.socket(fileno=os.dup(database.fileno())) as s:
        to_postgres = (s.getsockname()[1], postgres)
    cart = redis.Redis(LOOPBACK, cache, single_connection_client=True)
    cart.ping()
    to_redis = (cart.connection._sock.getsockname()[1], cache)
    channel = grpc.insecure_channel(f"{LOOPBACK}:{place['prices']}")
    quote = channel.unary_unary(QUOTE)
    database.execute("CREATE TABLE orders (name text, price int)")

    def timed(name, operation, resource, ends, what):
        since, clock = time.time_ns(), time.perf_counter_ns()
        try:
            answer, status = what(), "OK"
        except grpc.RpcError as error:
            answer, status = None, error.code().name
        latency = time.perf_counter_ns() - clock
        logs[name].call(operation, resource, status, since, latency, ends, loose=True)
        return answer

    def order(number):
        name = word(number)
        timed("redis", "HSET", f"cart:{name}", to_redis, lambda: cart.hset(f"cart:{name}", "things", number))
        price = timed("grpc", "Quote", "shop.Prices", (None, place["prices"]), lambda: quote(b"%d" % number))
        if price is None:
            return b"404 Not Found"
        sql = f"INSERT INTO orders VALUES (%s, %s) RETURNING name AS {name}"
        shown = f"INSERT INTO orders VALUES (?) RETURNING name AS {name}"
        timed("postgres", "INSERT", shown, to_postgres, lambda: database.execute(sql, (name, int(price))))
        timed("redis", "DEL", f"cart:{name}", to_redis, lambda: cart.delete(f"cart:{name}"))
        return b"201 Created"

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place["certificate"], place["key"])
    one_at_a_time = threading.Lock()

    def converse(connection):
        with context.wrap_socket(connection, server_side=True) as tls:
            reader = tls.makefile("rb")
            while line := reader.readline():
                while reader.readline() not in (b"\r\n", b""):
                    pass
                with one_at_a_time:
                    _, _, number = line.split()[1].rpartition(b"=")
                    status = order(int(number)) if line.startswith(b"POST") else b"200 OK"
                tls.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\ndone\n")

    listening = listener()
    ready(place, "web", listening.getsockname()[1])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


def ready(place, name, port):
    path = os.path.join(place["home"], name)
    with open(path + ".new", "w") as file:
        file.write(str(port))
    os.rename(path + ".new", path)


if __name__ == "__main__":
    if sys.argv[1] == "prices":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    {"prices": prices, "web": web}[sys.argv[1]](json.loads(sys.argv[2]))
