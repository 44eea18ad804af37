"""Carries planned actions out, one after the other, and goes on after outages and crashes.

An action is on the disk as begun before anything is sent. A process that ends in between leaves it so, and it is asked
for again under the same token: a system that knows tokens does nothing more, and the others are looked at first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from rightsized.apps.triage.actions.journal import Journal, Planned
from rightsized.apps.triage.protocols import Desk
from rightsized.apps.triage.records import Action, Handled, Mail
from rightsized.apps.triage.store import MessageStore
from rightsized.core.errors import ConfigError, EgressDeniedError, RightsizedError
from rightsized.tasks.acts import Act

log = logging.getLogger("rightsized.triage")
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0  # seconds before an action is tried again; doubled each time
MOST_TRIES = 300  # about a day, then it has failed for good
A_ROUND = 100  # actions looked at at once
Note = Callable[[Act], Awaitable[None]]
_MENDABLE = (ConfigError, EgressDeniedError)  # what whoever runs the inbox mends: nothing is wrong with the message


class Carrier:
    """Carries out what the journal of one inbox holds. One of them works at a time.

    Args:
        desks: systems that take actions; the first that takes a kind gets it.
        note: puts into the signed log what was done; nothing counts as done before it is there.
        undo_only: actions are switched off: what was done may be undone, and nothing else happens.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        journal: Journal,
        store: MessageStore,
        desks: Sequence[Desk],
        *,
        note: Note | None = None,
        undo_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal, self._store, self._desks, self._clock = journal, store, tuple(desks), clock
        self._undo_only, self._note = undo_only, note
        self._lock = asyncio.Lock()
        self._silent: dict[str, tuple[int, float]] = {}  # desk that fails: how often, and until when it is left

    async def round(self) -> int:
        """Carry out all that is due. Returns how many were finished: done, undone or failed for good.

        A desk that does not answer is left alone for a while, with everything that is meant for it.
        """
        finished = 0
        async with self._lock:
            while True:
                ready = await asyncio.to_thread(self._journal.next, A_ROUND, undo_only=self._undo_only)
                if not ready:
                    return finished
                for one in ready:
                    until = self._left_until(one)
                    if until > self._clock():
                        await asyncio.to_thread(self._journal.later, one, until)
                    else:
                        finished += await self._carry(one)

    async def close(self) -> None:
        """Close the desks that hold connections."""
        for desk in self._desks:
            closing = getattr(desk, "close", None)
            if closing is not None:
                with contextlib.suppress(RightsizedError, OSError):
                    await closing()

    def _left_until(self, one: Planned) -> float:
        """Until when the system that gets it is left alone; 0 where it answers."""
        desk = self._desk(one)
        return self._silent.get(desk.name, (0, 0.0))[1] if desk is not None else 0.0

    def _desk(self, one: Planned) -> Desk | None:
        """The system that gets it: the one that got it before, else the first that takes its kind."""
        able = [desk for desk in self._desks if desk.takes(one.action)]
        return next((desk for desk in able if desk.name == one.desk), able[0] if able else None)

    async def _carry(self, one: Planned) -> bool:
        desk = self._desk(one)
        if desk is None:
            why = f"no system here takes {one.action.kind}; name one in [actions] desks"
            await asyncio.to_thread(self._journal.fail, one, why)
            return True
        closing = one.action.kind == "close" and one.state in ("planned", "doing")
        if closing and await asyncio.to_thread(self._journal.failed_before, one):
            await asyncio.to_thread(self._journal.fail, one, "not closed: an action before it failed")
            return True
        mail, handled = await asyncio.to_thread(self._message, one.key)
        if mail is None:
            await asyncio.to_thread(self._journal.fail, one, "the text of its message was deleted")
            return True
        begun = await asyncio.to_thread(self._journal.begin, one, desk.name)
        return await self._ask(desk, begun, mail, handled)

    async def _ask(self, desk: Desk, one: Planned, mail: Mail, handled: Handled) -> bool:
        undoing = one.state == "undoing"
        action: Action = one.undo if undoing and one.undo is not None else one.action
        token = f"undo-{one.token}" if undoing else one.token
        try:
            done = await desk.carry_out(action, mail, handled, token)
        except RightsizedError as error:
            return await self._failed(desk, one, handled, error)
        except Exception as error:  # a defect of a desk: one action must not stop the others
            log.exception("An action failed by a defect", extra={"action": one.token, "desk": desk.name})
            await asyncio.to_thread(self._journal.fail, one, f"{type(error).__name__} in {desk.name}")
            return True
        self._silent.pop(desk.name, None)
        await self._noted(one, handled, "undone" if undoing else "done")
        await asyncio.to_thread(self._journal.finish, one, done.detail, done.undo)
        return True

    async def _noted(self, one: Planned, handled: Handled, outcome: str) -> None:
        if self._note is not None:
            act = Act(self._journal.inbox, handled.decision, one.token, one.action.kind, one.desk, outcome)
            await self._note(act)

    async def _failed(self, desk: Desk, one: Planned, handled: Handled, error: RightsizedError) -> bool:
        now = self._clock()
        if not (error.retryable or isinstance(error, _MENDABLE)) or one.tries >= MOST_TRIES:
            self._silent.pop(desk.name, None)  # it answers
            await self._noted(one, handled, "failed")
            await asyncio.to_thread(self._journal.fail, one, error.own_words)
            return True
        times = self._silent.get(desk.name, (0, 0.0))[0] + 1
        asked = getattr(error, "retry_after", None) or 0.0
        self._silent[desk.name] = (times, now + max(asked, pause_after(times)))
        await asyncio.to_thread(self._journal.again, one, error.own_words, now + max(asked, pause_after(one.tries)))
        log.warning(
            "An action is tried again", extra={"action": one.token, "desk": desk.name, "error": error.own_words}
        )
        return False

    def _message(self, key: str) -> tuple[Mail | None, Handled]:
        """The message; None where its text was deleted. Raises NotFoundError."""
        kept = self._store.get(key)
        handled = kept.handled
        assert handled is not None, "actions are planned with what became of the message"
        return kept.mail, handled


def pause_after(times: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(times - 1, 0), 16)))
