"""Burns CPU time in known functions; `crates/symbols/tests/python.rs` knows which line is which."""
import functools
import os
import sys
import threading
import time

SECONDS = 1.0


def hot(begun=None):
    begun = begun or time.thread_time()
    total = 0
    while time.thread_time() - begun < SECONDS:
        for number in range(2000):
            total += number * number  # hot
    return total


def rec(depth, function):
    if depth:
        return rec(depth - 1, function)  # rec
    return function()  # rec calls


def deep():
    rec(9, hot)  # deep calls


def deeper():
    rec(300, hot)


def generate():
    yield hot()  # generate


def delegate():
    yield from generate()  # delegate


def generators():
    for _ in delegate():  # generators calls
        pass


def key(number):
    return hot() + number  # key


def callback():
    sorted([1], key=key)  # callback calls


def reduce_step(left, right):
    return hot() + left + right


def callbacks():
    # C, Python, C, Python.
    functools.reduce(lambda left, right: sorted([1], key=key), [1, 2])


class Thing:
    def __init__(self, burns):
        if burns:
            hot()  # init


def construct():
    # Often enough that the interpreter makes a shorter way for it.
    for burns in [False] * 100 + [True]:
        Thing(burns)  # construct calls


def named_λ():
    hot()


def letters():
    named_λ()


def worker_a():
    rec(2, hot)


def worker_b():
    rec(5, hot)


def threads():
    def run(work):
        os.write(1, f"thread {threading.get_native_id()} {work.__name__}\n".encode())
        work()

    all_threads = [threading.Thread(target=run, args=(work,)) for work in (worker_a, worker_b)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()


def sleeper():
    for _ in range(12):
        time.sleep(0.05)  # sleeper


def sleep():
    hot()
    sleeper()


def main(what):
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.thread_time()
    # Gives the test a stack to learn the process from.
    while time.thread_time() - begun < 0.1:
        pass
    print("burnt", flush=True)
    sys.stdin.readline()
    globals()[what]()  # main calls
    os._exit(0)


main(sys.argv[1])
