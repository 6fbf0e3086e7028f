"""A hundred calls of gRPC at once on one connection, whose server takes its time."""
import asyncio
import time

from calls import LOOPBACK, free_port, main, word

PATIENCE, AT_ONCE = 0.1, 100


def serve(port, size):
    import grpc

    async def answer(request, context):
        await asyncio.sleep(PATIENCE)
        return b"x" * size

    class Anything(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(answer)

    async def run():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Anything(),))
        server.add_insecure_port(f"{LOOPBACK}:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())


def hundred_streams(work, size=1000):
    """Each method is called once."""
    port, log = free_port(), work.log("grpc")
    work.servers.fork(serve, port, size)
    asyncio.run(ask(port, work.count, work.rate, log))
    log.close()


def large_answers(work):
    """The same with answers that take several frames."""
    hundred_streams(work, 40_000)


async def ask(port, count, rate, log):
    import grpc

    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 20)
        numbers, begun = iter(range(count)), time.perf_counter()

        async def one_after_another():
            for number in numbers:
                if rate:
                    await asyncio.sleep(begun + number / rate - time.perf_counter())
                operation = f"/shop.v1.Orders/{word(number)}"
                since, clock = time.time_ns(), time.perf_counter_ns()
                await channel.unary_unary(operation)(b"which one?")
                # What the client's own loop adds is no system call's time.
                log.call(word(number), "shop.v1.Orders", "OK", since, time.perf_counter_ns() - clock, (None, port), loose=True)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    main({"hundred-streams": hundred_streams, "large-answers": large_answers})
