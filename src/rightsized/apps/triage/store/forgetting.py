"""What goes when the text of a message is deleted: all that came from it or names it, in every table of the file.

Its number stays, with its queue, labels, times and who worked on it: how the inbox was run can still be counted. In
place of its names stand keyed digests (`names`), so that it is not taken in again. Works inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from rightsized.apps.triage.mail.identity import content_digest
from rightsized.apps.triage.records import Handled, Mail
from rightsized.apps.triage.store.names import Names

GONE = "Its text was deleted."
_mail = msgspec.json.Decoder(Mail).decode
_handled = msgspec.json.Decoder(Handled).decode
_encode = msgspec.json.Encoder().encode


def bare(connection: sqlite3.Connection, names: Names, keys: Sequence[str]) -> None:
    """Delete all words and names of these messages."""
    has_actions = bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'actions'").fetchone())
    for key in keys:
        connection.execute("DELETE FROM vectors WHERE key = ?", (key,))
        _message(connection, names, key)
        _places(connection, names, key)
        connection.execute("UPDATE events SET detail = '', key = ? WHERE key = ?", (names.of(key), key))
        if has_actions:
            _actions(connection, names, key)
    _mentions(connection, keys)


def content_of(names: Names, mail: Mail) -> str:
    """What is left of a message's content once it was deleted: enough to know the same message again."""
    return names.of(content_digest(mail))


def without_words(handled: Handled, names: Names) -> Handled:
    """What became of a message, without anything that it says or that names it."""
    replace = msgspec.structs.replace
    return replace(
        handled,
        key=names.of(handled.key),
        thread=names.of(handled.thread),
        subject="",
        sender="",
        fields=tuple(replace(one, value="", text="") for one in handled.fields),
        summary=replace(handled.summary, sentences=(), action=(), text="", note=""),
        attachments=tuple(replace(one, name="", text="", sha256="", note="") for one in handled.attachments),
        route=replace(handled.route, reason=GONE) if handled.error else handled.route,
        error=GONE if handled.error else "",
        notes=(),
    )


def _message(connection: sqlite3.Connection, names: Names, key: str) -> None:
    """The row of a message. One that nobody has read yet is finished with it."""
    sql = "SELECT thread, mail, handled FROM messages WHERE key = ?"
    thread, mail, handled = connection.execute(sql, (key,)).fetchone()
    connection.execute(
        """UPDATE messages SET key = ?, sha256 = ?, mail = NULL, handled = ?, error = iif(error = '', '', ?),
           status = iif(state = 'taken', 'done', status), state = iif(state = 'taken', 'failed', state)
           WHERE key = ?""",
        (
            *(names.of(key), content_of(names, _mail(mail)) if mail else ""),
            *(None if handled is None else _encode(without_words(_handled(handled), names)), GONE, key),
        ),
    )
    # A conversation keeps together: those whose text is still there stand under the digest too.
    connection.execute("UPDATE messages SET thread = ? WHERE thread = ?", (names.of(thread), thread))
    connection.execute("UPDATE messages SET incident = ? WHERE incident = ?", (names.of(key), key))


def _places(connection: sqlite3.Connection, names: Names, key: str) -> None:
    """A place can be the name of a file."""
    sql = "SELECT source, place FROM places WHERE key = ?"
    for source, place in connection.execute(sql, (key,)).fetchall():
        connection.execute(
            "UPDATE OR REPLACE places SET place = ?, key = ? WHERE source = ? AND place = ?",
            (names.of(place), names.of(key), source, place),
        )


def _actions(connection: sqlite3.Connection, names: Names, key: str) -> None:
    """What was done stays, without what the system said of it, and cannot be undone; what was still to be done has
    failed."""
    connection.execute(
        """UPDATE actions SET state = iif(state LIKE 'undo%', 'done', 'failed')
           WHERE key = ? AND state IN ('planned', 'doing', 'undo', 'undoing')""",
        (key,),
    )
    connection.execute("UPDATE actions SET key = ?, detail = '', undo = NULL WHERE key = ?", (names.of(key), key))


def _mentions(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Events of other messages that name one of these."""
    said = _encode([text for key in keys for text in (key, f"answered by {key}")]).decode()
    connection.execute("UPDATE events SET detail = '' WHERE detail IN (SELECT value FROM json_each(?))", (said,))
