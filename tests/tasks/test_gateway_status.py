"""How the gateway stands, as a record and by its commands: tiers, certificate, and why nothing is promised."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway_samples import AUDITED, CALLER, TIERS, asked, certified, settings, sum_of
from rightsized.core.errors import NotFoundError
from rightsized.server.metrics import Metrics
from rightsized.store.home import Home
from rightsized.tasks.chat_cascade import gateways
from rightsized.tasks.chat_checks import cascade_certificate, is_cascade, verify_cascade
from rightsized.tasks.chat_identity import serving_tiers
from rightsized.tasks.gateway_protocol import GatewayStatus
from rightsized.tasks.gateway_status import status_at_rest
from rightsized.tasks.service import LocalService
from tests.command_line import command

FAR = """
[[tiers]]
name = "far"
tier = 1
url = "https://models.example/v1"
model = "acme-large"
key_env = "NO_SUCH_VARIABLE"
price_in = 2.5
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("certified")
    assert certified(home).certificate.state == "certified"
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def rightsized(home: Path, *arguments: str, status: int = 0) -> str:
    done = command(*arguments, "--home", home, "--config", home / "rightsized.toml")
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def of_checks(home: Path, toml: str = TIERS) -> dict[str, bool]:
    return {check.name: check.ok for check in verify_cascade(settings(home, toml), "chat").checks}


def test_a_home_at_rest_and_a_served_one_say_the_same(home: Path) -> None:
    at_rest = status_at_rest(settings(home))

    async def main() -> GatewayStatus:
        async with LocalService(settings(home), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            return service.gateway.standing()

    served = asyncio.run(main())
    assert (served.state, served.note, served.version) == (at_rest.state, at_rest.note, at_rest.version)
    assert served.state == "certified"
    assert served.certificate == at_rest.certificate
    assert [tier.ready for tier in at_rest.tiers] == [None, None]  # nothing was started, so nobody knows
    assert [tier.ready for tier in served.tiers] == [True, True]
    small = served.tiers[0]
    assert (small.name, small.tier, small.engine, small.price_out) == ("small", 2, "fake", 2.0)
    assert small.on_premises
    assert small.data_classes == ("public", "internal", "personal", "health", "secret")
    assert small.digest == served.certificate.digests["tier.small"] if served.certificate else False


def test_it_says_why_nothing_is_promised(home: Path, tmp_path: Path) -> None:
    assert "name no tier" in status_at_rest(settings(tmp_path, "")).note
    assert "calibrate chat" in status_at_rest(settings(tmp_path)).note
    other = status_at_rest(settings(home, TIERS.replace('name = "small"\n', 'name = "small"\nmodel = "other"\n')))
    assert (other.state, other.certificate is not None) == ("none", True)
    assert "tier.small" in other.note
    broken = status_at_rest(settings(home, TIERS + FAR)).tiers[2]
    assert (broken.ready, broken.data_classes, broken.digest) == (False, (), "")
    assert "NO_SUCH_VARIABLE" in broken.detail


def test_verify_finds_what_changed(home: Path) -> None:
    sound = {"alarm": True, "signature": True, "digests": True, "reference exchanges": True, "expiry": True}
    assert of_checks(home) == sound
    other = TIERS.replace("The large model says so.", "I say so.")
    assert of_checks(home, other) == sound | {"digests": False}
    assert not of_checks(home, TIERS.replace('"small"', '"tiny"'))["digests"]
    store = gateways(Home(home))
    reference = store.folder("chat") / "reference.json"
    reference.write_text(reference.read_text().replace("Please copy", "Kindly copy", 1))
    assert not of_checks(home)["digests"]
    signature = store.folder("chat") / "certificate.json"
    signature.write_text(
        signature.read_text().replace('"attempt": 1', '"attempt": 2').replace('"attempt":1', '"attempt":2')
    )
    assert not of_checks(home)["signature"]
    assert cascade_certificate(Home(home), "chat")[1] == "none"


def test_a_certificate_of_another_home_is_not_in_force(home: Path) -> None:
    (home / "secrets" / "signing").unlink()
    assert not of_checks(home)["signature"]
    status = status_at_rest(settings(home))
    assert (status.state, status.certificate) == ("none", None)
    assert "signed" in status.note or "key" in status.note


def test_the_commands_show_it(home: Path, tmp_path: Path) -> None:
    settings(home)
    found = json.loads(rightsized(home, "gateway", "--json"))
    assert (found["cascade"], found["state"], [tier["name"] for tier in found["tiers"]]) == (
        "chat", "certified", ["small", "large"],
    )  # fmt: skip
    text = rightsized(home, "gateway")
    assert "auto (chat): certified" in text
    assert "in the long run at most 5% of the requests answered here are wrong" in text
    assert "in the long run at most 5%" in rightsized(home, "certificate", "show", "chat")
    verified = json.loads(rightsized(home, "certificate", "verify", "chat", "--json"))
    assert [check["ok"] for check in verified["checks"]] == [True] * 5
    settings(home, TIERS.replace("The large model says so.", "I say so."))
    assert "FAIL  digests" in rightsized(home, "certificate", "verify", "chat", status=1)
    assert not is_cascade(Home(tmp_path / "empty"), "chat")


def test_metrics_show_the_gateway_beside_the_tasks(home: Path) -> None:
    async def main() -> str:
        async with LocalService(settings(home, AUDITED), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            for number in range(3):
                await service.gateway.generate(asked(sum_of(random.Random(number), right=True)), CALLER)
            await service.gateway.refresh()
            return Metrics(service).exposition().decode()

    text = asyncio.run(main())
    assert 'rightsized_certificate_state{state="certified",task="chat"} 1.0' in text
    assert 'rightsized_certificate_epsilon{task="chat"} 0.05' in text
    assert 'rightsized_queue_length{task="chat"} 3.0' in text
    assert 'rightsized_monitor_alarm{task="chat"} 0.0' in text


def test_a_model_on_this_machine_is_known_by_its_file(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    from tests.engines.tiny_gguf import model

    file = tmp_path / "model.gguf"
    shutil.copy(model(), file)
    toml = f'[[tiers]]\nname = "small"\nengine = "llamacpp"\nmodel = "{file}"\n'

    def digest(more: str = "") -> str:
        return serving_tiers(settings(tmp_path, toml + more))["tier.small"]

    first = digest()
    assert digest("timeout_s = 5\nprice_in = 1.0\n[tiers.options]\nthreads = 1\n") == first
    moved = tmp_path / "moved.gguf"
    file.rename(moved)
    toml = toml.replace("model.gguf", "moved.gguf")
    assert digest() == first  # the same contents under another name
    content = bytearray(moved.read_bytes())
    content[-1] ^= 1  # one bit of one weight
    moved.write_bytes(content)
    assert digest() != first
    moved.unlink()
    with pytest.raises(NotFoundError):
        digest()


def test_a_model_behind_an_address_is_known_by_it_without_its_key(tmp_path: Path) -> None:
    def digest(old: str = "", new: Any = "") -> str:
        return serving_tiers(settings(tmp_path, FAR.replace(old, new) if old else FAR))["tier.far"]

    assert digest() == digest("price_in = 2.5", "price_in = 3.0")
    assert digest() != digest("acme-large", "acme-huge")
    assert digest() != digest("models.example", "other.example")


def test_written_answers_are_listed_and_labelled_by_command(home: Path) -> None:
    async def main() -> None:
        async with LocalService(settings(home, AUDITED), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            await service.gateway.generate(asked("Please copy this line: 2 + 2 = 4"), CALLER)

    asyncio.run(main())
    (item,) = json.loads(rightsized(home, "queue", "list", "--task", "chat", "--json"))
    assert item["written"]["answer"] == "Please copy this line: 2 + 2 = 4"
    lines = rightsized(home, "queue", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["decision", item["decision"], "answer"]
    rightsized(home, "queue", "label", item["decision"], "billing", status=2)
    rightsized(home, "queue", "label", item["decision"], "wrong")
    monitor = json.loads(rightsized(home, "gateway", "--json"))["monitor"]
    assert (monitor["audits"], monitor["wrong"], monitor["waiting"]) == (1, 1, 0)
    rightsized(home, "queue", "undo", item["decision"])
    assert json.loads(rightsized(home, "gateway", "--json"))["waiting"] == 1
