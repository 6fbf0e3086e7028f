"""chain.py SECONDS plain|generator|callback|threads: as chain.c, in Python.

generator: what is hot are generators; callback: C code calls it (sorted's key); threads: two
threads do the same, in turn.
"""

import sys
import threading
import time

DEPTH = 20


def leaf(x):
    for _ in range(3000):
        x = (x * 31 + 7) & 0xFFFFFF
    return x


def hot_a(x):
    for _ in range(7):
        x = leaf(x)
    return x


def hot_b(x):
    for _ in range(2):
        x = leaf(x)
    return x


def hot_c(x):
    return leaf(x)


def each(calls):
    def hot(x):
        for _ in range(calls):
            x = leaf(x)
            yield x
    return hot


def named(function, name):
    names = {key: name for key in ("co_name", "co_qualname") if hasattr(function.__code__, key)}
    function.__code__ = function.__code__.replace(**names)
    function.__name__ = function.__qualname__ = name
    return function


def dispatch(which, x):
    if MODE == "generator":
        for x in GENERATORS[which](x):
            pass
        return x
    if MODE == "callback":
        return sorted([x, x + 1], key=FUNCTIONS[which])[0]
    return FUNCTIONS[which](x)


def rec(depth, which, x):
    if depth > 1:
        return rec(depth - 1, which, x)
    return dispatch(which, x)


def body(clock, seconds):
    x, end = 1, clock() + seconds
    while clock() < end:
        for which in range(3):
            x = rec(DEPTH, which, x)


def main():
    seconds = float(sys.argv[1])
    if MODE == "threads":
        workers = [
            threading.Thread(target=body, args=(time.thread_time, seconds / 2)) for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    else:
        body(time.process_time, seconds)


MODE = sys.argv[2] if len(sys.argv) > 2 else "plain"
FUNCTIONS = [hot_a, hot_b, hot_c]
GENERATORS = [
    named(each(calls), name) for calls, name in [(7, "hot_a"), (2, "hot_b"), (1, "hot_c")]
]
main()
