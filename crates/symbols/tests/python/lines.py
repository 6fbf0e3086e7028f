"""Says of functions of the standard library which line each of their instructions is from."""
import sys
import types


def codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from codes(const)


for name in sys.argv[1:]:
    module = __import__(name, fromlist=["_"])
    with open(module.__file__, encoding="utf-8") as file:
        top = compile(file.read(), module.__file__, "exec")
    for code in codes(top):
        lines = [position[0] for position in code.co_positions()]
        print(code.co_firstlineno, code.co_linetable.hex(), *lines)
