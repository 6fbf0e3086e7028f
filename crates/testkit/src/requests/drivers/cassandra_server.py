"""A small server that speaks Cassandra's protocol, versions 4 and 5: as much as its driver asks at the beginning,
and statements, whose answers depend on their words alone. It keeps nothing.
"""
import io
import socket
import struct
import threading

from cassandra.segment import CRC24_LENGTH, CRC32_LENGTH, SegmentCodec

ERROR, STARTUP, READY, OPTIONS, SUPPORTED, QUERY, RESULT, PREPARE, EXECUTE, REGISTER, _, BATCH = (
    0x00, 0x01, 0x02, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D)
VOID, ROWS, PREPARED = 1, 2, 4
SYNTAX, INVALID, PROTOCOL = 0x2000, 0x2200, 0x000A
TEXT, INET, UUID, INT, SET = 0x0D, 0x10, 0x0C, 0x09, 0x22

LOCAL = [
    ("key", TEXT, b"local"), ("cluster_name", TEXT, b"small"), ("data_center", TEXT, b"dc"), ("rack", TEXT, b"r"),
    ("partitioner", TEXT, b"org.apache.cassandra.dht.Murmur3Partitioner"), ("release_version", TEXT, b"4.1.0"),
    ("native_protocol_version", TEXT, b"5"), ("cql_version", TEXT, b"3.4.6"),
    ("host_id", UUID, b"\x01" * 16), ("schema_version", UUID, b"\x02" * 16),
    ("broadcast_address", INET, b"\x7f\x00\x00\x01"), ("listen_address", INET, b"\x7f\x00\x00\x01"),
    ("rpc_address", INET, b"\x7f\x00\x00\x01"),
]
NAMES = [("name", TEXT, None)]


def string(value):
    return struct.pack(">H", len(value)) + value.encode()


def error(code, words):
    return ERROR, struct.pack(">i", code) + string(words)


def columns(names):
    return b"".join(string(name) + struct.pack(">H", kind) for name, kind, _ in names)


def rows(names, values):
    """A result of `values`, each a list of cells."""
    head = struct.pack(">iii", ROWS, 1, len(names)) + string("shop") + string("carts") + columns(names)
    cells = b"".join(struct.pack(">i", len(cell)) + cell for row in values for cell in row)
    return RESULT, head + struct.pack(">i", len(values)) + cells


def is_of_system(words):
    """Whether the driver asks this by itself."""
    return words[0] == "select" and any(word.startswith("system") for word in words)


def statement(text):
    """What comes of it."""
    words = text.lower().split()
    if "system.local" in words:
        return rows(LOCAL, [[cell for *_, cell in LOCAL]])
    if is_of_system(words):
        return rows(LOCAL, [])
    if words[0] not in ("select", "insert", "update", "delete", "use"):
        return error(SYNTAX, f"line 1:0 no viable alternative at input '{words[0]}'")
    if "shop.lost" in words:
        return error(INVALID, "unconfigured table lost")
    if words[0] == "select":
        return rows(NAMES, [[b"apples"], [b"pears"]])
    return RESULT, struct.pack(">i", VOID)


class Connection:
    def __init__(self, line, notes):
        self.line, self.file, self.codec, self.notes = line, line.makefile("rb"), None, notes
        self.prepared, self.rest = {}, b""

    def exactly(self, length):
        data = self.file.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def more(self, length):
        """So many bytes of messages: of segments' contents, once those are spoken."""
        if not self.codec:
            return self.exactly(length)
        while len(self.rest) < length:
            head = self.codec.decode_header(io.BytesIO(self.exactly(self.codec.header_length + CRC24_LENGTH)))
            segment = io.BytesIO(self.exactly(head.payload_length + CRC32_LENGTH))
            self.rest += self.codec.decode(segment, head).payload
        data, self.rest = self.rest[:length], self.rest[length:]
        return data

    def serve(self):
        try:
            while True:
                version, _, stream, opcode, length = struct.unpack(">BBhBi", self.more(9))
                body = self.more(length)
                kind, answer = self.answer(version, opcode, body)
                message = struct.pack(">BBhBi", 0x80 | min(version, 5), 0, stream, kind, len(answer)) + answer
                if self.codec:
                    out = io.BytesIO()
                    self.codec.encode(out, message)
                    message = out.getvalue()
                self.line.sendall(message)
                if version == 5 and opcode == STARTUP:
                    self.codec = SegmentCodec()
        except (EOFError, ConnectionError):
            self.line.close()

    def answer(self, version, opcode, body):
        if version not in (4, 5):
            return error(PROTOCOL, f"Invalid or unsupported protocol version ({version})")
        if opcode == OPTIONS:
            versions = string("CQL_VERSION") + struct.pack(">H", 1) + string("3.4.6")
            return SUPPORTED, struct.pack(">H", 2) + versions + string("COMPRESSION") + struct.pack(">H", 0)
        if opcode in (STARTUP, REGISTER):
            return READY, b""
        if opcode in (QUERY, PREPARE):
            length, = struct.unpack_from(">i", body)
            text = body[4:4 + length].decode()
            if is_of_system(text.lower().split()):
                self.notes.write(text + "\n")
            return statement(text) if opcode == QUERY else self.prepare(version, text)
        if opcode == EXECUTE:
            length, = struct.unpack_from(">H", body)
            return statement(self.prepared[body[2:2 + length]])
        if opcode == BATCH:
            return RESULT, struct.pack(">i", VOID)
        return error(PROTOCOL, f"unknown message {opcode}")

    def prepare(self, version, text):
        kind, answer = statement(text)
        if kind == ERROR:
            return kind, answer
        name = struct.pack(">QQ", 1, len(self.prepared) + 1)
        self.prepared[name] = text
        result = string("0123456789abcdef") if version == 5 else b""
        wants = [("id", INT, None)] * text.count("?")
        place = string("shop") + string("carts") if wants else b""
        head = struct.pack(">i", PREPARED) + struct.pack(">H", len(name)) + name + result
        asks = struct.pack(">iii", 1 if wants else 0, len(wants), 0) + place + columns(wants)
        gives = struct.pack(">ii", 4, 0)
        if text.lower().startswith("select"):
            gives = struct.pack(">ii", 1, 1) + string("shop") + string("carts") + columns(NAMES)
        return RESULT, head + asks + gives


def serve(listener, notes):
    """Answers everybody, each in a thread. What is asked of the system is noted, a line each."""
    with open(notes, "w", buffering=1) as notes:
        while True:
            line, _ = listener.accept()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(line, notes).serve, daemon=True).start()
