"""Whoever adds a column to the inbox's file says what becomes of it when a message is forgotten."""

from __future__ import annotations

from pathlib import Path

from rightsized.apps.triage.actions import Journal
from rightsized.apps.triage.store import MessageStore

# Columns that can hold words or names of a message, and go or become digests in `store/forgetting.py`.
EMPTIED = {
    "messages": {"key", "thread", "sha256", "incident", "mail", "handled", "error"},
    "places": {"place", "key"},
    "events": {"key", "detail"},
    "vectors": {"key", "encoder", "vector"},
    "actions": {"key", "detail", "undo"},
}
# Columns that hold none: what the inbox, its rules and its people say, places of sources in general, and times.
KEPT = {
    "messages": {"source", "state", "status", "made", "queue", "level", "assignee", "urgency", "audits"},
    "places": {"source"},
    "events": {"by", "what"},
    "actions": {"token", "kind", "value", "text", "state", "desk"},
    "cursors": {"source", "value"},
    "subjects": {"name"},  # a keyed digest
}


def test_every_column_of_words_is_known(tmp_path: Path) -> None:
    store = MessageStore(tmp_path)
    Journal(store, "inbox")
    tables = [name for (name,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        if table.startswith("sqlite_"):
            continue
        rows = store.rows(f"SELECT name FROM pragma_table_info('{table}') WHERE type IN ('TEXT', 'BLOB', '')")
        known = EMPTIED.get(table, set()) | KEPT.get(table, set())
        unknown = {name for (name,) in rows} - known
        assert not unknown, f"{table}: say in forgetting.py what becomes of {unknown}, then here"
    store.close()
