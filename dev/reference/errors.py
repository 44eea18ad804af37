"""The tree of errors, and what each becomes at the command line and over HTTP."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from reference.markdown import cell, code, first_paragraph, table
from rightsized.core import errors
from rightsized.core.errors import RightsizedError
from rightsized.server import problems

OPENING = """# Errors

Everything raised on purpose is a `RightsizedError`. Its text says what was wrong, with the value; `fix` says what mends
it. At the command line it is printed as a sentence and ends the command with the exit status below. Over HTTP it is a
problem document (RFC 9457) with the same text in `detail` and `fix`, and the code as `code`.
[Troubleshooting](../how-to/troubleshoot.md) lists what to do about each.

"""


def page() -> str:
    """The page."""
    rows = []
    for kind in tree(RightsizedError):
        names = (code(kind.__name__), code(kind("").code))
        statuses = (kind.status, kind.exit_code, "yes" if kind.retryable else "no")
        rows.append((*names, *statuses, cell(first_paragraph(kind.__doc__))))
    header = ("error", "code", "HTTP status", "exit status", "try again?", "when")
    http = [(code(name), status, cell(title)) for name, (status, title) in problems.HTTP_KINDS.items()]
    return (
        f"{OPENING}```text\n{_drawing()}\n```\n\n{table(header, rows)}\n## Problems that only HTTP has\n\n"
        f"{table(('code', 'status', 'when'), http)}"
    )


def tree(kind: type[RightsizedError]) -> Iterator[type[RightsizedError]]:
    """The error and all below it that live in core/errors."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == RightsizedError.__module__:
            yield from tree(child)


def _drawing() -> str:
    lines = (inspect.getdoc(errors) or "").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "RightsizedError")
    end = next(i for i in range(start, len(lines)) if not lines[i].strip())
    return inspect.cleandoc("\n".join(lines[start:end]))
