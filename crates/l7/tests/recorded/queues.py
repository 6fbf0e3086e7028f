"""Dialogues of message queues and document stores, for record.py.

    V/bin/pip install confluent-kafka pymongo nx-27017 cassandra-driver lz4 pika

Kafka is the mock cluster of librdkafka itself. RabbitMQ needs Debian's rabbitmq-server.
"""
import os
import socket
import struct
import sys
import threading
import time
import zlib


class Detour:
    """A proxy of record.py that also tells clients to come back to it: brokers say their own address."""

    def __init__(self, tools, name, server, which=0):
        self.proxy = tools.Proxy(name, server, which=which)
        here = b"127.0.0.1" + struct.pack(">i", server)
        there = b"127.0.0.1" + struct.pack(">i", self.proxy.port)
        self.proxy.change = lambda data: data.replace(here, there)
        self.port = self.proxy.port


def kafka(tools):
    from confluent_kafka import Consumer, Producer, TopicPartition

    # The mock cluster lives as long as this client.
    home = Producer({"test.mock.num.brokers": 1, "client.id": "home", "log_level": 0})
    brokers = home.list_topics(timeout=10).brokers
    port = next(iter(brokers.values())).port

    def settings(detour, **more):
        return {"bootstrap.servers": f"127.0.0.1:{detour.port}", "client.id": "shop", "log_level": 0, **more}

    # Topics are made by being asked for.
    for topic in ("orders", "jobs", "events.17"):
        home.produce(topic, b"first", partition=0)
    home.flush(10)

    for name, which, more in (
        ("kafka-produce", 1, {}),
        ("kafka-produce-acks0", 1, {"acks": 0}),
        ("kafka-produce-gzip", 1, {"compression.type": "gzip", "linger.ms": 50}),
        ("kafka-produce-idempotent", 1, {"enable.idempotence": True}),
    ):
        detour = Detour(tools, name, port, which)
        producer = Producer(settings(detour, **{"linger.ms": 0, **more}))
        for at in range(4):
            producer.produce("orders", f"hunter2 {at}" * (1 + 15 * at), key=f"k{at}")
            producer.flush(10)
            # Where nothing is answered, two would come in one call.
            time.sleep(0.03)
            producer.produce("events.17", b"x" * 40)
            producer.flush(10)
            time.sleep(0.03)
        del producer
        detour.proxy.write()

    for name, which in (("kafka-consume", 1), ("kafka-consume-group", 2)):
        detour = Detour(tools, name, port, which)
        consumer = Consumer(settings(detour, **{
            "group.id": f"team-{which}", "auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.wait.max.ms": 50,
        }))
        consumer.subscribe(["orders", "events.17"])
        got, deadline = 0, time.time() + 20
        while got < 8 and time.time() < deadline:
            message = consumer.poll(1)
            if message is not None and not message.error():
                got += 1
                consumer.commit(message, asynchronous=False)
        consumer.committed([TopicPartition("orders", 0)], timeout=10)
        consumer.get_watermark_offsets(TopicPartition("orders", 0), timeout=10, cached=False)
        consumer.close()
        detour.proxy.write()
    del home


def mongodb(tools):
    import pymongo

    port = tools.free_port()
    server = os.path.join(os.path.dirname(sys.executable), "nx-27017")
    tools.start([server, "--db", "memory", "-p", str(port), "--pid-file", f"{tools.WORK}/nx.pid",
                 "--log-file", f"{tools.WORK}/nx.log"], port, cwd=tools.WORK)

    def shop(proxy):
        client = pymongo.MongoClient("127.0.0.1", proxy.port, directConnection=True)
        users = client.shop.users
        users.insert_one({"_id": 1, "name": "hunter2"})
        users.insert_many([{"_id": at, "name": f"u{at}", "text": "hunter2" * 12} for at in range(2, 12)])
        try:
            users.insert_one({"_id": 1, "name": "hunter2"})
        except pymongo.errors.DuplicateKeyError:
            pass
        users.find_one({"name": "hunter2"})
        list(users.find({"_id": {"$gt": 3}}, batch_size=3))
        users.update_many({"name": "u3"}, {"$set": {"name": "hunter2"}})
        users.delete_one({"_id": 5})
        users.count_documents({})
        list(users.aggregate([{"$match": {"_id": {"$lt": 4}}}]))
        users.create_index("name")
        try:
            client.shop.command("nonsense", 1)
        except pymongo.errors.PyMongoError:
            pass
        client.drop_database("shop")
        client.close()
        proxy.write()

    shop(tools.Proxy("mongodb-monitor", port))
    shop(tools.Proxy("mongodb-pymongo", port, which=1))

    def rest(name, which, **more):
        proxy = tools.Proxy(name, Bson().port, which=which)
        client = pymongo.MongoClient("127.0.0.1", proxy.port, directConnection=True, **more)
        users = client.shop.users
        users.insert_one({"name": "hunter2"})
        silent = users.with_options(write_concern=pymongo.WriteConcern(w=0))
        for at in range(2):
            silent.insert_one({"name": "hunter2", "at": at})
            # Nothing is answered: two would come in one call.
            time.sleep(0.05)
        silent.delete_one({"name": "hunter2"})
        list(users.find({"name": "hunter2"}))
        try:
            client.shop.command("nonsense", 1)
        except pymongo.errors.OperationFailure:
            pass
        time.sleep(0.3)
        client.close()
        proxy.write()

    rest("mongodb-exhaust", 0)
    rest("mongodb-unanswered", 1, serverMonitoringMode="poll")
    rest("mongodb-zlib", 1, serverMonitoringMode="poll", compressors="zlib")


class Bson:
    """What nx-27017 leaves out: writes that are not answered, compressed messages, answers that go on."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                self.talk(connection, stream)
        except OSError:
            pass

    def talk(self, connection, stream):
        import bson

        number = 1000
        while head := stream.read(16):
            length, asked, _, code = struct.unpack("<iiii", head)
            body, packed = stream.read(length - 16), code == 2012
            if packed:
                code, body = struct.unpack("<i", body[:4])[0], zlib.decompress(body[9:])
            flags = struct.unpack("<i", body[:4])[0]
            if code == 2004:
                command = bson.decode(body[body.index(b"\0", 4) + 9:])
            else:
                command = bson.decode(body[5:5 + struct.unpack("<i", body[5:9])[0]])
            if flags & 2 and code == 2013:
                continue
            name = next(iter(command))
            said = {"ok": 1.0}
            if name in ("hello", "ismaster", "isMaster"):
                version = {"processId": bson.ObjectId(b"a" * 12), "counter": bson.Int64(1)}
                said = {
                    "ismaster": True, "helloOk": True, "topologyVersion": version, "maxBsonObjectSize": 1 << 24,
                    "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 1000, "minWireVersion": 0,
                    "maxWireVersion": 21, "readOnly": False, "ok": 1.0,
                }
                if "compression" in command:
                    said["compression"] = command["compression"]
            elif name == "find":
                said = {"cursor": {"firstBatch": [{"name": "hunter2"}] * 3, "id": bson.Int64(0), "ns": "shop.users"}, "ok": 1.0}
            elif name == "nonsense":
                said = {"ok": 0.0, "errmsg": "no such command: 'hunter2'", "code": 59, "codeName": "CommandNotFound"}
            elif name in ("insert", "delete"):
                said = {"n": 1, "ok": 1.0}
            goes_on = 3 if code == 2013 and flags & 1 << 16 else 1
            for left in reversed(range(goes_on)):
                more = 2 if goes_on > 1 else 0
                number += 1
                said_bytes = bson.encode(said)
                if code == 2004:
                    kind, data = 1, struct.pack("<iqii", 8, 0, 0, 1) + said_bytes
                else:
                    kind, data = 2013, struct.pack("<ib", more, 0) + said_bytes
                if packed:
                    data = struct.pack("<iib", kind, len(data), 2) + zlib.compress(data)
                    kind = 2012
                connection.sendall(struct.pack("<iiii", 16 + len(data), number, asked, kind) + data)
                asked = number
                time.sleep(0.05 if left else 0)


class Cql:
    """As much of a Cassandra server as its driver needs: it knows no tables, and answers by the words."""

    POLYNOMIAL, BEGIN = 0x1974F0B, 0x875060

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        with connection, connection.makefile("rb") as stream:
            self.talk(connection, stream)

    def talk(self, connection, stream):
        segmented, packed = False, False
        inside = b""
        while True:
            if segmented:
                while len(inside) < 9 or len(inside) < 9 + int.from_bytes(inside[5:9], "big"):
                    head = stream.read(6)
                    if len(head) < 6:
                        return
                    length = int.from_bytes(head[:3], "little") & 0x1FFFF
                    inside += stream.read(length)
                    stream.read(4)
                length = int.from_bytes(inside[5:9], "big")
                head, body, inside = inside[:9], inside[9:9 + length], inside[9 + length:]
            else:
                head = stream.read(9)
                if len(head) < 9:
                    return
                body = stream.read(int.from_bytes(head[5:9], "big"))
            version, flags, number, opcode = head[0], head[1], head[2:4], head[4]
            if flags & 1:
                import lz4.block
                body = lz4.block.decompress(body[4:], int.from_bytes(body[:4], "big"))
            kind, said, event = self.answer(version, opcode, body)
            flags = 0
            if packed and version < 5 and said:
                import lz4.block
                said = struct.pack(">i", len(said)) + lz4.block.compress(said, store_size=False)
                flags = 1
            self.say(connection, segmented, bytes([version | 0x80, flags]) + number + bytes([kind]), said)
            if event:
                self.say(connection, segmented, bytes([version | 0x80, 0, 255, 255, 12]), event)
            if opcode == 1:
                segmented, packed = version >= 5, b"COMPRESSION" in body

    def say(self, connection, segmented, head, body):
        data = head + struct.pack(">i", len(body)) + body
        if not segmented:
            connection.sendall(data)
            return
        whole = len(data) <= 0x1FFFF
        while data:
            part, data = data[:0x1FFFF], data[0x1FFFF:]
            word = (len(part) | (whole << 17)).to_bytes(3, "little")
            crc = self.BEGIN
            for byte in word:
                crc ^= byte << 16
                for _ in range(8):
                    crc = crc << 1 if not crc & 0x800000 else (crc << 1) ^ self.POLYNOMIAL
            end = zlib.crc32(part, zlib.crc32(b"\xfa\x2d\x55\xca"))
            connection.sendall(word + crc.to_bytes(3, "little") + part + struct.pack("<I", end))

    @staticmethod
    def text(said):
        return struct.pack(">H", len(said)) + said.encode()

    def rows(self, columns, rows):
        said = struct.pack(">iii", 2, 1, len(columns)) + self.text("shop") + self.text("users")
        for name, kind in columns:
            said += self.text(name) + kind
        said += struct.pack(">i", len(rows))
        for value in [value for row in rows for value in row]:
            said += struct.pack(">i", len(value)) + value
        return said

    def answer(self, version, opcode, body):
        varchar, uuid, inet = b"\0\x0d", b"\0\x0c", b"\0\x10"
        if opcode == 5:
            can = {"CQL_VERSION": "3.4.5", "COMPRESSION": "lz4"}
            said = [self.text(name) + struct.pack(">H", 1) + self.text(value) for name, value in can.items()]
            return 6, struct.pack(">H", 2) + b"".join(said), None
        if opcode == 1:
            return 3, self.text("org.apache.cassandra.auth.PasswordAuthenticator"), None
        if opcode == 15:
            return 16, struct.pack(">i", -1), None
        if opcode == 11:
            return 2, b"", self.text("STATUS_CHANGE") + self.text("UP") + b"\x04\x7f\0\0\x01" + struct.pack(">i", 9042)
        void, id = struct.pack(">i", 1), struct.pack(">H", 16) + b"0123456789abcdef"
        if opcode == 9:
            # One of the table's columns is to be given.
            asked = struct.pack(">iii", 1, 1, 1) + struct.pack(">H", 0) if version >= 4 else struct.pack(">ii", 1, 1)
            asked += self.text("shop") + self.text("users") + self.text("name") + varchar
            given = struct.pack(">ii", 1, 1) + self.text("shop") + self.text("users") + self.text("name") + varchar
            more = struct.pack(">H", 16) + b"fedcba9876543210" if version >= 5 else b""
            return 8, struct.pack(">i", 4) + id + more + asked + given, None
        if opcode == 10:
            return 8, self.rows([("name", varchar)], [[b"hunter2"], [b"jo"]]), None
        if opcode == 13:
            return 8, void, None
        statement = body[4:4 + int.from_bytes(body[:4], "big")].decode()
        if "system.local" in statement or "system.peers" in statement:
            columns = [("key", varchar), ("cluster_name", varchar), ("data_center", varchar), ("rack", varchar),
                       ("partitioner", varchar), ("release_version", varchar), ("schema_version", uuid),
                       ("host_id", uuid), ("rpc_address", inet)]
            row = [b"local", b"shop", b"dc1", b"r1", b"org.apache.cassandra.dht.Murmur3Partitioner", b"4.1.0",
                   b"a" * 16, b"b" * 16, b"\x7f\0\0\x01"]
            return 8, self.rows(columns, [row] if "local" in statement else []), None
        if statement.upper().startswith("USE"):
            return 8, struct.pack(">i", 3) + self.text("shop"), None
        if "nowhere" in statement:
            return 0, struct.pack(">i", 0x2200) + self.text("unconfigured table nowhere"), None
        if statement.startswith("selec "):
            said = "line 1:0 no viable alternative at input 'selec' ([selec] * from users where name = 'hunter2')"
            return 0, struct.pack(">i", 0x2000) + self.text(said), None
        if "slow" in statement:
            return 0, struct.pack(">i", 0x1200) + self.text("Operation timed out") + struct.pack(">HiiB", 1, 0, 1, 0), None
        if statement.upper().startswith("SELECT"):
            return 8, self.rows([("name", varchar), ("tags", b"\0\x22" + varchar)],
                                [[b"hunter2" * 9, b"\0\0\0\0"]] * 5), None
        if statement.upper().startswith("CREATE"):
            return 8, struct.pack(">i", 5) + self.text("CREATED") + self.text("TABLE") + self.text("shop") + self.text("users"), None
        return 8, void, None


def cassandra(tools):
    import logging

    from cassandra import DriverException, RequestExecutionException
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
    from cassandra.policies import FallthroughRetryPolicy, WhiteListRoundRobinPolicy
    from cassandra.protocol import ErrorMessage
    from cassandra.query import BatchStatement, SimpleStatement

    logging.disable(logging.CRITICAL)
    server = Cql()

    def shop(name, version, which, compression=False):
        proxy = tools.Proxy(name, server.port, which=which)
        profile = ExecutionProfile(
            load_balancing_policy=WhiteListRoundRobinPolicy(["127.0.0.1"]), retry_policy=FallthroughRetryPolicy(),
        )
        cluster = Cluster(
            ["127.0.0.1"], port=proxy.port, protocol_version=version, compression=compression,
            auth_provider=PlainTextAuthProvider("jo", "hunter2"), execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            schema_metadata_enabled=False, token_metadata_enabled=False, idle_heartbeat_interval=0,
        )
        session = cluster.connect()
        session.execute("USE shop")
        session.execute("CREATE TABLE users (id int primary key, name text)")
        session.execute("INSERT INTO users (id, name) VALUES (17, 'hunter2')")
        session.execute("SELECT name, tags FROM users WHERE name = 'hunter2'")
        session.execute("SELECT name, tags FROM users WHERE name = %s", ("hunter2",))
        for statement in ("SELECT * FROM nowhere", "selec * from users where name = 'hunter2'", "SELECT slow FROM users"):
            try:
                session.execute(statement)
            except (DriverException, RequestExecutionException, ErrorMessage):
                pass
        prepared = session.prepare("SELECT name FROM users WHERE name = ?")
        for value in ("hunter2", "jo"):
            session.execute(prepared, (value,))
        batch = BatchStatement()
        batch.add(SimpleStatement("INSERT INTO users (id, name) VALUES (18, 'hunter2')"))
        batch.add(SimpleStatement("INSERT INTO users (id, name) VALUES (19, 'hunter2')"))
        session.execute(batch)
        futures = [session.execute_async(f"UPDATE users SET name = 'x' WHERE id = {at}") for at in range(3)]
        [future.result() for future in futures]
        cluster.shutdown()
        proxy.write()

    # The first connection is asked what there is, and told what happens; the second is asked by the session.
    shop("cassandra-control", 4, 0)
    shop("cassandra-v4", 4, 1)
    shop("cassandra-v4-lz4", 4, 1, "lz4")
    shop("cassandra-v5", 5, 1)


def amqp(tools):
    import pika

    port, mapper = tools.free_port(), tools.free_port()
    home = os.path.join(tools.WORK, "rabbit")
    os.makedirs(home)
    open(os.path.join(home, "plugins"), "w").write("[].\n")
    env = dict(
        os.environ, HOME=home, RABBITMQ_NODENAME="record@localhost", RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_NODE_PORT=str(port), RABBITMQ_DIST_PORT=str(tools.free_port()), RABBITMQ_MNESIA_BASE=home,
        RABBITMQ_LOG_BASE=home, RABBITMQ_PID_FILE=os.path.join(home, "pid"), ERL_EPMD_PORT=str(mapper),
        ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_ENABLED_PLUGINS_FILE=os.path.join(home, "plugins"),
        RABBITMQ_CONFIG_FILE=os.path.join(home, "none"), RABBITMQ_GENERATED_CONFIG_DIR=home,
    )
    tools.start(["/usr/lib/rabbitmq/bin/rabbitmq-server"], port, wait=120, env=env, cwd=home)

    def shop(name, talk, user="guest"):
        proxy = tools.Proxy(name, port)
        login = pika.PlainCredentials(user, "guest" if user == "guest" else "hunter2")
        try:
            connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", proxy.port, credentials=login))
            talk(connection)
            connection.close()
        except pika.exceptions.AMQPError:
            pass
        proxy.write()

    def say(channel, key, body, exchange="orders", **more):
        try:
            channel.basic_publish(exchange, key, body, pika.BasicProperties(content_type="text/plain"), **more)
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            pass
        # Where nothing is answered, two would come in one call.
        time.sleep(0.03)

    def plain(connection):
        channel = connection.channel()
        channel.exchange_declare("orders", "topic")
        channel.queue_declare("jobs")
        channel.queue_bind("jobs", "orders", "made.#")
        channel.queue_declare("", exclusive=True)
        for at in range(3):
            say(channel, f"made.{at}", b"hunter2" * (1 + 20 * at))
        say(channel, "jobs", b"hunter2", exchange="")
        say(channel, "made.long", b"hunter2" * 700)
        say(channel, "nowhere", b"hunter2", mandatory=True)
        channel.basic_get("jobs", auto_ack=True)
        channel.queue_purge("jobs")
        channel.basic_get("jobs")
        channel.queue_unbind("jobs", "orders", "made.#")
        try:
            channel.queue_declare("none", passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            pass
        other = connection.channel()
        other.tx_select()
        say(other, "made.9", b"hunter2")
        other.tx_rollback()
        say(other, "made.9", b"hunter2", exchange="nowhere")
        try:
            other.tx_commit()
        except pika.exceptions.ChannelClosedByBroker:
            pass

    def confirmed(connection):
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("jobs")
        for at in range(3):
            say(channel, "jobs", b"hunter2" * (1 + 20 * at), exchange="")
        say(channel, "nowhere", b"hunter2", exchange="", mandatory=True)

    def consumed(connection):
        channel = connection.channel()
        channel.basic_qos(prefetch_count=2)
        for count, (method, _, _) in enumerate(channel.consume("jobs"), 1):
            (channel.basic_ack if count != 2 else channel.basic_nack)(method.delivery_tag)
            if count == 4:
                break
        channel.cancel()
        channel.queue_delete("jobs")
        channel.close()

    shop("amqp-plain", plain)
    shop("amqp-confirmed", confirmed)
    shop("amqp-consumed", consumed)
    shop("amqp-refused", plain, user="jo")
    return lambda: tools.run("epmd", "-port", str(mapper), "-kill")


def every(tools):
    """What record.py can be asked for besides its own."""
    return {
        "kafka": lambda: kafka(tools),
        "mongodb": lambda: mongodb(tools),
        "cassandra": lambda: cassandra(tools),
        "amqp": lambda: amqp(tools),
    }
