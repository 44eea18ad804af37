"""The journal of actions: what is to be done outside for each message, and how far that got. Carries out nothing.

It keeps a table of its own in `inbox.sqlite`, so that an action is planned in the transaction that routes its message.
An action has one token for good, a digest of inbox, message and action: planned twice it is there once, and a system
that it was sent to knows a repeat by it.

    off                    actions were switched off: shown, never carried out
    planned -> doing -> done -> undo -> undoing -> undone
                \\-> failed          \\-> done, where it cannot be undone
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from rightsized.apps.triage.records import Action, ActionKind, Handled
from rightsized.apps.triage.store import MessageStore
from rightsized.apps.triage.store.messages import SYSTEM
from rightsized.core.errors import InputError, NotFoundError
from rightsized.core.frozen import Frozen

State = Literal["off", "planned", "doing", "done", "failed", "undo", "undoing", "undone"]
UNFINISHED: tuple[State, ...] = ("planned", "doing", "undo", "undoing")
_BEGUN: dict[State, State] = {"planned": "doing", "doing": "doing", "undo": "undoing", "undoing": "undoing"}
_TABLE = """CREATE TABLE IF NOT EXISTS actions (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL,
    desk TEXT NOT NULL, tries INTEGER NOT NULL, due REAL NOT NULL, planned REAL NOT NULL, updated REAL NOT NULL,
    detail TEXT NOT NULL, undo BLOB)"""
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS actions_by_key ON actions (key, number)",
    """CREATE INDEX IF NOT EXISTS actions_unfinished ON actions (due)
       WHERE state IN ('planned', 'doing', 'undo', 'undoing')""",
)
_COLUMNS = "number, token, key, kind, value, text, state, desk, tries, due, planned, updated, detail, undo"
# Of one message each action waits for those before it; what is undone waits for nothing.
_ACTIONS = f"SELECT {_COLUMNS} FROM actions"  # noqa: S608 - constants only
_UNDONE = f"{_ACTIONS} WHERE due <= ? AND state IN ('undo', 'undoing') ORDER BY due, number LIMIT ?"
_NEXT = f"""{_ACTIONS} a WHERE due <= ? AND (state IN ('undo', 'undoing') OR
    (state IN ('planned', 'doing') AND NOT EXISTS (SELECT 1 FROM actions b WHERE b.key = a.key AND b.number < a.number
    AND b.state IN ('planned', 'doing')))) ORDER BY due, number LIMIT ?"""  # noqa: S608 - constants only


class Planned(Frozen, frozen=True):
    """One action of the journal. `desk` is the system that it was last sent to, `tries` how often it was asked.

    `due` is when it is tried (again), `detail` what the system said last, `undo` what would take it back.
    """

    number: int
    token: str
    key: str
    action: Action
    state: State
    desk: str
    tries: int
    due: float
    planned: float
    updated: float
    detail: str
    undo: Action | None


class Journal:
    """The actions of the inbox whose messages `store` keeps.

    Args:
        inbox: its name, part of every token.
        clock: seconds since the epoch.
    """

    def __init__(self, store: MessageStore, inbox: str, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self.inbox, self._clock = store, inbox, clock
        with store.writing() as connection:
            for statement in (_TABLE, *_INDEXES):
                connection.execute(statement)

    def plan(self, handled: Handled, *, off: bool) -> int:
        """Plan the actions of a message's route; what was planned before stays as it is. Returns how many are new.

        Part of the transaction that is open, where one is. `off`: actions are switched off. What was planned so is
        planned to be done where they no longer are.
        """
        now, new = self._clock(), 0
        with self._store.writing() as connection:
            kept = self._store.find(handled.key)
            if kept is None or kept.mail is None:  # it was forgotten: there is nothing to do anything with
                return 0
            for action in handled.route.actions:
                token = token_of(self.inbox, self._store.names.of(handled.key), action)
                new += connection.execute(
                    """INSERT INTO actions (token, key, kind, value, text, state, desk, tries, due, planned, updated,
                       detail, undo) VALUES (?, ?, ?, ?, ?, ?, '', 0, ?, ?, ?, '', NULL)
                       ON CONFLICT (token) DO UPDATE SET state = excluded.state, due = excluded.due
                       WHERE actions.state = 'off' AND excluded.state = 'planned'""",
                    (token, handled.key, action.kind, action.value, action.text, _planned(off), now, now, now),
                ).rowcount
        return new

    def next(self, limit: int = 100, *, undo_only: bool = False) -> list[Planned]:
        """Actions to be carried out or undone now, those due longest first; of one message one at a time."""
        return self._read(_UNDONE if undo_only else _NEXT, (self._clock(), limit))

    def begin(self, one: Planned, desk: str) -> Planned:
        """It is about to be sent: on the disk before it leaves, so that after a crash it is asked for again."""
        state = _BEGUN[one.state]
        self._change(one, state=state, desk=desk, tries=one.tries + 1)
        return msgspec.structs.replace(one, state=state, desk=desk, tries=one.tries + 1)

    def finish(self, one: Planned, detail: str, undo: Action | None) -> None:
        """It was carried out, or undone. A message that was closed is finished here too; opened again, it waits."""
        state: State = "undone" if one.state == "undoing" else "done"
        kept = one.undo if state == "undone" else undo
        body = None if kept is None else msgspec.json.encode(kept)
        with self._store.writing() as connection:
            self._change(one, event=f"{state}: {_said(one.action)}: {detail}", state=state, detail=detail, undo=body)
            if one.action.kind == "close":
                now, before = ("waiting", "done") if state == "undone" else ("done", "routed")
                sql = "UPDATE messages SET status = ? WHERE key = ? AND status = ?"
                connection.execute(sql, (now, one.key, before))

    def again(self, one: Planned, why: str, due: float) -> None:
        """It did not work this time: tried again when it is due."""
        self._change(one, detail=why, due=due)

    def later(self, one: Planned, due: float) -> None:
        """The system that gets it is left alone for a while."""
        self._change(one, due=due)

    def retry(self, token: str, by: str) -> Planned:
        """Plan an action that failed anew. Raises NotFoundError, InputError."""
        one = self.get(token)
        if one.state != "failed":
            raise InputError(f"Action {one.number} ({_said(one.action)}) did not fail: it is {one.state}.")
        self._change(one, by=by, event=f"again: {_said(one.action)}", state="planned", tries=0, due=self._clock())
        return self.get(token)

    def fail(self, one: Planned, why: str) -> None:
        """It will never work: its message waits for a person, unless it is finished. What cannot be undone is done."""
        state: State = "done" if one.state in ("undo", "undoing") else "failed"
        said = "not undone" if state == "done" else "failed"
        with self._store.writing() as connection:
            self._change(one, event=f"{said}: {_said(one.action)}: {why}", state=state, detail=why)
            if state == "failed":
                connection.execute(
                    "UPDATE messages SET status = 'waiting' WHERE key = ? AND status = 'routed'", (one.key,)
                )

    def undo(self, token: str, by: str) -> Planned:
        """Ask for an action to be undone. Raises NotFoundError, InputError (it was not done, or cannot be undone)."""
        one = self.get(token)
        if one.state != "done" or one.undo is None:
            why = f"it is {one.state}" if one.state != "done" else "what carried it out cannot take it back"
            raise InputError(f"Action {one.number} ({_said(one.action)}) cannot be undone: {why}.")
        self._change(one, by=by, event=f"undo: {_said(one.action)}", state="undo", tries=0, due=self._clock())
        return self.get(token)

    def get(self, token: str) -> Planned:
        """An action by its token or number. Raises NotFoundError."""
        number = int(token) if token.isascii() and token.isdigit() and len(token) < 12 else -1
        found = self._read(f"{_ACTIONS} WHERE token = ? OR number = ?", (token, number))
        if not found:
            raise NotFoundError(f"There is no action {token!r} here.", fix="See: rightsized triage actions")
        return found[0]

    def all(self, state: State | None = None, *, key: str = "", limit: int = 100) -> list[Planned]:
        """Actions, the latest first: of one state, or of one message."""
        where = [name for name, given in (("state = ?", state), ("key = ?", key)) if given]
        sql = f"{_ACTIONS} {'WHERE' if where else ''} {' AND '.join(where)}"
        return self._read(f"{sql} ORDER BY number DESC LIMIT ?", (*(one for one in (state, key) if one), limit))

    def counts(self) -> dict[str, int]:
        """Actions by state."""
        return {str(k): int(v) for k, v in self._store.rows("SELECT state, count(*) FROM actions GROUP BY state")}

    def failed_before(self, one: Planned) -> bool:
        """Whether an action of the same message that stands before this one failed for good."""
        sql = "SELECT 1 FROM actions WHERE key = ? AND number < ? AND state = 'failed' LIMIT 1"
        return bool(self._store.rows(sql, (one.key, one.number)))

    def _change(self, one: Planned, *, by: str = SYSTEM, event: str = "", **columns: Any) -> None:
        sets = ", ".join(f"{name} = ?" for name in (*columns, "updated"))
        with self._store.writing() as connection:
            connection.execute(
                f"UPDATE actions SET {sets} WHERE token = ?",  # noqa: S608 - names of this module
                (*columns.values(), self._clock(), one.token),
            )
            if event:
                self._store.note(one.key, by, "action", event)

    def _read(self, sql: str, values: Sequence[Any]) -> list[Planned]:
        return [_row(row) for row in self._store.rows(sql, values)]


def token_of(inbox: str, name: str, action: Action) -> str:
    """Names an action of a message for good: 32 hexadecimal digits. `name` is the keyed digest of the message's key."""
    parts = (inbox, name, action.kind, action.value, action.text)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def _planned(off: bool) -> State:
    return "off" if off else "planned"


def _said(action: Action) -> str:
    return f"{action.kind} {action.value}".strip()


def _row(row: tuple[Any, ...]) -> Planned:
    number, token, key, kind, value, text, state, desk, tries, due, planned, updated, detail, undo = row
    action = Action(msgspec.convert(kind, ActionKind), value, text)
    back = None if undo is None else msgspec.json.decode(undo, type=Action)
    return Planned(number, token, key, action, state, desk, tries, due, planned, updated, detail, back)
