"""A home put back from a copy: the record is whole, the queue is as it was, and nothing is taken or done twice."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from tests.command_line import command

MAIL = "From: a@example.com\nSubject: Bill %d\nMessage-ID: <m%d@example.com>\n\nI was charged twice, %d times.\n"
RULES = """[[rule]]
name = "bills"
when.words = ["charged"]
then = { queue = "billing", note = "Look.", close = true }
"""


def asked(home: Path, *words: str) -> Any:
    done = command(*words, "--json", "--home", home)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def taken(home: Path) -> int:
    return len(command("triage", "run", "--json", "--home", home).stdout.splitlines())


def actions(home: Path) -> list[tuple[str, str, str]]:
    return sorted((one["token"], one["state"], one["updated"]) for one in asked(home, "triage", "actions")["actions"])


def test_a_restored_home_goes_on_where_the_copy_was_made(copied_home: Path, tmp_path: Path) -> None:
    mails, folder = tmp_path / "mails", copied_home / "triage" / "inbox"
    mails.mkdir()
    for number in range(2):
        (mails / f"{number}.eml").write_text(MAIL % ((number,) * 3))
    folder.mkdir(parents=True)
    (folder / "rules.toml").write_text(RULES)
    (folder / "inbox.toml").write_text(f'[[source]]\naddress = "eml:{mails}"\n[actions]\nenabled = true\n')
    assert taken(copied_home) == 2
    done = actions(copied_home)
    assert {state for _, state, _ in done} == {"done"}
    with tarfile.open(tmp_path / "home.tar", "w") as packed:
        packed.add(copied_home, arcname="restored")
    with tarfile.open(tmp_path / "home.tar") as packed:
        packed.extractall(tmp_path, filter="tar")
    restored = tmp_path / "restored"
    assert actions(restored) == done
    assert taken(restored) == 0
    (mails / "2.eml").write_text(MAIL % (2, 2, 2))  # came since the copy was made
    assert taken(restored) == 1
    assert taken(copied_home) == 1
    assert [one for one in actions(restored) if one in done] == done
    tokens = [[token for token, _, _ in actions(home)] for home in (copied_home, restored)]
    assert tokens[0] == tokens[1]  # what is done outside is known again as the same
    assert asked(restored, "ledger", "verify")["entries"] > 0
    assert command("certificate", "verify", "support", "--home", restored).returncode == 0
