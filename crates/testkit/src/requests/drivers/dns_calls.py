"""Questions to name servers on loopback."""
import os
import socket
import struct
import subprocess
import time

from calls import LOOPBACK, free_port, main, word

KINDS = {"A": 1, "AAAA": 28, "TXT": 16}


def question(number, name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", KINDS[kind], 1)


def asked(number):
    """A name, the kind of record, and how it goes."""
    name = word(number)
    return ((f"{name}.shop.test", "A", "NOERROR"), (f"{name}.shop.test", "AAAA", "NOERROR"),
            (f"{name}.nowhere.test", "A", "NXDOMAIN"))[number % 3]


def serve(s):
    """Says what `asked` promises."""
    while True:
        data, client = s.recvfrom(4096)
        end = data.index(b"\0", 12) + 5
        missing, address = b"nowhere" in data, data[end - 4:end - 2] == b"\0\x01"
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\x02\x03" if address and not missing else b""
        head = data[:2] + struct.pack(">HHHHH", 0x8183 if missing else 0x8180, 1, 1 if answer else 0, 0, 0)
        s.sendto(head + data[12:end] + answer, client)


def ask_all(work, port):
    log, pace = work.log("dns"), work.pace()
    bound = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for s in bound[:2]:
        s.connect((LOOPBACK, port))
    for s in bound:
        s.settimeout(10)
    for number in range(work.count):
        name, kind, status = asked(number)
        data, s = question(number, name, kind), bound[number % 4]
        pace.wait()
        since, clock = time.time_ns(), time.perf_counter_ns()
        if number % 4 < 2:
            s.send(data)
            answer = s.recv(4096)
        else:
            s.sendto(data, (LOOPBACK, port))
            answer, _ = s.recvfrom(4096)
        latency = time.perf_counter_ns() - clock
        code = {0: "NOERROR", 3: "NXDOMAIN"}[answer[3] & 15]
        if code != status:
            raise SystemExit(f"{name} gave {code}")
        log.call(kind, name, code, since, latency, (s.getsockname()[1], port))
    log.close()


def plain(work):
    """A server of our own, over UDP."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((LOOPBACK, 0))
    work.servers.fork(serve, s)
    ask_all(work, s.getsockname()[1])


def start_dnsmasq(work):
    port = free_port()
    work.servers.start(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
                        f"--listen-address={LOOPBACK}", f"--port={port}", "--address=/shop.test/10.1.2.3",
                        "--address=/shop.test/fd00::1", "--local=/nowhere.test/", "--user=root", "--pid-file="], port)
    return port


def dnsmasq(work):
    """dnsmasq, over UDP."""
    ask_all(work, start_dnsmasq(work))


def dig(work):
    """dig, over UDP and TCP."""
    port, log = start_dnsmasq(work), work.log("dns")
    for number in range(work.count):
        name, kind, status = asked(number)
        tcp = ["+tcp"] if number % 2 else []
        since = time.time_ns()
        said = subprocess.run(["dig", f"@{LOOPBACK}", "-p", str(port), *tcp, name, kind], check=True, capture_output=True, text=True).stdout
        if f"status: {status}" not in said:
            raise SystemExit(said)
        log.call(kind, name, status, since, None, (None, port), loose=True)
    log.close()


if __name__ == "__main__":
    main({it.__name__.replace("_", "-"): it for it in (plain, dnsmasq, dig)})
