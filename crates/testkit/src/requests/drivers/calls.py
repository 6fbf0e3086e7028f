"""What all drivers share: the log of calls, words that stand for numbers, servers, and clients whose clock
runs from just before the bytes are sent until just after the last ones came.

A call's resource is a word that no other call has, of letters only, so that nothing folds it.
"""
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

LOOPBACK = "127.0.0.1"


def word(number):
    """`number` in letters: always the same length, never with a digit."""
    letters = ""
    for _ in range(5):
        number, rest = divmod(number, 20)
        letters = "bcdfghjklmnpqrstvwxz"[rest] + letters
    return "q" + letters


class Log:
    """Calls as they were made, a JSON object a line."""

    def __init__(self, path, protocol, buffering=1 << 16):
        self.file = open(path, "a", buffering=buffering)
        self.protocol = protocol

    def call(self, operation, resource, status, begun, latency, ends, **more):
        """`ends` are the client's port and the server's; `begun` and `latency` are nanoseconds."""
        row = dict(protocol=self.protocol, operation=operation, resource=resource, status=status,
                   time=begun, latency=latency, client=ends[0], server=ends[1])
        self.file.write(json.dumps({"call": {**row, **more}}) + "\n")

    def tally(self, operation, count, **more):
        """So many calls were made of which nothing else is known; `sides` says how many ends are watched."""
        row = dict(protocol=self.protocol, operation=operation, count=count)
        self.file.write(json.dumps({"tally": {**row, **more}}) + "\n")

    def close(self):
        self.file.close()


class Servers:
    """Programs that were started here and are stopped here, each by its number."""

    def __init__(self, home):
        self.home, self.started = home, []

    def start(self, command, port=None, stop=signal.SIGTERM, **more):
        out = open(os.path.join(self.home, f"server-{len(self.started)}.log"), "wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
        self.started.append((process, stop))
        if port:
            wait_for(port, process)
        return process

    def fork(self, serve, *words):
        """Runs `serve` in a process of its own."""
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                serve(*words)
            except SystemExit:
                pass
            finally:
                os._exit(0)
        self.started.append((pid, signal.SIGTERM))
        return pid

    def stop(self):
        for process, stop in reversed(self.started):
            if isinstance(process, int):
                os.kill(process, stop)
                os.waitpid(process, 0)
                continue
            if process.poll() is None:
                process.send_signal(stop)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.started = []


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind((LOOPBACK, 0))
        return s.getsockname()[1]


def listener():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((LOOPBACK, 0))
    s.listen(512)
    return s


def wait_for(port, process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise SystemExit(f"{process.args[0]} does not listen")


class Line:
    """A client's connection. With `ragged` what is sent goes in pieces of any length."""

    def __init__(self, port, ragged=None):
        self.socket = socket.create_connection((LOOPBACK, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(30)
        self.ends = (self.socket.getsockname()[1], port)
        self.ragged, self.rest = ragged, b""

    def send(self, data):
        """Sends all, and says when that began: nanoseconds since 1970, and of the clock for lengths of time."""
        if not self.ragged:
            since, clock = time.time_ns(), time.perf_counter_ns()
            self.socket.sendall(data)
            return since, clock
        cuts = [0, *sorted(self.ragged.sample(range(1, len(data)), min(4, len(data) - 1))), len(data)]
        since, clock = time.time_ns(), time.perf_counter_ns()
        for begin, end in zip(cuts, cuts[1:]):
            self.socket.sendall(data[begin:end])
        return since, clock

    def more(self):
        data = self.socket.recv(1 << 18)
        self.arrived = time.perf_counter_ns()
        self.rest += data
        return bool(data)

    def until(self, mark):
        """Everything up to `mark`, which is taken, too."""
        while mark not in self.rest:
            if not self.more():
                raise EOFError(f"no {mark!r} after {self.rest[:80]!r}")
        data, self.rest = self.rest.split(mark, 1)
        return data

    def exactly(self, length):
        if len(self.rest) < length:
            pieces, have = [self.rest], len(self.rest)
            while have < length:
                self.rest = b""
                if not self.more():
                    raise EOFError
                pieces.append(self.rest)
                have += len(self.rest)
            self.rest = b"".join(pieces)
        data, self.rest = self.rest[:length], self.rest[length:]
        return data

    def close(self):
        self.socket.close()


class Pace:
    """So many calls a second; none of them is waited for twice."""

    def __init__(self, a_second):
        self.step, self.next = 1 / a_second if a_second else 0, time.perf_counter()

    def wait(self):
        if not self.step:
            return
        left = self.next - time.perf_counter()
        if left > 0:
            time.sleep(left)
        self.next = max(self.next + self.step, time.perf_counter() - 0.5)


class Poll:
    """Waits for several lines at once."""

    def __init__(self, lines):
        self.poll, self.lines = select.epoll(), {line.socket.fileno(): line for line in lines}
        for number in self.lines:
            self.poll.register(number, select.EPOLLIN)

    def ready(self):
        return [self.lines[number] for number, _ in self.poll.poll(30)]


def main(cases):
    """
    The command line of every driver: CASE HOME CALLS RATE SEED [PROGRAM], a program that was built for it. The log is
    HOME/calls.jsonl.
    """
    name, home, count, rate, seed, *program = sys.argv[1:]
    servers = Servers(home)
    try:
        cases[name](Work(servers, home, int(count), float(rate), random.Random(int(seed)), *program))
    finally:
        servers.stop()


class Work:
    """What a case is given."""

    def __init__(self, servers, home, count, rate, random, program=None):
        self.servers, self.home, self.count, self.random = servers, home, count, random
        self.rate, self.is_late, self.program = rate, bool(os.environ.get("CALLS_WAIT")), program

    def path(self, name):
        return os.path.join(self.home, name)

    def log(self, protocol):
        return Log(self.path("calls.jsonl"), protocol)

    def pace(self):
        return Pace(self.rate)

    def begun(self):
        """Says that the servers listen and connections are open, and waits until calls may be made."""
        if self.is_late:
            open(self.path("ready"), "w").close()
            deadline = time.monotonic() + 60
            while not os.path.exists(self.path("go")):
                if time.monotonic() > deadline:
                    raise SystemExit("nobody said go")
                # What is watched is told by this.
                subprocess.run(["true"], check=True)
                time.sleep(0.05)
