"""Messages that the model would not answer are labelled by a person, and the next version learns from them.

Here a dictionary plays the person. Audits (kind "audit") are labelled too, but never train.

    python examples/review_queue.py        (needs a fitted task named support: run quickstart.py first)
"""

from __future__ import annotations

import urllib.request
from typing import Any

from serve_and_call import call, server

MESSAGES = {
    "The rental tent came with a pole missing, can I swap it today?": "rental",
    "Do you hire people for the summer in the Fernhill shop?": "out_of_scope",
    "hmm": "out_of_scope",
}


def label(url: str, item: dict[str, Any], answer: str) -> None:
    """Say what the right label of a waiting message is."""
    review = call(f"{url}/v1/queue/{item['decision']}", {"label": answer, "reviewer": "ana"})
    print(f"{item['kind']:>9}: {item['text'][:50]!r} is {review['label']}")


def main() -> None:
    with server() as url:
        call(f"{url}/v1/classify", {"task": "support", "texts": list(MESSAGES)})
        waiting = call(f"{url}/v1/queue?task=support&limit=100")["items"]
        mine = [item for item in waiting if item["text"] in MESSAGES]
        print(f"{len(waiting)} wait for a person, {len(mine)} of them from here")
        known = set(call(f"{url}/v1/tasks/support")["task"]["labels"]) | {"out_of_scope"}
        for item in mine:
            answer = MESSAGES[item["text"]]
            label(url, item, answer if answer in known else "out_of_scope")
        if mine:  # a label can be taken back; the message waits again
            again = urllib.request.Request(f"{url}/v1/queue/{mine[0]['decision']}", method="DELETE")
            with urllib.request.urlopen(again, timeout=60) as response:
                print(f"taken back: {response.status}")
        left = call(f"{url}/v1/queue?task=support&limit=100")["items"]
        print(f"{len(left)} still wait")


if __name__ == "__main__":
    main()
