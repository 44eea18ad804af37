"""`inbox.toml`: where an inbox gets its messages, which tasks read them, and what may be done. One file an inbox.

Without the file everything has its default: every task of the home reads each message, nothing is done outside.
Rules, agents and deadlines have files of their own.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from rightsized.core.errors import ConfigError, InputError
from rightsized.core.generation import DataClass
from rightsized.core.net import holds_password
from rightsized.core.tables import meant, read_table, read_toml

FILE_NAME = "inbox.toml"
DEFAULT_INBOX = "inbox"
Written = Literal["never", "long threads", "always"]
PRIORITY = "priority"  # the role of a task that says how urgent a message is
SENT_HERE = "webhook:"  # the source of signed messages that others send
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SourceSettings(_Table, frozen=True):
    """Where messages come from."""

    address: str  # maildir:PATH, mbox:PATH, eml:FOLDER, csv:FILE, imap://..., zammad:https://...
    options: dict[str, Any] = msgspec.field(default_factory=dict)  # what the source's own page says it takes


class ReadSettings(_Table, frozen=True):
    """What of a message is read, and how much."""

    attachments: bool = False  # also read the text of attachments, and give it to tasks
    max_mb: float = 50.0  # largest message that is read, mebibytes; a larger one waits for a person unread
    text_chars: int = 20_000  # of subject and body that tasks read, characters
    data_class: DataClass = "personal"  # what messages hold, unless detection says more
    authserv: str = ""  # the server whose Authentication-Results (RFC 8601) rules may rest on; empty: none
    action_from: float = 0.0  # probability from which on a sentence is said to need action; 0: as chosen with the model
    history_days: float = 30.0  # days until the text of a message that nobody waits for is deleted here


class EscalateSettings(_Table, frozen=True):
    """What is asked where a task abstains, before a person is."""

    tier: str = ""  # a tier that writes, or "auto"; empty: nobody, the message waits for a person
    tasks: tuple[str, ...] = ()  # roles that it is asked about; empty: all but priority
    seconds: float = 20.0  # longest wait for it


class WriteSettings(_Table, frozen=True):
    """What a model writes for the people who answer. It is shown to them and sent to nobody."""

    tier: str = ""  # a tier that writes, or "auto"; empty: nothing is written
    summaries: Written = "never"  # which messages get a written summary, each sentence checked
    policies: str = ""  # collection of documents whose passages a draft may rest on, as its reader may see them


class ActionSettings(_Table, frozen=True):
    """Whether anything is done outside. Off: what would be done is shown and kept."""

    enabled: bool = False  # carry actions out
    desks: tuple[str, ...] = ()  # what carries them out: imap, smtp, webhook, zammad; the source's own where empty
    options: dict[str, Any] = msgspec.field(default_factory=dict)  # a table a desk: what its own page says it takes


class InboxSettings(_Table, frozen=True):
    """All settings of one inbox."""

    sources: tuple[SourceSettings, ...] = ()
    tasks: dict[str, str] = msgspec.field(default_factory=dict)  # role -> name of a task; none: every task, by its name
    domains: tuple[str, ...] = ()  # our own mail domains: who writes from there is no customer
    read: ReadSettings = ReadSettings()
    escalate: EscalateSettings = EscalateSettings()
    write: WriteSettings = WriteSettings()
    actions: ActionSettings = ActionSettings()
    fields: dict[str, Any] = msgspec.field(default_factory=dict)  # patterns and lists of names, see `fields`

    @property
    def read_here(self) -> tuple[SourceSettings, ...]:
        """The sources that are gone to; messages of the others are sent here."""
        return tuple(one for one in self.sources if one.address != SENT_HERE)


_TABLES: dict[str, type[msgspec.Struct]] = {
    "read": ReadSettings,
    "escalate": EscalateSettings,
    "write": WriteSettings,
    "actions": ActionSettings,
}
_PLAIN = {"tasks": dict[str, str], "domains": tuple[str, ...], "fields": dict[str, Any]}


def check_name(name: str) -> str:
    """The name of an inbox. Raises InputError where it cannot be a folder's."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name an inbox.", fix="Use 1 to 64 small letters, digits, - and _, such as support."
        )
    return name


def load(folder: Path) -> InboxSettings:
    """The settings of the inbox in `folder`; defaults where it has no file. Raises ConfigError."""
    path = folder / FILE_NAME
    if not path.exists():
        return InboxSettings()
    document, _ = read_toml(path, "inbox")
    return parse(document, str(path))


def parse(document: dict[str, Any], origin: str) -> InboxSettings:
    """Settings from a TOML document. `origin` names it in errors. Raises ConfigError."""
    known = ("source", *_TABLES, *_PLAIN)
    for key in document:
        if key not in known:
            raise ConfigError(f"Unknown key {key!r} in {origin}.", fix=meant(key, known))
    given: dict[str, Any] = {"sources": tuple(_sources(document.get("source", []), origin))}
    for name, kind in _TABLES.items():
        if name in document:
            given[name] = read_table(kind, document[name], f"[{name}] in {origin}")
    for name, target in _PLAIN.items():
        if name in document:
            try:
                given[name] = msgspec.convert(document[name], target)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{name} in {origin} cannot be used: {error}.") from None
    made = InboxSettings(**given)
    if PRIORITY in made.escalate.tasks:
        raise ConfigError(
            f"[escalate] tasks in {origin} names {PRIORITY!r}: no model that writes is asked how urgent a message is.",
            fix="Leave it out: [[priority]] in rules.toml gives the level where the task gives none.",
        )
    return made


def with_source(text: str, address: str, options: dict[str, Any], origin: str) -> str:
    """The text of an inbox file with one more source; the rest stays as it is written, comments included.

    Raises ConfigError (the text, or it with the source, is no inbox file), InputError (it has that source already).
    """
    if any(one.address == address for one in parse(_toml(text, origin), origin).sources):
        raise InputError(f"{address} is a source already.", fix=f"Change it in {origin}.")
    lines = ["", "[[source]]", f"address = {_quoted(address)}"]
    if options:
        lines.append("[source.options]")
        lines += [f"{name} = {_quoted(value)}" for name, value in options.items()]
    made = text.rstrip() + "\n".join(["", *lines, ""]) if text.strip() else "\n".join([*lines[1:], ""])
    parse(_toml(made, origin), origin)
    return made


def _toml(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The inbox file {origin} is not valid TOML: {error}.") from None


def _quoted(value: Any) -> str:
    """A value as TOML writes it; JSON's strings, numbers, booleans and lists of them are TOML's too."""
    return msgspec.json.encode(value).decode()


def _sources(value: Any, origin: str) -> list[SourceSettings]:
    if not isinstance(value, list):
        raise ConfigError(f"source in {origin} is not a list of tables.", fix="Begin each with a line [[source]].")
    found = [read_table(SourceSettings, one, f"[[source]] number {n} in {origin}") for n, one in enumerate(value, 1)]
    if any(holds_password(one.address) for one in found):
        raise ConfigError(
            f"The address of a source in {origin} holds a password.",
            fix="Leave it out, and name it with password_env or password_file in [source.options].",
        )
    return found
