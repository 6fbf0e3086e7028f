"""Messages through librdkafka's own mock of a broker, which another process hosts, by librdkafka's client."""
import os
import signal
import time

from calls import LOOPBACK, main, word

# So many topics; a row is known by what was done to which.
TOPICS = 100
GROUP = "readers"


def broker(place):
    """Hosts the broker, and writes its port to `place`. The client that it comes with does nothing else."""
    import confluent_kafka
    host = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    port, = (it.port for it in host.list_topics(timeout=20).brokers.values())
    with open(place + ".new", "w") as file:
        file.write(str(port))
    os.rename(place + ".new", place)
    while True:
        signal.pause()


def server(work):
    """Starts the broker; its port."""
    place, deadline = work.path("port"), time.monotonic() + 20
    work.servers.fork(broker, place)
    while not os.path.exists(place):
        if time.monotonic() > deadline:
            raise SystemExit("the broker does not listen")
        time.sleep(0.02)
    with open(place) as file:
        return int(file.read())


def messages(work):
    """Produces, asks what there is, commits what was read and asks for that; asks for topics that are not there."""
    import confluent_kafka as kafka
    port, log, pace = server(work), work.log("kafka"), work.pace()
    common = {"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0}
    producer = kafka.Producer({**common, "linger.ms": 0, "acks": -1})
    reader = kafka.Consumer({**common, "group.id": GROUP, "enable.auto.commit": False})

    def call(operation, resource, status, act, times=1):
        since, clock = time.time_ns(), time.perf_counter_ns()
        act()
        took = time.perf_counter_ns() - clock
        for _ in range(times):
            log.call(operation, resource, status, since, took if times == 1 else None, (None, port), loose=True)

    def produce(topic):
        failures = []
        producer.produce(topic, b"x" * 100, on_delivery=lambda error, _: failures.append(error))
        producer.flush()
        if failures != [None]:
            raise SystemExit(f"not produced: {failures}")

    for number in range(work.count):
        pace.wait()
        topic = word(number // 5 % TOPICS)
        where = kafka.TopicPartition(topic, 0, 1)
        if number % 5 == 0:
            call("Produce", topic, "OK", lambda: produce(topic))
        elif number % 5 == 1:
            call("Metadata", topic, "OK", lambda: reader.list_topics(topic, timeout=20))
        elif number % 5 == 2:
            # The oldest and the newest are asked for at once.
            call("ListOffsets", topic, "OK", lambda: reader.get_watermark_offsets(where, timeout=20), times=2)
        elif number % 5 == 3:
            call("OffsetCommit", topic, "OK", lambda: reader.commit(offsets=[where], asynchronous=False))
        else:
            call("OffsetFetch", topic, "OK", lambda: reader.committed([where], timeout=20))
    for number in range(10):
        lost = word(TOPICS + number)
        call("Metadata", lost, "UNKNOWN_TOPIC_OR_PARTITION", lambda: reader.list_topics(lost, timeout=20))
    reader.assign([kafka.TopicPartition(word(0), part, 0) for part in range(4)])
    message = reader.poll(20)
    if message is None or message.error() or message.value() != b"x" * 100:
        raise SystemExit(f"not read: {message}")
    # What librdkafka asks by itself.
    for operation in ("ApiVersions", "Metadata", "FindCoordinator", "Fetch", "GetTelemetrySubscriptions"):
        log.tally(operation, None)
    reader.close()
    log.close()


if __name__ == "__main__":
    main({"messages": messages})
