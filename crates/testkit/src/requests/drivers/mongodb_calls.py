"""Commands to a server that speaks MongoDB's protocol (nx-27017, over SQLite), by pymongo."""
import sys
import time

from calls import LOOPBACK, free_port, main, word

# So many collections; a row is known by what was done to which.
COLLECTIONS = 50


def server(work):
    port = free_port()
    # Its log and pid file would else be in /tmp, and stay.
    work.servers.start([sys.executable, "-m", "nx_27017.nx_27017", "--db", "memory", "--host", LOOPBACK, "-p", str(port),
                        "--log-file", work.path("nx.log"), "--pid-file", work.path("nx.pid")], port, cwd=work.home)
    return port


def commands(work):
    """Writes and reads documents; one that is there already, and operators that nobody knows."""
    import pymongo
    port, log, pace = server(work), work.log("mongodb"), work.pace()
    client = pymongo.MongoClient(LOOPBACK, port, maxPoolSize=1, retryReads=False, retryWrites=False)
    shop = client.shop

    def call(operation, resource, act, status="OK"):
        since, clock, said = time.time_ns(), time.perf_counter_ns(), "OK"
        try:
            act()
        except pymongo.errors.OperationFailure as error:
            # This server gives some errors no number.
            said = str(error.code or "ERROR")
        took = time.perf_counter_ns() - clock
        if said != status:
            raise SystemExit(f"{operation} {resource} went with {said} and not {status}")
        log.call(operation, resource, status, since, took, (None, port), loose=True)

    for number in range(work.count):
        pace.wait()
        name = word(number // 8 % COLLECTIONS)
        carts, resource = shop[name], "shop." + name
        cart = {"_id": number // 8, "what": "apples", "count": 3}
        which, wrong = {"_id": number // 8}, {"$nobody": 1}
        if number % 8 == 0:
            call("insert", resource, lambda: carts.insert_one(cart))
        elif number % 8 == 1:
            call("insert", resource, lambda: carts.insert_one(cart), "11000")
        elif number % 8 == 2:
            call("find", resource, lambda: carts.find_one(which))
        elif number % 8 == 3:
            call("find", resource, lambda: carts.find_one({"what": wrong}), "ERROR")
        elif number % 8 == 4:
            call("update", resource, lambda: carts.update_one(which, {"$set": {"count": 4}}))
        elif number % 8 == 5:
            call("update", resource, lambda: carts.update_one(which, {"$nobody": {"count": 4}}), "8")
        elif number % 8 == 6:
            call("aggregate", resource, lambda: list(carts.aggregate([{"$match": which}])))
        else:
            call("delete", resource, lambda: carts.delete_one(which))
    client.close()
    # Pymongo asks by itself how the server is, on connections of their own.
    for operation in ("hello", "isMaster", "ismaster", "ping", "endSessions"):
        log.tally(operation, None)
    log.close()


if __name__ == "__main__":
    main({"commands": commands})
