"""`rightsized policy` and `rightsized egress`: what they say of a policy, of cases and of decisions on record."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.config import load
from rightsized.core.errors import ForbiddenError
from rightsized.core.generation import Caller, Generation
from rightsized.core.types import Task
from rightsized.ledger.log import SqliteLedger
from rightsized.store.home import Home
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.versions import TaskStore, write_record
from tests.command_line import command

SETTINGS = """
[egress]
allow = ["api.example.com"]

[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "large"
engine = "fake"
tier = 1

[[tiers]]
name = "cloud"
tier = 1
url = "https://api.example.com/v1"
model = "big"
data_classes = ["public"]
"""
POLICY = """
version = 1

[[requests]]
id = "no-viewers"
effect = "deny"
roles = ["viewer"]

[[flows]]
id = "public-out"
effect = "allow"
data_classes = ["public"]
tiers = ["cloud"]

[[flows]]
id = "health-small"
effect = "deny"
data_classes = ["health"]
tiers = ["large"]
reason = "the small one is enough"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "rightsized.toml").write_text(SETTINGS)
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def cli(home: Path, *arguments: str, status: int = 0) -> Any:
    done = command(*arguments, "--home", home, "--config", home / "rightsized.toml", "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_show_and_check(home: Path) -> None:
    shown = cli(home, "policy", "show")
    assert [rule["id"] for rule in shown["flows"]] == ["public-out", "health-small"]
    assert cli(home, "policy", "check")["notes"] == []
    slip = POLICY.replace('tiers = ["large"]', 'tiers = ["lagre"]\ntasks = ["caht"]').replace(
        '["public"]', '["personal"]'
    )
    (home / "policy.toml").write_text(slip)
    notes = {(one["rule"], one["message"]) for one in cli(home, "policy", "check", status=1)["notes"]}
    assert notes == {
        ("health-small", "There is no tier 'lagre' here. Did you mean large?"),
        ("health-small", "There is no task 'caht' here. Did you mean chat?"),
        ("public-out", "Tier 'cloud' does not take personal data: data_classes of its settings."),
    }


def test_check_tells_rules_about_outputs_that_nothing_keeps(home: Path) -> None:
    store = TaskStore(Home(home))
    with store.staging("support") as (version, folder):
        write_record(folder, "task.json", Task("support", "classify", ("billing", "refund")))
    store.promote("support", version, "test")
    rules = (
        '[[outputs]]\nid = "labels"\ncheck = "length"\nmost = 9\ntasks = ["support"]\n'
        '[[outputs]]\nid = "fine"\ncheck = "topic"\ntask = "support"\ntopics = ["refund"]\n'
        '[[outputs]]\nid = "slip"\ncheck = "topic"\ntask = "support"\ntopics = ["refnd"]\n'
        '[[outputs]]\nid = "gone"\ncheck = "topic"\ntask = "suport"\ntopics = ["refund"]\n'
    )
    (home / "policy.toml").write_text(POLICY + rules)
    notes = {one["rule"]: one["message"] for one in cli(home, "policy", "check", status=1)["notes"]}
    assert notes.keys() == {"labels", "slip", "gone"}
    assert "does not bind it" in notes["labels"]
    assert notes["slip"] == "Task 'support' knows no topic 'refnd'. Did you mean refund?"
    assert notes["gone"].endswith("every request fails. Did you mean support?")


def test_without_a_policy_the_commands_say_so(home: Path) -> None:
    (home / "policy.toml").unlink()
    error = cli(home, "policy", "show", status=3)["error"]
    assert "There is no policy" in error["message"]


def test_explain_says_what_decides_and_what_else_fits(home: Path) -> None:
    told = cli(home, "policy", "explain", "--data-class", "health", "--role", "client")
    assert told["outcome"] == "allow"
    found = {one["subject"]: (one["effect"], one["rule"]) for one in told["verdicts"]}
    assert found == {
        "request": ("allow", "default:requests"),
        "tier:small": ("allow", "default:on-premises"),
        "tier:large": ("deny", "health-small"),
        "tier:cloud": ("deny", "default:off-premises"),
    }
    assert cli(home, "policy", "explain", "--role", "viewer")["outcome"] == "deny"
    assert cli(home, "policy", "explain", "--task", "support")["verdicts"][1]["subject"] == "tier:task"


def test_cases(home: Path) -> None:
    (home / "cases.toml").write_text(
        '[[cases]]\nname = "viewers are out"\nroles = ["viewer"]\nexpect = "deny"\nrule = "no-viewers"\n'
        '[[cases]]\nname = "health stays small"\ndata_class = "health"\nexpect = "allow"\n'
        'tiers = {small = "allow", large = "health-small", cloud = "deny"}\n'
    )
    assert cli(home, "policy", "test", str(home / "cases.toml"))["failed"] == 0
    with (home / "cases.toml").open("a") as file:
        file.write('[[cases]]\nname = "wrong"\ndata_class = "public"\nexpect = "deny"\n')
        file.write('tiers = {cloud = "deny", moon = "deny"}\n')
    found = cli(home, "policy", "test", str(home / "cases.toml"), status=1)
    assert found["failed"] == 1
    assert found["cases"][2]["wrong"] == [
        "expected deny, found allow",
        "tier cloud: expected deny, found allow by public-out",
        "there is no tier 'moon' for this request",
    ]
    (home / "cases.toml").write_text('[[cases]]\nname = "a"\nexpct = "deny"\n')
    assert "Did you mean expect?" in cli(home, "policy", "test", str(home / "cases.toml"), status=2)["error"]["fix"]


def test_replay_tells_what_would_be_otherwise(home: Path) -> None:
    config = load(home / "rightsized.toml", environment={}, flags={"home": str(home)})

    def asked(data_class: Any, model: str = "auto") -> Generation:
        body = {"messages": [{"role": "user", "content": "hello"}]}
        return Generation("chat", body, model, data_class=data_class)

    async def main() -> None:
        (home / "policy.toml").write_text("version = 1\n")
        with SqliteLedger(home / "decisions.sqlite") as ledger:
            gateway = LocalGateway(config, ledger)
            await gateway.start()
            for data_class in ("public", "health"):
                assert (await gateway.generate(asked(data_class, "large"), Caller(roles=("client",)))).rung == "large"
            await gateway.generate(asked("public", "small"), Caller(roles=("viewer",)))
            await gateway.close()
            (home / "policy.toml").write_text(POLICY)
            gateway = LocalGateway(config, ledger)
            await gateway.start()
            with pytest.raises(ForbiddenError):
                await gateway.generate(asked("public"), Caller(roles=("viewer",)))
            await gateway.close()

    asyncio.run(main())
    found = cli(home, "policy", "replay", "--days", "1")
    assert (found["decisions"], found["same"], found["unclear"]) == (4, 2, 0)
    assert cli(home, "policy", "replay", "--since", "2026-01-01")["decisions"] == 4
    assert cli(home, "policy", "replay", "--since", "2099-01-01T00:00")["decisions"] == 0
    assert "--since" in cli(home, "policy", "replay", "--since", "may", status=2)["error"]["message"]
    assert {(one["was"], one["now"], one["rule"]) for one in found["changed"]} == {
        ("seen by large", "kept from large", "health-small"),
        ("let in", "refused", "no-viewers"),
    }


def test_egress_shows_what_may_leave_and_what_has(home: Path) -> None:
    found = cli(home, "egress", "show")
    cloud = next(one for one in found["may"] if one["tier"] == "cloud")
    assert (cloud["destination"], cloud["data_classes"], cloud["shut"]) == ("api.example.com", ["public"], "")
    assert "allow public: public-out" in cloud["by"]
    assert found["sent"] == found["opened"] == []
    (home / "policy.toml").write_text("version = 1\n")
    cloud = next(one for one in cli(home, "egress", "show")["may"] if one["tier"] == "cloud")
    assert (cloud["data_classes"], cloud["shut"]) == ([], "the policy lets no class of data go there")
