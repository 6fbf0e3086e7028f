"""Commands to a Redis server of our own."""
import subprocess

from calls import LOOPBACK, Line, Poll, free_port, main, word


class Redis(Line):
    """Says commands and reads replies, as the protocol has them."""

    def call(self, log, words, status="OK"):
        self.ask(words)
        self.answer(log, words, status)

    def ask(self, words):
        self.since, self.clock = self.send(command(words))

    def answer(self, log, words, status="OK"):
        error = self.reply()
        if (error or "OK") != status:
            raise SystemExit(f"{words[:2]} gave {error}, not {status}")
        resource = words[1] if len(words) > 1 else ""
        log.call(words[0], resource, status, self.since, self.arrived - self.clock, self.ends)

    def reply(self):
        """The word of an error, if it is one."""
        line = self.until(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            return rest.split()[0].decode()
        if kind == b"$" and rest != b"-1":
            self.exactly(int(rest) + 2)
        if kind == b"*":
            for _ in range(int(rest)):
                self.reply()
        return None


def command(words):
    parts = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def server(work):
    port = free_port()
    work.servers.start(["redis-server", "--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no",
                        "--dir", work.home, "--proto-max-bulk-len", "64mb"], port)
    return port


def words(number):
    """A command, and how it goes."""
    name = word(number)
    return (
        (["SET", f"cart:{name}", "v" * 40], "OK"), (["GET", f"cart:{name}"], "OK"), (["INCR", f"count:{name}"], "OK"),
        (["LPUSH", f"list:{name}", "a", "b", "c"], "OK"), (["LRANGE", f"none:{name}", "0", "-1"], "OK"),
        (["HSET", f"hash:{name}", "field", "value"], "OK"), (["NOSUCH", name], "ERR"),
        (["EXPIRE", f"cart:{name}", "no"], "ERR"), (["DEL", f"cart:{name}"], "OK"),
    )[number % 9]


def one_by_one(work):
    """One after the other on a few connections."""
    port, log, pace = server(work), work.log("redis"), work.pace()
    lines = [Redis(port) for _ in range(4)]
    work.begun()
    for number in range(work.count):
        pace.wait()
        lines[number // 9 % 4].call(log, *words(number))
    log.close()


def pipeline(work):
    """Sixteen commands in one piece."""
    port, log, pace = server(work), work.log("redis"), work.pace()
    line = Redis(port)
    work.begun()
    for first in range(0, work.count, 16):
        some = [words(number) for number in range(first, first + 16)]
        pace.wait()
        line.since, line.clock = line.send(b"".join(command(one) for one, _ in some))
        for one, status in some:
            line.answer(log, one, status)
    log.close()


def bodies(work):
    """Values of 30 KB and 10 MB, up and down, and lists of many."""
    port, log = server(work), work.log("redis")
    line = Redis(port)
    for number in range(work.count):
        size = 10_000_000 if number % 10 == 0 else 30_000
        key = f"value:{word(number)}"
        line.call(log, ["SET", key, work.random.randbytes(size)])
        line.call(log, ["GET", key])
        line.call(log, ["RPUSH", f"many:{key}", *["item"] * 2000])
        line.call(log, ["LRANGE", f"many:{key}", "0", "-1"])
        line.call(log, ["DEL", key])
    log.close()


def ragged(work):
    """What is said goes in pieces of any length."""
    port, log, pace = server(work), work.log("redis"), work.pace()
    lines = [Redis(port, work.random) for _ in range(4)]
    for number in range(work.count):
        pace.wait()
        lines[number // 9 % 4].call(log, *words(number))
    log.close()


def hundred(work):
    """A hundred connections at once."""
    port, log = server(work), work.log("redis")
    lines = [Redis(port) for _ in range(100)]
    poll, number = Poll(lines), 0

    def next_one(line):
        line.words = words(number)
        line.ask(line.words[0])

    for line in lines:
        next_one(line)
        number += 1
    busy = len(lines)
    while busy:
        for line in poll.ready():
            line.answer(log, *line.words)
            busy -= 1
            if number < work.count:
                next_one(line)
                number, busy = number + 1, busy + 1
    log.close()


def benchmark(work, pipeline=1):
    """redis-benchmark; how often what was done is what the server counted."""
    port, log = server(work), work.log("redis")
    subprocess.run(["redis-benchmark", "-h", LOOPBACK, "-p", str(port), "-n", str(work.count // 2), "-P", str(pipeline), "-c", "10",
                    "-t", "set,get", "-q"], check=True, stdout=subprocess.DEVNULL)
    line = Redis(port)
    line.send(command(["INFO", "commandstats"]))
    text = line.exactly(int(line.until(b"\r\n")[1:])).decode()
    for name, operation in (("set", "SET"), ("get", "GET"), ("config|get", "CONFIG GET")):
        counted = text.split(f"cmdstat_{name}:calls=")[1].split(",")[0]
        log.tally(operation, int(counted))
    log.tally("INFO", 1)
    log.close()


def benchmark_pipeline(work):
    """The same in pipelines of 16."""
    benchmark(work, 16)


if __name__ == "__main__":
    main({it.__name__.replace("_", "-"): it for it in (
        one_by_one, pipeline, bodies, ragged, hundred, benchmark, benchmark_pipeline)})
