"""Messages that the model would not answer are labelled by a person, and the next version learns from them.

Here a dictionary plays the person. Audits wait in the same queue: they are labelled too, and never train.

    python examples/review_queue.py        (needs a fitted task named support: run quickstart.py first)
"""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

from quickstart import read
from serve_and_call import call, server

import rightsized as rs
from rightsized.core import config
from rightsized.ledger.reader import LedgerReader
from rightsized.tasks.queue import ReviewQueue

PERSON = {
    "hello": "out_of_scope",
    "It is about the thing I wrote last week.": "orders",
    "I'd like to speak to your manager about a partnership.": "out_of_scope",
}


def label_waiting(url: str) -> None:
    """Send the messages, label those that wait, and take one label back."""
    call(f"{url}/v1/classify", {"task": "support", "texts": list(PERSON)})
    waiting = call(f"{url}/v1/queue?task=support&limit=1000")["items"]
    mine: list[dict[str, Any]] = [item for item in waiting if item["text"] in PERSON]
    print(f"{len(waiting)} wait for a person, {len(mine)} of them from here")
    for item in mine:
        body = {"label": PERSON[item["text"]], "reviewer": "ana"}
        review = call(f"{url}/v1/queue/{item['decision']}", body)
        print(f"{item['kind']}: {item['text']!r} is {review['label']}")
    again = urllib.request.Request(f"{url}/v1/queue/{mine[0]['decision']}", method="DELETE")
    with urllib.request.urlopen(again, timeout=60) as response:
        print(f"taken back: {response.status}")


def learn() -> None:
    """Fit again with the labels given. The calibrate rows stay as they are: labels from the queue never calibrate."""
    with LedgerReader(Path(config.load().home) / "decisions.sqlite") as ledger:
        new = ReviewQueue(ledger).training_rows("support")
    texts, labels = read("support_train.csv")
    texts += [row.text for row in new]
    labels += [row.label for row in new]
    calibrate = read("support_calibrate.csv")
    with rs.fit(texts, labels, task="support", max_error=0.05, calibrate=calibrate) as task:
        print(f"{len(new)} rows from the queue may train; fitted again: {task.certificate.state}")
        print(f"attempt {task.certificate.attempt} on the same calibrate rows")


def main() -> None:
    with server() as url:
        label_waiting(url)
    learn()


if __name__ == "__main__":
    main()
