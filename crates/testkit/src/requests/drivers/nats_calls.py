"""Messages through a NATS server of our own."""
from calls import LOOPBACK, Line, free_port, main, word


def messages(work):
    """One publishes, another one subscribed to everything: the server says each message on."""
    port, log, pace = free_port(), work.log("nats"), work.pace()
    work.servers.start(["nats-server", "-a", LOOPBACK, "-p", str(port)], port)
    lines = [Line(port), Line(port)]
    for line in lines:
        line.until(b"\r\n")
        line.send(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
        line.until(b"PONG\r\n")
    sender, reader = lines
    reader.send(b"SUB shop.> 1\r\nPING\r\n")
    reader.until(b"PONG\r\n")
    for number in range(work.count):
        pace.wait()
        subject = "shop." + word(number)
        sender.send(b"PUB %s 5\r\nhello\r\n" % subject.encode())
        reader.until(b"MSG")
        reader.until(b"hello\r\n")
        log.tally("PUB", 1, resource=subject)
        log.tally("MSG", 1, resource=subject)
    for operation in ("CONNECT", "PING", "SUB"):
        log.tally(operation, None)
    log.close()


if __name__ == "__main__":
    main({"messages": messages})
