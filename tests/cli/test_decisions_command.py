"""`rightsized decisions`, and what other commands say of tiers that cannot be reached, keys and errors in a log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rightsized.cli.serve import notes
from rightsized.core.config import load
from rightsized.core.errors import ForbiddenError, UpstreamError
from rightsized.core.generation import Caller, Generation
from rightsized.store.home import Home
from rightsized.store.keys import KeyStore, Limits
from rightsized.tasks.service import LocalService
from tests.command_line import command

TOML = """
[[tiers]]
name = "small"
engine = "fake"
options = { answer = "small says" }

[[tiers]]
name = "large"
engine = "fake"
tier = 1
data_classes = ["public"]
price_out = 1000000.0
options = { answer = "large says" }
"""
WARD, LAB = Caller(key="k1", tenant="ward"), Caller(key="k2", tenant="lab")


def rightsized(home: Path, *arguments: str, status: int = 0) -> str:
    done = command(*arguments, "--home", home, cwd=home)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if not status else done.stderr


def chat(text: str, **more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": text}]}, **more)


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A home whose gateway was asked three things: one stayed, one went to the large tier, one was refused."""
    file = tmp_path / "rightsized.toml"
    file.write_text(TOML)
    config = load(file, environment={}, flags={"home": str(tmp_path)})

    async def main() -> None:
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            await service.gateway.generate(chat("private", model="small", data_class="health"), WARD, "")
            await service.gateway.generate(chat("open", model="large", data_class="public"), LAB, "")
            with pytest.raises(ForbiddenError):
                await service.gateway.generate(chat("secret", model="large", data_class="health"), WARD, "")

    asyncio.run(main())
    return tmp_path


def listed(home: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rightsized(home, "decisions", "list", "--json", *arguments))
    return found


def test_list_says_who_saw_what(asked: Path) -> None:
    assert [one["tenant"] for one in listed(asked)] == ["ward", "lab", "ward"]
    assert [one["data_class"] for one in listed(asked, "--seen-by", "large")] == ["public"]
    assert listed(asked, "--seen-by", "large", "--data-class", "health") == []
    assert [one["phase"] for one in listed(asked, "--status", "failed")] == ["failed"]
    assert len(listed(asked, "--tenant", "ward", "--limit", "1")) == 1
    lines = rightsized(asked, "decisions", "list", "--tenant", "lab").splitlines()
    assert "large, uncertified" in lines[1]
    assert "open" not in lines[1]  # texts are shown by `show` only


def test_sum_adds_up_by_tenant_key_class_and_tier(asked: Path) -> None:
    totals = {
        (total["tenant"], *total["seen_by"]): total
        for total in json.loads(rightsized(asked, "decisions", "sum", "--json", "--days", "1"))
    }
    assert set(totals) == {("ward", "small"), ("ward", "nobody"), ("lab", "large")}
    large = totals["lab", "large"]
    assert (large["key"], large["data_class"], large["requests"], large["answered"]) == ("k2", "public", 1, 1)
    assert large["cost"] == pytest.approx(large["completion_tokens"])
    assert totals["ward", "nobody"]["failed"] == 1


def test_show_has_the_text_and_says_where_there_is_none(asked: Path) -> None:
    newest = listed(asked, "--tenant", "lab")[0]["id"]
    shown = json.loads(rightsized(asked, "decisions", "show", newest))
    assert "open" in shown["text"]
    assert "There is no decision 'absent'" in rightsized(asked, "decisions", "show", "absent", status=3)
    assert "must not be below 0" in rightsized(asked, "decisions", "sum", "--days", "-1", status=2)


DOWN = """
[[tiers]]
name = "small"
engine = "fake"
options = { fail = "out of memory" }
fallback = ["large"]

[[tiers]]
name = "large"
engine = "fake"
tier = 1
options = { fail = "away" }
"""


def test_a_failure_says_which_tiers_were_given_the_text(tmp_path: Path) -> None:
    file = tmp_path / "rightsized.toml"
    file.write_text(DOWN)
    config = load(file, environment={}, flags={"home": str(tmp_path)})

    async def main() -> None:
        async with LocalService(config, purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            with pytest.raises(UpstreamError, match="away"):
                await service.gateway.generate(chat("open", model="small"), WARD, "")

    asyncio.run(main())
    (one,) = listed(tmp_path, "--seen-by", "large")
    assert (one["phase"], [(a["rung"], a["reason"]) for a in one["attempts"]]) == (
        "failed", [("small", "failed: out of memory"), ("large", "failed: away")],
    )  # fmt: skip
    assert "small, large" in rightsized(tmp_path, "decisions", "list")
    (total,) = json.loads(rightsized(tmp_path, "decisions", "sum", "--json"))
    assert (total["seen_by"], total["failed"]) == (["small", "large"], 1)


SHUT = """
[[tiers]]
name = "cloud"
url = "https://models.example/v1"
data_classes = ["public"]

[[tiers]]
name = "gpu"
url = "https://gpu.example/v1"

[egress]
allow = ["gpu.example"]
"""


def test_tiers_that_nothing_can_reach_are_said_at_the_start_and_by_gateway(tmp_path: Path) -> None:
    file = tmp_path / "rightsized.toml"
    file.write_text(SHUT)
    config = load(file, environment={}, flags={"home": str(tmp_path)})
    first, second = notes(config)
    assert first == "cloud: nothing can be sent there: models.example is not in [egress] allow."
    assert second == "gpu: nothing may be sent there: data_classes is not set."
    assert first in rightsized(tmp_path, "gateway")


def test_a_budget_that_a_tier_without_a_price_would_not_count_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "rightsized.toml"
    both = SHUT.replace('allow = ["gpu.example"]', 'allow = ["models.example", "gpu.example"]')
    file.write_text(both.replace("[egress]", 'data_classes = ["public"]\nprice_out = 3.0\n\n[egress]'))
    config = load(file, environment={}, flags={"home": str(tmp_path)})
    assert notes(config) == []
    KeyStore(Home(tmp_path)).create("bot", limits=Limits(budget_usd=5.0))
    assert notes(config) == ["cloud: no price is set, so it counts as free: budgets of keys do not bind there."]
    assert "not set" in rightsized(tmp_path, "gateway")


def test_a_server_for_others_without_tls_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "rightsized.toml"
    file.write_text('[server]\nhost = "0.0.0.0"\n')
    config = load(file, environment={}, flags={"home": str(tmp_path)})
    assert "in clear" in notes(config)[0]
    file.write_text('[server]\nhost = "0.0.0.0"\ntls_cert = "a.pem"\ntls_key = "b.pem"\n')
    assert notes(load(file, environment={})) == []
    file.write_text('[server]\nhost = "127.0.0.1"\n')
    assert notes(load(file, environment={})) == []


def test_keys_list_shows_small_budgets_and_classes(tmp_path: Path) -> None:
    rightsized(tmp_path, "keys", "create", "ward", "--budget", "0.001", "--data-class", "health")
    assert json.loads(rightsized(tmp_path, "keys", "list", "--json"))[0]["expires"] is None
    line = rightsized(tmp_path, "keys", "list").splitlines()[1]
    assert line.endswith("health      $0.001/month")


def test_errors_in_a_log_are_not_broken_into_lines(tmp_path: Path) -> None:
    (tmp_path / "rightsized.toml").write_text("[server]\nprot = 1\n")
    said = rightsized(tmp_path, "serve", status=2).splitlines()
    assert len(said) == 2
    assert said[0] == "error: Unknown setting 'server.prot' in rightsized.toml."
    assert said[1].startswith("Did you mean server.port? Known here: server.host, ")
