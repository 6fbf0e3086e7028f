"""Messages through a RabbitMQ of our own, by pika."""
import os
import time

from calls import LOOPBACK, free_port, main, word


def server(work):
    """Starts it, with the daemon by which its kind find each other on a port of our own; its port."""
    port, names, others = free_port(), free_port(), free_port()
    environment = dict(os.environ, ERL_EPMD_PORT=str(names), ERL_EPMD_ADDRESS=LOOPBACK)
    work.servers.start(["epmd"], names, env=environment)
    told = {
        "NODENAME": f"fathom-{port}@localhost", "NODE_IP_ADDRESS": LOOPBACK, "NODE_PORT": port, "DIST_PORT": others,
        "MNESIA_BASE": work.path("mnesia"), "LOG_BASE": work.path("log"), "LOGS": "-",
        "ENABLED_PLUGINS_FILE": work.path("plugins"), "CONFIG_FILE": work.path("none"), "CONF_ENV_FILE": os.devnull,
        "PID_FILE": work.path("pid"),
    }
    environment.update({"RABBITMQ_" + name: str(value) for name, value in told.items()}, HOME=work.home)
    with open(work.path("plugins"), "w") as file:
        file.write("[].")
    work.servers.start(["rabbitmq-server"], port, env=environment)
    return port


def messages(work):
    """Publishes, with and without a confirmation, and fetches; asks for queues that are not there."""
    import pika
    port, log, pace = server(work), work.log("amqp"), work.pace()
    line = pika.BlockingConnection(pika.ConnectionParameters(LOOPBACK, port))
    ends = (line._impl._transport._sock.getsockname()[1], port)
    sure, unsure = line.channel(), line.channel()
    sure.confirm_delivery()

    def call(operation, resource, status, act, latency=True):
        since, clock = time.time_ns(), time.perf_counter_ns()
        act()
        took = time.perf_counter_ns() - clock
        log.call(operation, resource, status, since, took if latency else None, ends, loose=True)

    for number in range(work.count // 4):
        pace.wait()
        queue = word(number % 200)
        call("queue.declare", queue, "OK", lambda: sure.queue_declare(queue, exclusive=True))
        call("basic.publish", queue, "OK", lambda: sure.basic_publish("", queue, b"x" * (100 + 100 * (number % 100))))
        call("basic.get", queue, "OK", lambda: sure.basic_get(queue, auto_ack=True))
        call("basic.get", queue, "EMPTY", lambda: sure.basic_get(queue, auto_ack=True))
    for number in range(10):
        lost = word(work.count + number)
        channel = line.channel()

        def ask():
            try:
                channel.queue_declare(lost, passive=True)
            except pika.exceptions.ChannelClosedByBroker:
                pass
        call("queue.declare", lost, "404", ask)
    unsure.basic_publish("", word(0), b"nobody says that it came")
    unsure.basic_get(word(0), auto_ack=True)
    log.tally("basic.publish", None, resource=word(0))
    log.tally("basic.get", None, resource=word(0))
    line.close()
    for operation in ("connection.start", "connection.tune", "connection.open", "connection.close", "channel.open",
                      "channel.close", "confirm.select"):
        log.tally(operation, None)
    log.close()


if __name__ == "__main__":
    main({"messages": messages})
