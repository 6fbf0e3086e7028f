"""Statements to a MariaDB of our own, as PyMySQL sends them."""
import os
import subprocess
import time

from calls import LOOPBACK, free_port, main, word


def server(work):
    port, data = free_port(), os.path.join(work.home, "data")
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                    "--skip-test-db", "--user=root"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    work.servers.start(["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--port={port}",
                        f"--bind-address={LOOPBACK}", f"--socket={work.home}/socket", "--skip-networking=0"], port)
    return port


def statements(work):
    """Each statement has a name of its own in it: a column's that is asked for, is not there, or a table's."""
    import pymysql
    port, log, pace = server(work), work.log("mysql"), work.pace()
    line = pymysql.connect(host=LOOPBACK, port=port, user="root", autocommit=True)
    ends = (line._sock.getsockname()[1], port)
    cursor = line.cursor()
    cursor.execute("CREATE DATABASE shop")
    cursor.execute("CREATE TABLE shop.carts (id INT, name TEXT)")
    for operation in ("CONNECT", "SET", "CREATE", "QUIT"):
        log.tally(operation, None)
    for number in range(work.count):
        pace.wait()
        name, status = word(number), "OK"
        statement = (f"SELECT name AS {name} FROM shop.carts WHERE id = %d",
                     f"SELECT {name} FROM shop.carts WHERE id = %d",
                     f"SELECT * FROM shop.{name} WHERE id = %d")[number % 3]
        since, clock = time.time_ns(), time.perf_counter_ns()
        try:
            cursor.execute(statement % number)
        except pymysql.err.MySQLError as error:
            status = str(error.args[0])
        log.call("SELECT", statement.replace("%d", "?"), status, since, time.perf_counter_ns() - clock, ends, loose=True)
    line.close()
    log.close()


if __name__ == "__main__":
    main({"statements": statements})
