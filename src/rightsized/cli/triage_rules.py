"""`rightsized triage rules`: whether an inbox's rules do what their tests say, and what other rules would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.cli.triage_opened import InboxOption

if TYPE_CHECKING:
    from rightsized.apps.triage.rules.records import Rulebook
    from rightsized.apps.triage.settings import InboxSettings
    from rightsized.core.config import Config

app = typer.Typer(name="rules", help="The rules of an inbox: test.", no_args_is_help=True)
SHOWN = 20  # messages that would go elsewhere, listed for people; --json gives all
FAILED = 1  # exit status where a test fails or something must be mended


@dataclass(frozen=True, kw_only=True)
class TestOptions(Common):
    inbox: InboxOption = "inbox"
    file: Annotated[
        Path | None, typer.Option(help="Rules that are not in force yet. Default: rules.toml of the inbox.")
    ] = None
    against: Annotated[
        int, typer.Option(help="Also say what would become of the latest so many messages kept here.", min=0)
    ] = 0


def test(options: TestOptions) -> Result:
    """Run the tests that stand in the rules file, and look for rules that never decide and labels that nobody says.

    With --against: which of the latest messages another file would send elsewhere. Nothing is changed. The exit status
    is 1 where a test fails or something must be mended.
    """
    from rightsized.apps.triage.desk import settings as desk
    from rightsized.apps.triage.desk.calendar import Calendar
    from rightsized.apps.triage.inboxes import FOLDER
    from rightsized.apps.triage.rules.check import problems, run_trials
    from rightsized.apps.triage.rules.file import FILE_NAME, load_file
    from rightsized.apps.triage.settings import check_name, load
    from rightsized.core.errors import NotFoundError
    from rightsized.store.home import Home

    config = options.settings()
    folder = Home(config.home).path / FOLDER / check_name(options.inbox)
    path = options.file or folder / FILE_NAME
    if not path.is_file():
        raise NotFoundError(f"There is no rules file {path}.", fix=_how_to(options, path))
    book = load_file(path)
    staffed = desk.load(folder)
    calendar = Calendar(staffed.hours)
    tested = run_trials(book, calendar)
    settings = load(folder)
    undone, on = _not_taken(book, settings, config), settings.actions.enabled
    wrong = (*problems(book, _labels(config, settings), staffed.people), *(undone if on else ()))
    moved = _moved(folder, book, calendar, options.against) if options.against else []
    data = {"file": book.origin, "rules": len(book.rules), "tests": tested, "problems": wrong, "moved": moved}
    data["not_taken"] = undone
    failed = [one for one in tested if one.wrong]
    return Result(data, _told(data, failed, options), FAILED if failed or wrong else 0)


def _how_to(options: TestOptions, path: Path) -> str:
    """What to do where there are no rules."""
    from rightsized.cli.triage_opened import known_inboxes

    if options.file is not None:
        return "Name a file that is there: rightsized triage rules test --file rules.toml"
    home = Path(options.settings().home).expanduser()
    others = [name for name in known_inboxes(home) if (home / "triage" / name / path.name).is_file()]
    if others:
        return f"Inboxes with rules: {', '.join(others)}. Name one: rightsized triage rules test --inbox {others[0]}"
    return f"Write {path}; docs/how-to/triage-rules.md has one to begin with. Another file: --file PATH"


def _labels(config: Config, settings: InboxSettings) -> dict[str, tuple[str, ...]]:
    """The labels of each role, as far as the tasks of the home can be read."""
    from rightsized.core.errors import RightsizedError
    from rightsized.core.types import Task
    from rightsized.store.home import Home
    from rightsized.tasks.versions import TaskStore

    store = TaskStore(Home(config.home))
    named = settings.tasks or {name: name for name in store.names()}
    found = {}
    for role, name in named.items():
        try:
            found[role] = store.read(name, "task.json", Task, store.current(name)).labels
        except RightsizedError:
            continue
    return found


def _not_taken(book: Rulebook, settings: InboxSettings, config: Config) -> list[str]:
    """Actions of rules that no system of the inbox takes, or why none can be opened."""
    from rightsized.apps.triage.actions.opening import not_taken, open_desks
    from rightsized.core.egress import Egress
    from rightsized.core.errors import RightsizedError

    try:
        return not_taken(book, open_desks(settings, Egress.at(config.home, config.egress.allow)))
    except RightsizedError as error:
        return [str(error)]


def _moved(folder: Path, book: Rulebook, calendar: Any, latest: int) -> list[dict[str, Any]]:
    """Messages that these rules would treat otherwise than they were."""
    from rightsized.apps.triage.rules.evaluate import Facts, prioritise, route
    from rightsized.apps.triage.store import MessageStore
    from rightsized.apps.triage.store.audited import audited
    from rightsized.apps.triage.store.records import Waits

    store = MessageStore(folder)
    try:
        asked = audited(store)  # where they go follows from an answer that a person has yet to label unseen
        kept = [one for one in store.waiting(Waits(status=None, newest=True, limit=latest)) if one.key not in asked]
    finally:
        store.close()
    found = []
    for one in kept:
        if one.mail is None or one.handled is None or one.handled.error:
            continue
        facts = Facts(one.mail, one.handled.labels, one.handled.fields, one.received, calendar.is_open)
        now = route(book, facts, prioritise(book, facts))
        was = one.handled.route
        if (now.queue, now.automatic) != (was.queue, was.automatic):
            row = {"number": one.number, "subject": one.mail.subject, "was": was.queue, "was_automatic": was.automatic}
            found.append({**row, "queue": now.queue, "automatic": now.automatic, "reason": now.reason})
    return found


def _told(data: dict[str, Any], failed: list[Any], options: TestOptions) -> str:
    from rightsized.apps.triage.actions.opening import TAKEN_FIX

    lines = [f"{data['rules']} rules, {len(data['tests'])} tests, {len(failed)} failed."]
    lines += [f"failed: {one.name}: {said}" for one in failed for said in one.wrong]
    lines += list(data["problems"])
    undone = data["not_taken"]
    if undone and undone[0] not in data["problems"]:
        lines += ["Once actions are switched on, messages would fail:", *undone]
    lines += [TAKEN_FIX] if undone else []
    if options.against:
        moved = data["moved"]
        lines.append(f"{len(moved)} of the latest {options.against} messages would go elsewhere.")
        rows = [
            [
                str(one["number"]),
                one["subject"][:40],
                _way(one["was"], one["was_automatic"]),
                _way(one["queue"], one["automatic"]),
            ]
            for one in moved[:SHOWN]
        ]
        lines += [aligned(["number", "subject", "was", "would be"], rows)] if rows else []
    return "\n".join(lines)


def _way(queue: str, automatic: bool) -> str:
    return queue if automatic else f"waits in {queue}"


add(app, "test", TestOptions, test)
