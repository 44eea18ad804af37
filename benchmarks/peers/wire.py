"""The peer's end of the pipe: JSON lines on standard input and output. Runs on any Python 3.9+, standard library only.

    from wire import callback, serve

    def fit(texts, labels):
        return {"accuracy": ...}

    serve(fit=fit)

Each reply carries the CPU and wall seconds of the call (finished children included). What a library prints goes to
standard error, so that it cannot disturb the pipe.
"""

import json
import os
import resource
import time
import traceback

_out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
_in = os.fdopen(os.dup(0), "r", encoding="utf-8")


def _cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _send(message):
    _out.write(json.dumps(message) + "\n")
    _out.flush()


def callback(name, **arguments):
    """Ask the benchmark for something (a score, say) in the middle of an operation."""
    _send({"callback": name, "arguments": arguments})
    return json.loads(_in.readline())["value"]


def serve(**operations):
    """Answer requests until the benchmark closes the pipe."""
    for line in iter(_in.readline, ""):
        request = json.loads(line)
        cpu, wall = _cpu(), time.perf_counter()
        try:
            value = operations[request["operation"]](**request["arguments"])
        except Exception as error:  # noqa: BLE001 - process boundary: the reason travels to the result file
            traceback.print_exc()
            _send({"error": f"{type(error).__name__}: {error}"[:600]})
            continue
        _send({"value": value, "cpu_s": _cpu() - cpu, "wall_s": time.perf_counter() - wall})
