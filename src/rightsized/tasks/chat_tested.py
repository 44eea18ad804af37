"""The tests of labelled rows, run as those of requests are: the same runner, the same settings, the same rule.

Whatever an answer came to is put down with its row, before anything is split or learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from rightsized.cascade.answer_tests import why_refused
from rightsized.core.config import Config
from rightsized.core.errors import ConfigError, DataError
from rightsized.core.generation import GivenTests, RunResult
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.run_tests import RunTestsConfig
from rightsized.engines.testrun.runner import Runner
from rightsized.tasks.chat_data import ChatData, ChatRow
from rightsized.tasks.records import Finding

STAGE = "Running tests of answers"


def run_tests(data: ChatData, settings: Config | None, progress: Progress = no_progress) -> None:
    """Run the tests of every row against each of its answers, and mark the row with what they came to.

    Where the settings run none, rows lose their tests: no request could bring any.

    Raises:
        ConfigError: nothing can be shut in on this machine. DataError: tests that cannot be run at all; names the row.
    """
    rows = [at for at, row in enumerate(data.rows) if row.tests is not None]
    if not rows:
        return
    if settings is None or not settings.tests.run:
        _leave_out(data, rows)
        return
    config = settings.tests
    runner = Runner(config)
    if why := runner.missing():
        raise ConfigError(
            f"Tests of answers cannot be run here: {why}.", fix="Leave them out, or allow namespaces of users."
        )
    pairs = dict.fromkeys((row.tests, answer) for row in data.rows for answer in row.answers.values() if row.tests)
    with ThreadPoolExecutor(config.at_once, "tests") as pool:
        found = dict[tuple[GivenTests, str], RunResult]()
        for pair, result in zip(pairs, pool.map(lambda pair: runner.run(*pair), pairs), strict=True):
            found[pair] = result
            progress(STAGE, len(found), len(pairs))
    for at in rows:
        row = data.rows[at]
        results = {tier: found[row.tests, answer] for tier, answer in row.answers.items() if row.tests}
        data.rows[at] = _marked(data, row, results, config)


def _marked(data: ChatData, row: ChatRow, results: dict[str, RunResult], config: RunTestsConfig) -> ChatRow:
    for found in results.values():
        if found.outcome == "not-run":
            raise DataError(
                f"{data.name}, row {row.number}: its tests cannot be run: {found.reason}.",
                fix="Tests are Python that needs nothing but the standard library and the answer's own names.",
            )
    refused = {tier: why for tier, found in results.items() if (why := why_refused(config.rule, found))}
    return msgspec.structs.replace(row, tested=results, refused=refused)


def _leave_out(data: ChatData, rows: Sequence[int]) -> None:
    numbers = tuple(data.rows[at].number for at in rows)
    for at in rows:
        data.rows[at] = msgspec.structs.replace(data.rows[at], tests=None)
    message = f"{len(rows)} rows have tests; they were not run, since the settings run none ([tests] run = true)."
    data.findings.append(Finding("tests-left-out", message, numbers[:100]))
