"""Sidecars through the folder connector: what its items say of who may see them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rightsized.apps.search.connectors.folder import FolderConnector

NAME = ".rightsized-access.toml"
OPEN = '[[rule]]\nmatch = "**"\nallow = ["everyone"]\n'


def rule(match: str, *allow: str) -> str:
    return f"[[rule]]\nmatch = {match!r}\nallow = {list(allow)!r}\n"


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def seen(root: Path) -> dict[str, tuple[str, ...]]:
    return {item.key: item.principals for item in FolderConnector(root).items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for key in ("a.txt", "contracts/x.pdf", "contracts/2024/y.pdf", "hr/salaries.xlsx", "hr/leave.md"):
        put(tmp_path / "root" / key)
    return tmp_path / "root"


def test_later_rules_win_and_what_no_rule_names_is_seen_by_nobody(root: Path) -> None:
    put(root / NAME, rule("**/*.pdf", "everyone") + rule("contracts/2024/", "user:anna", "group:legal"))
    assert seen(root) == {
        "a.txt": (), "contracts/2024/y.pdf": ("group:legal", "user:anna"), "contracts/x.pdf": ("everyone",),
        "hr/leave.md": (), "hr/salaries.xlsx": (),
    }  # fmt: skip


def test_the_nearest_sidecar_decides_alone(root: Path) -> None:
    put(root / NAME, OPEN)
    put(root / "hr" / NAME, rule("leave.md", "group:staff"))
    found = seen(root)
    assert found["hr/leave.md"] == ("group:staff",)
    assert found["hr/salaries.xlsx"] == ()
    assert found["a.txt"] == ("everyone",)


def test_a_sidecar_above_the_indexed_folder_counts(root: Path) -> None:
    put(root / NAME, OPEN + rule("contracts/2024/", "group:legal"))
    assert seen(root / "contracts") == {"2024/y.pdf": ("group:legal",), "x.pdf": ("everyone",)}
    put(root / "contracts" / NAME, rule("*.pdf", "user:anna"))
    assert seen(root / "contracts") == {"2024/y.pdf": ("user:anna",), "x.pdf": ("user:anna",)}
    (root / "contracts" / NAME).unlink()
    put(root / NAME, "[[rule")
    connector = FolderConnector(root / "contracts")
    assert {item.principals for item in connector.items()} == {()}
    assert len(connector.problems) == 1


def test_nobody_can_be_named(root: Path) -> None:
    put(root / NAME, OPEN + rule("salaries.xlsx"))
    assert seen(root)["hr/salaries.xlsx"] == ()


@pytest.mark.parametrize(
    "broken",
    [
        "[[rule]\n", "rules = 1\n", '[[rule]]\nmatch = "**"\n', '[[rule]]\nmatch = "**"\nallow = "everyone"\n',
        rule("**", "anna"), rule("**", "user:"), rule("**", "user:a b"), rule("", "everyone"),
        rule("[z-a]", "everyone"), rule("**", "everyone") + "extra = 1\n", "\udcff",
    ],
)  # fmt: skip
def test_a_broken_sidecar_hides_all_beneath_and_is_told(root: Path, broken: str) -> None:
    put(root / NAME, OPEN)
    (root / "hr" / NAME).write_bytes(broken.encode("utf-8", "surrogateescape"))
    put(root / "hr" / "deeper" / "b.txt")
    put(root / "hr" / "deeper" / NAME, OPEN)
    connector = FolderConnector(root)
    found = {item.key: item.principals for item in connector.items()}
    assert found["hr/leave.md"] == found["hr/salaries.xlsx"] == found["hr/deeper/b.txt"] == ()
    assert found["a.txt"] == ("everyone",)
    (problem,) = connector.problems
    assert f"hr/{NAME}" in problem
    assert "nobody sees" in problem


def test_a_sidecar_that_others_may_write_or_own_is_not_believed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sidecar = put(root / NAME, OPEN)
    sidecar.chmod(0o666)
    assert set(seen(root).values()) == {()}
    sidecar.chmod(0o664)
    monkeypatch.setattr("rightsized.apps.search.access.sidecar.private_group", lambda *_: False)
    assert set(seen(root).values()) == {()}
    monkeypatch.setattr("rightsized.apps.search.access.sidecar.private_group", lambda *_: True)
    assert set(seen(root).values()) == {("everyone",)}
    sidecar.chmod(0o644)
    assert set(seen(root).values()) == {("everyone",)}
    sidecar.unlink()
    (root / "elsewhere").write_text(OPEN)
    sidecar.symlink_to(root / "elsewhere")
    assert set(seen(root).values()) == {()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_a_sidecar_of_somebody_else_is_not_believed(root: Path) -> None:
    os.chown(put(root / NAME, OPEN), 65534, 65534)
    connector = FolderConnector(root)
    assert {item.principals for item in connector.items()} == {()}
    assert "chown" in connector.problems[0]
    os.chown(root, 65534, 65534)  # who owns the folder may say who sees it
    assert set(seen(root).values()) == {("everyone",)}


def test_other_access_is_no_other_version(root: Path) -> None:
    put(root / NAME, OPEN)
    before = {item.key: item for item in FolderConnector(root).items()}
    put(root / NAME, rule("**", "group:legal"))
    after = {item.key: item for item in FolderConnector(root).items()}
    for key, item in before.items():
        assert after[key].version == item.version
        assert (item.principals, after[key].principals) == (("everyone",), ("group:legal",))


def test_without_a_sidecar_the_file_system_decides(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for key in ("open/a.txt", "closed/b.txt", "open/private.txt"):
        put(root / key).chmod(0o644)
    (root / "open" / "private.txt").chmod(0o600)
    (root / "open").chmod(0o755)
    (root / "closed").chmod(0o700)
    root.chmod(0o755)
    owner = FolderConnector(root)
    me = {principal for item in owner.items() for principal in item.principals if principal.startswith("user:")}
    found = seen(root)
    assert found["closed/b.txt"] == found["open/private.txt"]
    assert len(found["closed/b.txt"]) == 1
    assert set(found["closed/b.txt"]) == me
    before = {item.key: item.version for item in FolderConnector(root).items()}
    (root / "closed" / "b.txt").chmod(0o600)
    assert {item.key: item.version for item in FolderConnector(root).items()} == before


def test_folders_above_the_root_count_too(tmp_path: Path) -> None:
    root = tmp_path / "above" / "root"
    put(root / "a.txt").chmod(0o644)
    for folder in (root, root.parent):
        folder.chmod(0o755)
    (root.parent).chmod(0o700)
    assert "everyone" not in seen(root)["a.txt"]
