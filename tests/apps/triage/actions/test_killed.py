"""A process that is killed while it carries actions out: whatever the moment, each is done, and none is done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from rightsized.apps.triage.actions import Journal
from rightsized.apps.triage.records import Action, Route
from rightsized.apps.triage.store import MessageStore
from tests.apps.triage.actions.standins import TOKEN, HookReceiver, ZammadStandIn
from tests.apps.triage.actions.test_desks import KEY, SECRET
from tests.apps.triage.triage_samples import a_handled, a_mail

MESSAGES, KILLS = 8, 5
ACTIONS = (
    Action("label", "parcel"),
    Action("note", "", "Look at the tracking."),
    Action("webhook", "orders"),
    Action("close", ""),
)
CARRY = """
import asyncio, sys
from pathlib import Path
from rightsized.apps.triage.actions import Carrier, Journal
from rightsized.apps.triage.actions.webhook import open_webhook
from rightsized.apps.triage.zammad.desk import open_zammad_desk
from rightsized.apps.triage.store import MessageStore
from rightsized.core.egress import Egress

folder, helpdesk, hook = sys.argv[1:]
store = MessageStore(Path(folder))
desks = [
    open_zammad_desk({"address": f"zammad:{helpdesk}", "token_env": "DESK_TOKEN"}, Egress()),
    open_webhook({"hooks": {"orders": {"url": hook, "secret_env": "HOOK_SECRET"}}}, Egress()),
]
print("ready", flush=True)
asyncio.run(Carrier(Journal(store, "support"), store, desks).round())
"""


def test_killed_at_random_moments(tmp_path: Path) -> None:
    draw = random.Random(7)
    with ZammadStandIn() as helpdesk, HookReceiver(KEY, time.time) as hook:
        store = MessageStore(tmp_path)
        journal = Journal(store, "support")
        for number in range(1, MESSAGES + 1):
            helpdesk.add_ticket(f"Ticket {number}", "anna@example.com", "Hello")
            handled = a_handled(
                f"m{number}", source=f"zammad:{helpdesk.address}", thread=f"zammad-ticket:{number}@127.0.0.1"
            )
            handled = replace(handled, route=Route("orders", True, "a rule", "r", actions=ACTIONS))
            store.take(a_mail(handled.key), "zammad:", str(number), "")
            store.handled(handled, "routed", "made")
            journal.plan(handled, off=False)
        doubled = 0
        for number in range(KILLS + 1):
            child = subprocess.Popen(
                [sys.executable, "-c", CARRY, str(tmp_path), helpdesk.address, hook.address],
                stdout=subprocess.PIPE,
                env={**os.environ, "DESK_TOKEN": TOKEN, "HOOK_SECRET": SECRET},
            )
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            if number < KILLS:
                asked = len(helpdesk.requests) + len(hook.requests) + draw.randint(1, 12)
                while len(helpdesk.requests) + len(hook.requests) < asked and child.poll() is None:
                    time.sleep(0.001)
                child.send_signal(signal.SIGKILL)
            child.wait(60)
            child.stdout.close()
            doubled += sum(one.state == "doing" for one in journal.all(limit=100))
        assert journal.counts() == {"done": MESSAGES * len(ACTIONS)}
        store.close()
    assert doubled > 0, "no kill hit an action under way"
    notes = [one["ticket_id"] for one in helpdesk.posted if one["internal"]]
    assert sorted(notes) == list(range(1, MESSAGES + 1))
    assert helpdesk.tagged == {number: ["parcel"] for number in range(1, MESSAGES + 1)}
    assert all(one["state"] == "closed" for one in helpdesk.tickets.values())
    assert len(hook.received) == MESSAGES
    assert hook.repeats <= KILLS  # sent again under the same id, by which the receiver knows it
