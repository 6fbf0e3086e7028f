"""Statements by Cassandra's own driver to a small server of ours."""
import collections
import time

from calls import LOOPBACK, listener, main, word

# So many tables; a row is known by what was done to which.
TABLES = 100


def version_4(work):
    statements(work, 4)


def version_5(work):
    """The same in segments."""
    statements(work, 5)


def statements(work, version):
    """Statements as text, prepared, and in batches; some that are wrong."""
    from cassandra import InvalidRequest
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy
    from cassandra.protocol import SyntaxException
    from cassandra.query import BatchStatement
    import cassandra_server
    there, log, pace = listener(), work.log("cassandra"), work.pace()
    port = there.getsockname()[1]
    work.servers.fork(cassandra_server.serve, there, work.path("notes"))
    there.close()
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30)
    cluster = Cluster([LOOPBACK], port, protocol_version=version, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                      schema_metadata_enabled=False, token_metadata_enabled=False)
    session = cluster.connect()

    def call(operation, resource, act, status="OK", failure=()):
        since, clock, failed = time.time_ns(), time.perf_counter_ns(), False
        try:
            act()
        except failure:
            failed = True
        took = time.perf_counter_ns() - clock
        if failed == (status == "OK"):
            raise SystemExit(f"{operation} {resource} went otherwise")
        log.call(operation, resource, status, since, took, (None, port), loose=True)

    prepared = {}
    for number in range(work.count):
        pace.wait()
        table = word(number // 5 % TABLES)
        select = f"SELECT name FROM shop.{table} WHERE id = ?"
        insert = f"INSERT INTO shop.{table} (id) VALUES (?)"
        if table not in prepared:
            call("PREPARE", insert, lambda: prepared.update({table: session.prepare(insert)}))
        if number % 5 == 0:
            call("SELECT", select, lambda: session.execute(select.replace("?", str(number))))
        elif number % 5 == 1:
            call("INSERT", insert, lambda: session.execute(prepared[table], [number]))
        elif number % 5 == 2:
            batch = BatchStatement()
            batch.add(prepared[table], [number])
            batch.add(prepared[table], [number + 1])
            call("BATCH", insert, lambda: session.execute(batch))
        elif number % 5 == 3:
            wrong = f"SELECT {table} FROM shop.lost WHERE id = ?"
            call("SELECT", wrong, lambda: session.execute(wrong.replace("?", "1")), "INVALID", InvalidRequest)
        else:
            wrong = f"SLECT {table} FROM shop.carts"
            call("SLECT", wrong, lambda: session.execute(wrong), "SYNTAX_ERROR", SyntaxException)
    cluster.shutdown()
    # What the driver asks by itself.
    for operation in ("OPTIONS", "STARTUP", "REGISTER"):
        log.tally(operation, None)
    with open(work.path("notes")) as file:
        asked = collections.Counter(line.strip().replace("'local'", "?") for line in file)
    for text, count in asked.items():
        log.tally("SELECT", count, resource=text)
    log.close()


if __name__ == "__main__":
    main({"version-4": version_4, "version-5": version_5})
