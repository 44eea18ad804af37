"""Versions: installed whole or not at all, put in force by one rename, rolled back step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightsized.core.errors import InputError, IntegrityError, NotFoundError
from rightsized.core.types import Task
from rightsized.store.home import Home
from rightsized.tasks.versions import TaskStore, check_name, write_record


def install(store: TaskStore, labels: tuple[str, ...]) -> str:
    with store.staging("t") as (version, folder):
        write_record(folder, "task.json", Task("t", "classify", labels, version))
    store.promote("t", version, "test")
    return version


def test_rolling_back_twice_goes_back_two_steps(tmp_path: Path) -> None:
    store = TaskStore(Home(tmp_path))
    first, second, third = (install(store, ("a", str(i))) for i in range(3))
    assert store.current("t") == third
    assert (store.rollback("t"), store.rollback("t")) == (second, first)
    with pytest.raises(NotFoundError, match="no version before"):
        store.rollback("t")
    assert store.current("t") == first
    fourth = install(store, ("b", "c"))
    assert store.rollback("t") == third != fourth


def test_a_failed_version_leaves_nothing(tmp_path: Path) -> None:
    store = TaskStore(Home(tmp_path))
    kept = install(store, ("a", "b"))
    with pytest.raises(RuntimeError), store.staging("t") as (_, folder):
        (folder / "half").write_text("x")
        raise RuntimeError
    assert (store.versions("t"), store.current("t")) == ([kept], kept)
    assert sorted(p.name for p in (tmp_path / "tasks" / "t").iterdir()) == [kept, "current", "history.jsonl"]


def test_altered_records_and_bad_names_are_refused(tmp_path: Path) -> None:
    store = TaskStore(Home(tmp_path))
    install(store, ("a", "b"))
    (store.folder("t") / "task.json").write_text("{", "utf-8")
    with pytest.raises(IntegrityError, match=r"task\.json"):
        store.read("t", "task.json", Task)
    for name in ("", "../x", "A", ".x", "x" * 65, "a/b"):
        with pytest.raises(InputError):
            check_name(name)
