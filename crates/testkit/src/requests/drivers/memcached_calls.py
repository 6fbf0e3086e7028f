"""Commands to a memcached of our own, in its text protocol."""
from calls import LOOPBACK, Line, free_port, main, word


class Memcached(Line):
    def call(self, log, operation, key, line, status, values=False):
        since, clock = self.send(line)
        answer = self.until(b"\r\n")
        while values and answer.startswith(b"VALUE"):
            self.exactly(int(answer.split()[3]) + 2)
            answer = self.until(b"\r\n")
        log.call(operation, key, status, since, self.arrived - clock, self.ends)


def one_by_one(work):
    port, log, pace = free_port(), work.log("memcached"), work.pace()
    work.servers.start(["memcached", "-l", LOOPBACK, "-p", str(port), "-U", "0", "-u", "root"], port)
    line = Memcached(port)
    for number in range(work.count):
        pace.wait()
        key = "cart:" + word(number)
        if number % 3 == 0:
            line.call(log, "set", key, b"set %s 0 60 40\r\n%s\r\n" % (key.encode(), b"v" * 40), "STORED")
        elif number % 3 == 1:
            line.call(log, "get", key, b"get %s\r\n" % key.encode(), "MISS", values=True)
        else:
            line.call(log, "delete", key, b"delete %s\r\n" % key.encode(), "NOT_FOUND")
    log.close()


if __name__ == "__main__":
    main({"one-by-one": one_by_one})
