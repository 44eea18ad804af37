"""`rightsized tasks`: fitted tasks and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned

app = typer.Typer(name="tasks", help="Fitted tasks and their versions: list, versions, rollback.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class Named(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]


def list_tasks(options: Common) -> Result:
    """List the tasks of this home and the state of each promise, examined here and now as serving would."""
    import asyncio

    from rightsized.tasks.service import open_service

    async def examine() -> tuple[list[dict[str, str]], dict[str, str]]:
        async with open_service(options.settings(), purpose="tasks", record=False) as service:
            found = [
                {
                    "task": status.task.name,
                    "version": status.task.version,
                    "state": status.state,
                    "promise": f"{status.certificate.promise} {status.certificate.epsilon:.1%}",
                    "certificate": status.certificate.id,
                    "note": status.note,
                }
                for status in service.tasks()
            ]
            return found, service.unopened()

    data, unopened = asyncio.run(examine())
    data += [
        {"task": name, "version": "", "state": "none", "promise": "", "certificate": "", "note": why}
        for name, why in unopened.items()
    ]
    rows = [[row[name] for name in ("task", "version", "state", "promise", "note")] for row in data]
    empty = "No task yet. Fit one: rightsized fit FILE --task NAME --text COLUMN --label COLUMN"
    return Result(data, aligned(["task", "version", "state", "promise", "note"], rows) if rows else empty)


def versions(options: Named) -> Result:
    """List the versions of a task; the one in force is marked."""
    from rightsized.store.home import Home
    from rightsized.tasks.versions import TaskStore

    store = TaskStore(Home(options.settings().home))
    current, kept = store.current(options.task), store.versions(options.task)
    lines = [f"{'*' if version == current else ' '} {version}" for version in kept]
    return Result({"current": current, "versions": kept}, "\n".join(lines))


def rollback(options: Named) -> Result:
    """Put the version before the one in force back; a running server takes it up within seconds."""
    from rightsized.store.home import Home
    from rightsized.tasks.versions import TaskStore

    version = TaskStore(Home(options.settings().home)).rollback(options.task)
    return Result({"task": options.task, "version": version}, f"{options.task} is back at {version}.")


add(app, "list", Common, list_tasks)
add(app, "versions", Named, versions)
add(app, "rollback", Named, rollback)
