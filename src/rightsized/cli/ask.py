"""`rightsized ask`: answer one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned
from rightsized.core.errors import InputError
from rightsized.core.types import Explanation, Reply


@dataclass(frozen=True, kw_only=True)
class AskOptions(Common):
    task: Annotated[str, typer.Argument(help="Name of the task.")]
    text: Annotated[str, typer.Argument(help="The text; - reads standard input.")]
    explain: Annotated[bool, typer.Option("--explain", help="Show which words moved the answer.")] = False


def run(options: AskOptions) -> Result:
    """Answer one text, through the running server where there is one."""
    import sys

    from rightsized.store.home import Home
    from rightsized.tasks.remote import find_server

    text = _unicode(sys.stdin.read() if options.text == "-" else options.text)
    config = options.settings()
    server = find_server(Home(config.home))
    if server is not None and not options.explain:
        reply, why = server.classify(options.task, text), None
    else:
        reply, why = _here(options, text, record=server is None)
    data = {"reply": reply, "explanation": why} if options.explain else reply
    return Result(data, _text(reply, why))


def _unicode(text: str) -> str:
    """The text as given. Bytes that are no UTF-8 reach Python as lone surrogates, which no model and no JSON takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        message = f"The text is not UTF-8: character {error.start + 1} is none."
        raise InputError(message, fix="Convert it first: iconv -f WINDOWS-1252 -t UTF-8") from None
    return text


def _here(options: AskOptions, text: str, record: bool) -> tuple[Reply, Explanation | None]:
    import asyncio

    from rightsized.tasks.service import open_service

    async def answer() -> tuple[Reply, Explanation | None]:
        async with open_service(options.settings(), purpose="ask", record=record) as service:
            reply = await service.classify(options.task, text)
            return reply, await service.explain(options.task, text) if options.explain else None

    return asyncio.run(answer())


def _confidence(value: float) -> str:
    """Three places; never a round 1: no model is certain."""
    return "> 0.999" if value > 0.999 else f"{value:.3f}"


def _rung(name: str) -> str:
    """What a rung is called on the pages too: `small encoder` for `head`."""
    from rightsized.tasks.report.words import RUNGS

    return RUNGS.get(name, name).partition(":")[0]


def _text(reply: Reply, why: Explanation | None) -> str:
    last = reply.suggestion
    answer = reply.label if reply.output else f"for a person (best guess: {last.label if last else 'none'})"
    rows = [
        ["answer", str(answer)],
        ["confidence", _confidence(reply.confidence)],
        ["answered by", f"the {_rung(reply.rung)}" if reply.output else "a person"],
        ["state", f"{reply.state}{'' if reply.certified else ', this reply is uncertified'}"],
        ["latency", f"{reply.latency_ms:.1f} ms"],
    ]
    if reply.id:
        rows.append(["decision", reply.id])
    if not reply.output:
        rows += [["why", f"{_rung(a.rung)}: {a.reason}"] for a in reply.attempts if a.reason]
    if reply.state == "none":
        rows.append(["note", f"the promise is not in force; see: rightsized certificate verify {reply.task}"])
    if reply.truncated:
        rows.append(["note", "the text was longer than the model reads; its end was not seen"])
    lines = aligned(["", ""], rows).strip()
    if why:
        words = [
            [c.text.strip(), f"{c.value:+.2f}"] for c in sorted(why.contributions, key=lambda c: -abs(c.value))[:12]
        ]
        lines += f"\n\nwords that moved it ({why.method}, log-odds):\n{aligned(['word', 'moved'], words)}"
        near = [[f"{n.similarity:.2f}", n.label, n.text[:80]] for n in why.neighbours]
        if near:
            lines += f"\n\nnearest labelled examples:\n{aligned(['cosine', 'label', 'text'], near)}"
    return lines


app = typer.Typer()
add(app, "ask", AskOptions, run)
