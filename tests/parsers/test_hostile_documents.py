"""Broken and hostile documents: read, or refused for one of the reasons that are right; never a crash or a hang."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from parser_samples import check

from benchmarks.documents_hostile import READ, TABLE, Hostile
from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import Limits
from rightsized.parsers.sandbox import Pool

LIMITS = Limits(wall_seconds=60, cpu_seconds=30, memory_mb=600)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1) as pool:
        yield pool


@pytest.mark.parametrize("hostile", TABLE, ids=lambda hostile: hostile.name)
def test_outcome(hostile: Hostile, tmp_path: Path, pool: Pool) -> None:
    path = tmp_path / f"document.{hostile.ending}"
    hostile.write(path, 1.0)
    try:
        parsed = pool.parse(path, path.name, limits=LIMITS)
    except DocumentError as error:
        assert error.reason in hostile.outcomes, error
        assert str(error).startswith(("document.", "Reading document.", "Members of document."))
        return
    check(parsed)
    assert READ in hostile.outcomes
    assert hostile.holds in parsed.text
    assert "root:" not in parsed.text  # of the file that one of them names
    assert not any(part.name.startswith("/") or ".." in part.name for part in parsed.parts)
