"""Start the server, wait until it is ready, call it with the standard library, look a decision up, stop it.

python examples/serve_and_call.py        (needs a fitted task named support: run quickstart.py first)
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def server() -> Iterator[str]:
    """A server on a free port; gives its address. Stopped as an operator would: by SIGTERM, which drains it."""
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()  # printed once every task is loaded and the port takes connections
        if not line:
            raise SystemExit("The server did not start; its message is above.")
        yield json.loads(line)["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    """GET, or POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def main() -> None:
    with server() as url:
        one = call(f"{url}/v1/classify", {"task": "support", "text": "The zip of my new jacket is broken."})
        reply = one["replies"][0]
        print(f"status {reply['status']}, by {reply['rung']}, decision {reply['id']}")
        many = call(
            f"{url}/v1/classify", {"task": "support", "texts": ["Where is my parcel?", "I want my money back."]}
        )
        print([answer["output"]["label"] if answer["output"] else "a person" for answer in many["replies"]])
        decision = call(f"{url}/v1/decisions/{reply['id']}")
        print(f"on record: {decision['decision']['phase']}, text kept: {decision['text']!r}")
        for task in call(f"{url}/v1/tasks")["tasks"]:
            print(f"{task['task']['name']}: {task['state']}, {task['waiting']} waiting for a person")


if __name__ == "__main__":
    main()
