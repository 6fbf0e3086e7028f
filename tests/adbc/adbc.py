#!/usr/bin/env python3
"""Asks a Flight SQL door what a user of ADBC would, and ends with 1 where it is not as it should be.

    python adbc.py grpc://127.0.0.1:9192 [--token TOKEN] [--ca FILE] [--user NAME]

Needs adbc-driver-flightsql and pyarrow from PyPI. It asks nothing that depends on what the agent
has seen, so it can be run against any.
"""

import argparse
import concurrent.futures
import datetime
import sys
import threading
import time

import adbc_driver_manager
import pyarrow
from adbc_driver_flightsql import DatabaseOptions, dbapi

CHECKS = []
# Far more pairs than there is time for.
ENDLESS = """
    WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    SELECT sum(a.i % 7 + b.i % 5 + c.i % 3) AS total FROM n a CROSS JOIN n b CROSS JOIN n c
"""


class Mismatch(Exception):
    """Something is not as it should be."""


def check(function):
    """Runs it, in the order of this file."""
    CHECKS.append(function)
    return function


def same(what, is_, should):
    """Says what differs."""
    if is_ != should:
        raise Mismatch(f"{what} is {is_!r} and should be {should!r}")


def table(connection, sql):
    """The answer to a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


@check
def a_number_comes_back(connect):
    with connect() as connection:
        same("the answer", table(connection, "SELECT 1 AS one").to_pylist(), [{"one": 1}])


@check
def every_type_comes_back(connect):
    sql = """
        SELECT CAST(9223372036854775807 AS BIGINT) AS big,
               CAST(-5 AS INT) AS small,
               CAST(18446744073709551615 AS BIGINT UNSIGNED) AS most,
               CAST(65535 AS SMALLINT UNSIGNED) AS port,
               0.5 AS half,
               true AS yes,
               'tête-à-tête, a text that is longer than twelve bytes' AS text,
               '' AS empty,
               CAST(NULL AS VARCHAR) AS nothing,
               CAST('2026-11-21T22:10:05.123456789Z' AS TIMESTAMP) AS moment,
               ['a', 'a text that is longer than twelve bytes'] AS list
    """
    with connect() as connection:
        answer = table(connection, sql)
    # Python's own times have no nanoseconds.
    same("moment", answer.column("moment")[0].value, 1_795_299_005_123_456_789)
    row = answer.drop_columns(["moment"]).to_pylist()[0]
    same("the row", row, {
        "big": 9223372036854775807, "small": -5, "most": 18446744073709551615, "port": 65535,
        "half": 0.5, "yes": True,
        "text": "tête-à-tête, a text that is longer than twelve bytes", "empty": "",
        "nothing": None, "list": ["a", "a text that is longer than twelve bytes"],
    })
    same("the type of text", answer.schema.field("text").type, pyarrow.string())
    same("the type of list", answer.schema.field("list").type.value_type, pyarrow.string())


@check
def the_server_tells_of_itself(connect):
    with connect() as connection:
        info = connection.adbc_get_info()
        same("vendor_name", info["vendor_name"], "Fathom")
        if not info["vendor_version"]:
            raise Mismatch("no version")
        same("the kinds of tables", sorted(connection.adbc_get_table_types()), ["TABLE", "VIEW"])
        objects = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
        same("the catalogs", [it["catalog_name"] for it in objects], ["fathom"])
        schemas = objects[0]["catalog_db_schemas"]
        same("the schemas", [it["db_schema_name"] for it in schemas], ["public"])
        tables = schemas[0]["db_schema_tables"]
        if not tables:
            raise Mismatch("no tables")
        for one in tables:
            columns = [it["column_name"] for it in one["table_columns"]]
            if one["table_type"] == "TABLE":
                same(f"the first column of {one['table_name']}", columns[0], "time")


@check
def every_table_has_the_columns_it_announces(connect):
    with connect() as connection:
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        names = [it["table_name"] for it in objects[0]["catalog_db_schemas"][0]["db_schema_tables"]]
        for name in names:
            announced = connection.adbc_get_table_schema(name)
            full = f'SELECT * FROM "fathom"."public"."{name}" LIMIT 100'
            for sql in (f"SELECT * FROM {name} LIMIT 100", full):
                answer = table(connection, sql)
                same(f"columns of {name}", answer.schema.names, announced.names)
                same(f"types of {name}", answer.schema.types, announced.types)
                answer.validate(full=True)
            for column in answer.column_names:
                if column == "time":
                    zone = answer.schema.field("time").type
                    same(f"time of {name}", zone, pyarrow.timestamp("ns", tz="UTC"))


@check
def rows_agree_with_their_count(connect):
    with connect() as connection:
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        for one in objects[0]["catalog_db_schemas"][0]["db_schema_tables"]:
            if one["table_type"] != "TABLE":
                continue
            name = one["table_name"]
            # Up to a moment that is over, so that no row comes between the two.
            until = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=30)
            where = f"FROM {name} WHERE time < '{until.isoformat()}'"
            count = table(connection, f"SELECT count(*) AS n {where}").to_pylist()[0]["n"]
            if count > 200_000:
                continue
            rows = table(connection, f"SELECT time {where}").num_rows
            # Retention may take rows away meanwhile, nothing adds any.
            if rows > count:
                raise Mismatch(f"{name} has {rows} rows, and count(*) says {count}")


@check
def a_large_answer_comes_whole(connect):
    sql = "SELECT value, 'row ' || value AS text FROM generate_series(1, 200000)"
    with connect() as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
            rows, total = 0, 0
            for batch in reader:
                rows += batch.num_rows
                total += sum(batch.column(0).to_pylist())
    same("rows", rows, 200_000)
    same("their sum", total, 200_000 * 200_001 // 2)


@check
def what_is_wrong_is_said(connect):
    cases = [
        ("SELECT pid,\n  tme FROM agent_query", ["line 2", "time"]),
        ("SELEC 1", ["line 1"]),
        ("SELECT * FROM file_opn", ["file_opn"]),
        ("DROP TABLE agent_query", []),
        ("INSERT INTO agent_query VALUES (1)", []),
    ]
    with connect() as connection:
        for sql, says in cases:
            try:
                table(connection, sql)
            except adbc_driver_manager.Error as error:
                for word in says:
                    if word not in str(error):
                        raise Mismatch(f"the error of {sql!r} does not say {word!r}: {error}")
            else:
                raise Mismatch(f"{sql!r} was answered")
        # The connection is as good as before.
        same("the answer", table(connection, "SELECT 1 AS one").to_pylist(), [{"one": 1}])


@check
def a_prepared_statement_runs_again(connect):
    with connect() as connection, connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT 7 AS seven")
        for _ in range(3):
            cursor.execute("SELECT 7 AS seven")
            same("the answer", cursor.fetchall(), [(7,)])


@check
def parameters_are_refused(connect):
    with connect() as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT 1 AS one", parameters=[5])
            cursor.fetchall()
        except adbc_driver_manager.Error as error:
            if "parameter" not in str(error):
                raise Mismatch(f"the error does not speak of parameters: {error}")
        else:
            raise Mismatch("a parameter was taken")


@check
def a_query_can_be_cancelled(connect):
    with connect() as connection, connection.cursor() as cursor:
        timer = threading.Timer(0.5, cursor.adbc_cancel)
        timer.start()
        start = time.monotonic()
        try:
            cursor.execute(ENDLESS)
            cursor.fetchall()
        except adbc_driver_manager.Error:
            pass
        else:
            raise Mismatch("it came to an end")
        finally:
            timer.cancel()
        took = time.monotonic() - start
        if took > 5:
            raise Mismatch(f"the cancelled query took {took:.1f} s")
        same("the answer", table(connection, "SELECT 1 AS one").to_pylist(), [{"one": 1}])


@check
def four_may_ask_at_once(connect):
    def one(number):
        with connect() as connection:
            for turn in range(3):
                sql = f"SELECT count(*) AS n FROM generate_series(1, {1000 * number + turn})"
                same("n", table(connection, sql).to_pylist(), [{"n": 1000 * number + turn}])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(one, number) for number in range(1, 5)]:
            done.result(timeout=60)


@check
def it_is_written_down(connect):
    """A row may take a moment."""
    with connect() as connection:
        mark = f"SELECT {time.time_ns()} AS mark"
        table(connection, mark)
        deadline = time.monotonic() + 20
        sql = f"SELECT door, outcome, rows FROM agent_query WHERE sql = '{mark}'"
        while time.monotonic() < deadline:
            found = table(connection, sql).to_pylist()
            if found:
                same("its row", found[0], {"door": "flight", "outcome": "answered", "rows": 1})
                return
            time.sleep(0.2)
        raise Mismatch("no row in agent_query")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("--token", help="is sent with each call")
    parser.add_argument("--user", help="logs in by this name, with the token as the password")
    parser.add_argument("--ca", help="the authority that vouches for the door, PEM")
    parser.add_argument("--only", help="the checks whose name has this in it")
    parser.add_argument("--except", dest="without", help="all but those with this in their name")
    arguments = parser.parse_args()
    options = {}
    if arguments.user:
        options.update(username=arguments.user, password=arguments.token)
    elif arguments.token:
        options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {arguments.token}"
    if arguments.ca:
        with open(arguments.ca, encoding="ascii") as file:
            options[DatabaseOptions.TLS_ROOT_CERTS.value] = file.read()

    def connect():
        return dbapi.connect(arguments.address, db_kwargs=options, autocommit=True)

    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        if arguments.only and arguments.only not in name:
            continue
        if arguments.without and arguments.without in name:
            print(f"not asked for: {name}")
            continue
        start = time.monotonic()
        try:
            function(connect)
        except (Mismatch, adbc_driver_manager.Error, pyarrow.ArrowException, OSError) as error:
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}", file=sys.stderr)
        else:
            print(f"ok     {name} ({time.monotonic() - start:.2f} s)")
    if failed:
        sys.exit(f"{failed} of {len(CHECKS)} checks failed")


if __name__ == "__main__":
    main()
