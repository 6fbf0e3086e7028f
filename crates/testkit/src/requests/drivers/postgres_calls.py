"""Statements to a PostgreSQL cluster of our own."""
import asyncio
import os
import pwd
import shutil
import subprocess
import time

from calls import LOOPBACK, free_port, main, word

USER = "postgres"


def server(work):
    """A cluster in the case's own folder, run by a user who is not root."""
    port, data = free_port(), work.path("cluster")
    os.makedirs(data)
    as_user = {}
    if os.geteuid() == 0:
        account = nobody()
        os.chmod(work.home, 0o755)
        os.chown(data, account.pw_uid, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    subprocess.run([tool("initdb"), "-D", data, "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8", "--locale=C"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user)
    # SIGINT ends it without waiting for its clients.
    work.servers.start([tool("postgres"), "-D", data, "-h", LOOPBACK, "-p", str(port), "-k", "", "-F", "-c", "jit=off", "-c", "ssl=off"],
                       port, stop=2, cwd="/", **as_user)
    return port


def nobody():
    """A user who is not root."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return pwd.getpwnam("nobody")


def tool(name):
    """Debian keeps them where PATH does not look."""
    found = shutil.which(name)
    if not found:
        versions = sorted(os.listdir("/usr/lib/postgresql"))
        found = f"/usr/lib/postgresql/{versions[-1]}/bin/{name}"
    return os.path.realpath(found)


def around(log):
    """What drivers say besides statements."""
    for operation in ("CONNECT", "BEGIN", "COMMIT", "ROLLBACK", "PREPARE", "SYNC", "CLOSE", "DEALLOCATE", "SHOW", "SET", "DISCARD"):
        log.tally(operation, None)


class Psycopg:
    def __init__(self, port, client_cursor=False):
        import psycopg
        factory = psycopg.ClientCursor if client_cursor else psycopg.Cursor
        self.connection = psycopg.connect(f"host={LOOPBACK} port={port} user={USER} dbname=postgres sslmode=disable gssencmode=disable",
                                          autocommit=True, cursor_factory=factory)
        import socket
        with socket.socket(fileno=os.dup(self.connection.fileno())) as s:
            self.ends = (s.getsockname()[1], port)

    def call(self, log, sql, shown, operation="SELECT", status="OK", values=None, **how):
        import psycopg
        since, clock = time.time_ns(), time.perf_counter_ns()
        try:
            self.connection.execute(sql, values, **how)
            code = "OK"
        except psycopg.Error as error:
            code = error.sqlstate
        latency = time.perf_counter_ns() - clock
        if code != status:
            raise SystemExit(f"{sql} gave {code}, not {status}")
        log.call(operation, shown, status, since, latency, self.ends)


def psycopg(work):
    """Simple, extended and prepared statements, and some that fail."""
    port, log, pace = server(work), work.log("postgres"), work.pace()
    simple, extended = Psycopg(port, True), Psycopg(port)
    simple.connection.execute("CREATE TABLE cart (name text, many int)")
    around(log)
    log.tally("CREATE", None)
    work.begun()
    for number in range(work.count):
        name = word(number)
        pace.wait()
        match number % 6:
            case 0:
                simple.call(log, f"SELECT 17 AS {name}", f"SELECT ? AS {name}")
            case 1:
                extended.call(log, f"SELECT %s::int AS {name}", f"SELECT $1::int AS {name}", values=(number,), prepare=False)
            case 2:
                extended.call(log, f"SELECT 'a' || %s::text AS {name}", f"SELECT ? || $1::text AS {name}", values=("b",), prepare=True)
            case 3:
                simple.call(log, f"INSERT INTO cart VALUES ('{name}', 3) RETURNING name AS {name}",
                            f"INSERT INTO cart VALUES (?) RETURNING name AS {name}", "INSERT")
            case 4:
                extended.call(log, f"SELECT {name} FROM cart", f"SELECT {name} FROM cart", status="42703")
            case 5:
                simple.call(log, f"SELEC {name}", f"SELEC {name}", "SELEC", "42601")
    log.close()


def pipeline(work):
    """psycopg's pipeline mode: sixteen statements before the first is answered."""
    port, log = server(work), work.log("postgres")
    around(log)
    client = Psycopg(port)
    work.begun()
    for first in range(0, work.count, 16):
        since, clock = time.time_ns(), time.perf_counter_ns()
        with client.connection.pipeline():
            cursors = [client.connection.execute(f"SELECT %s::int AS {word(n)}", (n,), prepare=False) for n in range(first, first + 16)]
            for cursor in cursors:
                cursor.fetchall()
        latency = time.perf_counter_ns() - clock
        for number in range(first, first + 16):
            log.call("SELECT", f"SELECT $1::int AS {word(number)}", "OK", since, latency, client.ends, loose=True)
    log.close()


def bodies(work):
    """Answers of 30 KB and 10 MB, many rows, and a table copied up and down."""
    port, log = server(work), work.log("postgres")
    around(log)
    client = Psycopg(port, True)
    client.connection.execute("CREATE TABLE lot (text text)")
    log.tally("CREATE", None)
    for number in range(work.count):
        name, size = word(number), 10_000_000 if number % 10 == 0 else 30_000
        client.call(log, f"SELECT repeat('x', {size}) AS {name}", f"SELECT repeat(?) AS {name}")
        client.call(log, f"SELECT {name} FROM generate_series(1, 5000) AS {name}", f"SELECT {name} FROM generate_series(?) AS {name}")
        # What comes behind a long literal is not copied.
        client.call(log, f"SELECT length('{'y' * 30000}') AS {name}", "SELECT length(?")
        since, clock = time.time_ns(), time.perf_counter_ns()
        with client.connection.cursor().copy("COPY lot FROM STDIN") as copy:
            for _ in range(300):
                copy.write("z" * 99 + "\n")
        log.call("COPY", "COPY lot FROM STDIN", "OK", since, time.perf_counter_ns() - clock, client.ends, loose=True)
    log.close()


def asyncpg(work):
    """asyncpg, which prepares all it says and keeps that."""
    import asyncpg

    async def run():
        port, log, pace = server(work), work.log("postgres"), work.pace()
        around(log)
        connection = await asyncpg.connect(host=LOOPBACK, port=port, user=USER, database="postgres", ssl=False)
        sock = connection._transport.get_extra_info("socket")
        ends = (sock.getsockname()[1], port)
        kept = await connection.prepare("SELECT $1::int + 1 AS kept")
        work.begun()
        for number in range(work.count):
            name = word(number)
            pace.wait()
            since, clock = time.time_ns(), time.perf_counter_ns()
            if number % 2:
                await connection.fetch(f"SELECT $1::int AS {name}", number)
                shown = f"SELECT $1::int AS {name}"
            else:
                await kept.fetch(number)
                # Nobody knows what was prepared before anybody watched.
                shown = "__asyncpg_stmt_1__" if work.is_late else "SELECT $1::int + ? AS kept"
            operation = "EXECUTE" if shown.startswith("__") else "SELECT"
            log.call(operation, shown, "OK", since, time.perf_counter_ns() - clock, ends, loose=True)
        await connection.close()
        log.close()

    asyncio.run(run())


def psql(work):
    """psql: a script of statements, each by itself."""
    port, log = server(work), work.log("postgres")
    around(log)
    with open(work.path("script.sql"), "w") as file:
        for number in range(work.count):
            file.write(f"SELECT {number} AS {word(number)};\n")
    since = time.time_ns()
    subprocess.run(["psql", "-X", "-q", f"host={LOOPBACK} port={port} user={USER} dbname=postgres sslmode=disable gssencmode=disable",
                    "-f", work.path("script.sql")], check=True, stdout=subprocess.DEVNULL)
    for number in range(work.count):
        log.call("SELECT", f"SELECT ? AS {word(number)}", "OK", since, None, (None, port), loose=True)
    log.close()


def pgbench(work, mode):
    port, log = server(work), work.log("postgres")
    around(log)
    script = work.path("script.sql")
    with open(script, "w") as file:
        file.write("\\set n random(1, 1000)\nSELECT :n AS one;\nSELECT :n + 1 AS two;\n")
    clients = 4
    each = work.count // (2 * clients)
    env = {**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
    subprocess.run(["pgbench", "-n", "-h", LOOPBACK, "-p", str(port), "-U", USER, "-c", str(clients), "-j", "2", "-t", str(each),
                    "-M", mode, "-f", script, "postgres"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    one, two = ("SELECT ? AS one", "SELECT ? + ? AS two") if mode == "simple" else ("SELECT $1 AS one", "SELECT $1 + ? AS two")
    for shown in (one, two):
        log.tally("SELECT", each * clients, resource=shown, status="OK")
    log.close()


def pgbench_simple(work):
    pgbench(work, "simple")


def pgbench_extended(work):
    pgbench(work, "extended")


def pgbench_prepared(work):
    pgbench(work, "prepared")


if __name__ == "__main__":
    main({it.__name__.replace("_", "-"): it for it in (
        psycopg, pipeline, bodies, asyncpg, psql, pgbench_simple, pgbench_extended, pgbench_prepared)})
