"""Which kind of machine wrote a message, by its headers and parts first and by its subject last (RFC 3834, 3464, 8098,
2369). A mail that says nothing of itself is a person's: what is wrongly called a machine's would not be answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rightsized.apps.triage.records import Automatic
from rightsized.core.frozen import Frozen

_BOUNCES = re.compile(
    r"(?:undeliver(?:able|ed)|delivery (?:status notification|failure|has failed|incomplete)|"
    r"mail delivery (?:failed|system)|"
    r"returned mail|failure notice|message not delivered|warning: could not send|unzustellbar|nicht zustellbar|"
    r"zustellung fehlgeschlagen|(?:é|e)chec de (?:la )?(?:remise|distribution)|non remis|no se (?:pudo|puede) entregar|"
    r"mancato recapito|onbestelbaar)",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"\s*(?:\[?auto(?:matic)?(?:ally)?[ -]?(?:reply|response|answer)|automatische (?:antwort|abwesenheit)|"
    r"abwesenheits(?:notiz|"
    r"meldung|nachricht)|abwesend|out[ -]of[ -](?:the[ -])?office|ooo\b|r(?:é|e)ponse automatique|absence du bureau|"
    r"respuesta autom(?:á|a)tica|fuera de la oficina|risposta automatica|fuori (?:sede|ufficio)|automatisch antwoord|"
    r"afwezig(?:heid)?|autoreply|vacation(?: reply)?:|away from (?:the|my) (?:office|desk|e?mail))",
    re.IGNORECASE,
)
_RECEIPT = re.compile(
    r"\s*(?:read|not read|gelesen|ungelesen gel(?:ö|oe)scht|lu|non lu|le(?:í|i)do|letto|gelezen)\s?:", re.IGNORECASE
)
_DAEMONS = frozenset({"mailer-daemon", "postmaster", "mail-daemon", "maildaemon", "bounce", "bounces"})
_FAILED = re.compile(r"^action:\s*(\w+)", re.IGNORECASE | re.MULTILINE)
_METHOD = re.compile(r"^METHOD:\s*(\w+)", re.IGNORECASE | re.MULTILINE)


class Signs(Frozen, frozen=True):
    """What of a message tells who wrote it.

    Args:
        headers: names in lower case.
        kinds: media types of its leaves.
        report: the `report-type` of a multipart/report.
        status: the start of its message/delivery-status part.
        calendar: the start of a calendar part that is shown with the message.
        recipients: addresses in To and Cc.
        domains: our own mail domains.
    """

    headers: Mapping[str, str]
    kinds: Sequence[str]
    subject: str
    sender: str
    report: str = ""
    status: str = ""
    calendar: str = ""
    recipients: Sequence[str] = ()
    domains: Sequence[str] = ()


def automatic(signs: Signs) -> Automatic:
    """What kind of machine wrote a message; empty where a person did."""
    for kind, holds in _RULES:
        if holds(signs):
            return kind
    return ""


def _bounced(signs: Signs) -> bool:
    actions = {one.lower() for one in _FAILED.findall(signs.status)}
    if "message/delivery-status" in signs.kinds or signs.report == "delivery-status":
        return not actions or bool(actions & {"failed", "delayed"})
    null = signs.headers.get("return-path", "").replace(" ", "") == "<>"
    local = signs.sender.partition("@")[0]
    failed = "x-failed-recipients" in signs.headers
    return failed or ((null or local in _DAEMONS) and _BOUNCES.search(signs.subject) is not None)


def _reported(signs: Signs) -> bool:
    kinds = {"message/disposition-notification", "message/delivery-status", "message/feedback-report"}
    if signs.report or kinds & set(signs.kinds):
        return True
    local = signs.sender.partition("@")[0]
    return local in _DAEMONS or (
        bool(_RECEIPT.match(signs.subject)) and "x-ms-exchange-inbox-rules-loop" in signs.headers
    )


def _invites(signs: Signs) -> bool:
    content_class = signs.headers.get("content-class", "").lower()
    return bool(_METHOD.search(signs.calendar)) or "calendarmessage" in content_class


def _replies(signs: Signs) -> bool:
    headers = signs.headers
    said = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    if said.startswith("auto-replied") or headers.get("precedence", "").lower() in ("auto_reply", "auto-reply"):
        return True
    named = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-vacation", "x-auto-reply", "x-mail-autoreply")
    if any(headers.get(name, "no").lower() not in ("no", "false", "") for name in named):
        return True
    return _AWAY.match(signs.subject) is not None


def _generated(signs: Signs) -> bool:
    """Auto-Submitted: auto-generated or auto-notified: a program's, in answer to nothing (RFC 3834, section 5)."""
    said = signs.headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    return said not in ("no", "") and "in-reply-to" not in signs.headers


def _to_many(signs: Signs) -> bool:
    headers = signs.headers
    listed = any(name in headers for name in ("list-id", "list-unsubscribe", "list-unsubscribe-post"))
    precedence = headers.get("precedence", "").lower() in ("bulk", "junk")
    if not listed and not precedence:
        return False
    return not _own_list(signs)


def _own_list(signs: Signs) -> bool:
    """Whether the list is the address that was written to, or one of ours: a group that stands for a team, as many
    support addresses are. A person wrote to it."""
    named = f"{signs.headers.get('list-id', '')} {signs.headers.get('list-post', '')}".lower()
    if not named.strip():
        return False
    wanted = {*(one.replace("@", ".") for one in signs.recipients), *signs.recipients}
    return any(one and one in named for one in wanted) or any(
        re.search(rf"[.@]{re.escape(one.lower())}[>\s?]", named + " ") for one in signs.domains if one
    )


_RULES: tuple[tuple[Automatic, Callable[[Signs], bool]], ...] = (
    ("bounce", _bounced),
    ("report", _reported),
    ("calendar", _invites),
    ("auto-reply", _replies),
    ("bulk", _to_many),
    ("report", _generated),
)
