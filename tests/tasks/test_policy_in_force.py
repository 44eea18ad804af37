"""No request steps around the policy: by name, by fallback, in a conversation, out of the cache, as a stream."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from rightsized.cascade.generate import Calibrated
from rightsized.cascade.promise import Promise
from rightsized.core.config import Config, load
from rightsized.core.errors import ConfigError, ForbiddenError, RightsizedError, UpstreamError
from rightsized.core.generation import DATA_CLASSES, Caller, Completion, Generation
from rightsized.core.types import Decision, Reply, Request
from rightsized.guard.policy.file import read
from rightsized.guard.policy.rulebook import Destination, Rulebook, facts_of
from rightsized.guard.safety import ENFORCED
from rightsized.ledger.log import SqliteLedger
from rightsized.tasks.chat_standing import InForce
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.policies import destinations, open_policy

NAMES = ("one", "two", "three", "four")


class Writer:
    """A tier that notes what reaches it, and fails when told to."""

    def __init__(self, name: str, *, on_premises: bool, fails: bool, seen: list[tuple[str, Generation]]) -> None:
        self.name, self.on_premises, self._fails, self._seen = name, on_premises, fails, seen
        self.digest, self.context = f"sha256:{name}", 0
        self.operations = frozenset(("chat", "embeddings"))

    async def generate(self, generation: Generation) -> Completion:
        self._seen.append((self.name, generation))
        if self._fails:
            raise UpstreamError(f"{self.name} is away")
        choice = {"index": 0, "message": {"role": "assistant", "content": self.name}, "finish_reason": "stop"}
        return Completion(self.name, "stop", body={"choices": [choice]})

    async def stream(self, generation: Generation) -> Any:
        yield await self.generate(generation)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def status(self) -> Any: ...


def settings_text(dice: random.Random) -> str:
    stream = dice.choice(("buffer", "route"))
    tables = [f'[gateway]\nsticky = true\nstream = "{stream}"\ncache_entries = {dice.choice((0, 50))}\n']
    if dice.random() < 0.3:
        tables[0] += f'uncertified_tier = "{dice.choice(NAMES)}"\n'
    for name in NAMES:
        others = [other for other in NAMES if other != name]
        fallback = dice.sample(others, dice.randint(0, 3))
        tables.append(
            f'[[tiers]]\nname = "{name}"\nengine = "fake"\nmodel = "{dice.choice(("m", "n"))}"\n'
            f"data_classes = {list(DATA_CLASSES)}\nregion = {dice.choice(('', 'eu', 'us'))!r}\n"
            f"fallback = {fallback}\noperations = ['chat', 'embeddings']\n"
        )
    return "\n".join(tables)


def policy_text(dice: random.Random) -> str:
    tables = ["version = 1"]
    if dice.random() < 0.3:
        tables.append(f'[defaults]\non_premises = "{dice.choice(("allow", "deny"))}"')
    for number in range(dice.randint(0, 6)):
        conditions = [f'data_classes = ["{dice.choice(DATA_CLASSES)}", "{dice.choice(DATA_CLASSES)}"]']
        conditions.append(f'tiers = ["{dice.choice(NAMES)}", "{dice.choice((*NAMES, "t*"))}"]')
        if dice.random() < 0.4:
            conditions.append(f'tenants = ["{dice.choice(("a", "b"))}"]')
        if dice.random() < 0.3:
            conditions.append(f'roles = ["{dice.choice(("client", "admin"))}"]')
        effect = dice.choice(("allow", "allow", "deny"))
        tables.append(f'[[flows]]\nid = "f{number}"\neffect = "{effect}"\n' + "\n".join(conditions))
    if dice.random() < 0.3:
        tables.append('[[residency]]\nid = "stay"\nregions = ["eu"]\ntenants = ["a"]')
    if dice.random() < 0.3:
        tables.append('[[outputs]]\nid = "ours"\ncheck = "forbidden-claims"\nclaims = ["t.o"]\non_fail = "escalate"')
    if dice.random() < 0.3:
        tables.append('[[requests]]\nid = "no"\neffect = "deny"\nmodels = ["two", "n"]\nroles = ["client"]')
    return "\n\n".join(tables)


def gateway_of(config: Config, ledger: SqliteLedger, dice: random.Random, seen: Any, monkeypatch: Any) -> LocalGateway:
    writers = {
        name: Writer(name, on_premises=dice.random() < 0.4, fails=dice.random() < 0.4, seen=seen) for name in NAMES
    }
    monkeypatch.setattr("rightsized.tasks.gateway.open_tier", lambda tier, config: writers[tier.name])
    gateway = LocalGateway(config, ledger)
    if dice.random() < 0.5:  # a cascade over some of the tiers, a person last or not
        names = tuple(dice.sample(NAMES, dice.randint(2, 4)))
        local = len(names) if dice.random() < 0.3 else len(names) - 1
        thresholds = tuple(dice.choice((None, 0.2, 0.6)) for _ in range(local))
        skips = tuple(dice.choice((-1.0, 0.3)) for _ in range(local))
        calibrated = Calibrated(names, thresholds, skips, Dice(dice), afresh=dice.random() < 0.5)
        gateway._install(InForce(Promise("certified", "c-1"), calibrated))
    return gateway


class Dice:
    """A verifier that says whatever comes."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    async def outside(self, generation: Generation) -> str:
        return ""

    async def before(self, tier: str, generation: Generation) -> float:
        return self._dice.random()

    async def after(self, tier: str, generation: Generation, completion: Completion, samples: Any = ()) -> float:
        return self._dice.random()


def request_of(dice: random.Random) -> tuple[Generation, Caller, str]:
    body = {"messages": [{"role": "user", "content": dice.choice(("hello", "there"))}]}
    operation = dice.choice(("chat", "chat", "embeddings"))
    generation = Generation(
        operation,
        body if operation == "chat" else {"input": "hello"},
        model=dice.choice(("auto", "auto", *NAMES, "m", "n")),
        data_class=dice.choice(DATA_CLASSES),
        region=dice.choice(("", "", "eu")),
    )
    caller = Caller("k", dice.choice(("a", "b")), None, (dice.choice(("client", "admin")),))
    return generation, caller, dice.choice(("", "c1", "c2"))


async def asked(gateway: LocalGateway, dice: random.Random) -> tuple[Any, Reply | RightsizedError]:
    generation, caller, conversation = request_of(dice)
    try:
        if dice.random() < 0.4 and generation.operation == "chat":
            pieces = [piece async for piece in gateway.stream(generation, caller, conversation)]
            return (generation, caller), pieces[-1]
        return (generation, caller), await gateway.generate(generation, caller, conversation)
    except RightsizedError as error:
        return (generation, caller), error


@pytest.mark.parametrize("seed", range(60))
def test_no_path_steps_around_it(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    (tmp_path / "policy.toml").write_text(policy_text(dice))
    (tmp_path / "rightsized.toml").write_text(settings_text(dice))
    config = load(tmp_path / "rightsized.toml", environment={}, flags={"home": str(tmp_path)})
    seen: list[tuple[str, Generation]] = []

    async def main() -> None:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            gateway = gateway_of(config, ledger, dice, seen, monkeypatch)
            await gateway.start()
            for _ in range(40):
                seen.clear()
                (generation, caller), outcome = await asked(gateway, dice)
                check(gateway, generation, caller, outcome, list(seen), ledger)
            await gateway.close()

    asyncio.run(main())


def check(gateway: Any, generation: Any, caller: Any, outcome: Any, seen: Any, ledger: SqliteLedger) -> None:
    """What reached a tier, and what answered, was allowed; what was said of it is on record."""
    places = [Destination(t.name, t.generator.on_premises, "", t.config.region, t.config.model) for t in gateway._tiers]
    book = Rulebook(read(gateway._policy.path, enforced=ENFORCED), places)
    request = Request("chat", "", generation=generation, tenant=caller.tenant, key=caller.key, roles=caller.roles)
    ruling = book.decide(facts_of(request))
    assert not {name for name, _ in seen} & set(ruling.vetoes)
    assert ruling.denied is None or not seen
    decision = ledger.get(outcome.id if isinstance(outcome, Reply) else outcome.decision)
    assert isinstance(decision, Decision)
    own = tuple(verdict for verdict in decision.verdicts if verdict.rule != "ours")
    assert (own, decision.policy) == (ruling.verdicts, ruling.policy)
    if isinstance(outcome, Reply):
        assert ruling.denied is None
        assert outcome.rung not in ruling.vetoes
    elif ruling.denied is not None:
        assert isinstance(outcome, ForbiddenError)
        assert ruling.denied.rule in outcome.message


def test_the_check_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a tier forgets the vetoes, the same search finds it."""
    monkeypatch.setattr("rightsized.cascade.tier.Tier.forbidden", lambda self, generation: "")
    with pytest.raises(AssertionError):
        for seed in range(10):
            folder = tmp_path / str(seed)
            folder.mkdir()
            test_no_path_steps_around_it(seed, folder, monkeypatch)


TWO = """
[[tiers]]
name = "small"
engine = "fake"

[[tiers]]
name = "large"
engine = "fake"
tier = 1
"""
DENY_LARGE = 'version = 1\n[[flows]]\nid = "not-large"\neffect = "deny"\ntiers = ["large"]\nreason = "it costs"\n'
DENY_ALL = 'version = 1\n[[requests]]\nid = "closed"\neffect = "deny"\nreason = "closed today"\n'


def settings(tmp_path: Path, toml: str = TWO) -> Config:
    (tmp_path / "rightsized.toml").write_text(toml)
    return load(tmp_path / "rightsized.toml", environment={}, flags={"home": str(tmp_path)})


def hello(**more: Any) -> Generation:
    return Generation("chat", {"messages": [{"role": "user", "content": "hello"}]}, **more)


def rewritten(path: Path, text: str) -> None:
    path.write_text(text)
    later = time.time_ns() + random.randrange(10**9)  # a file system's clock may be coarse
    import os

    os.utime(path, ns=(later, later))


def test_a_changed_file_is_taken_up_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    config, path = settings(tmp_path), tmp_path / "policy.toml"

    async def main() -> None:
        with SqliteLedger(tmp_path / "decisions.sqlite") as ledger:
            store = open_policy(config)
            gateway = LocalGateway(config, ledger, policy=store)
            await gateway.start()
            first = await gateway.generate(hello(), Caller())
            assert (first.rung, first.verdicts, first.policy) == ("large", (), "")
            rewritten(path, DENY_LARGE)
            assert store.refresh()
            second = await gateway.generate(hello(), Caller())
            assert second.rung == "small"
            assert [(v.rule, v.effect, v.subject) for v in second.verdicts] == [
                ("default:requests", "allow", "request"),
                ("default:on-premises", "allow", "tier:small"),
                ("not-large", "deny", "tier:large"),
            ]
            with pytest.raises(ForbiddenError, match="not-large denies it: it costs"):
                await gateway.generate(hello(model="large"), Caller())
            rewritten(path, DENY_LARGE.replace("deny", "denny"))
            assert not store.refresh()
            assert "denny" in store.problem
            assert (await gateway.generate(hello(), Caller())).policy == second.policy
            path.unlink()
            assert not store.refresh()
            assert "is gone" in store.problem
            assert (await gateway.generate(hello(), Caller())).policy == second.policy
            rewritten(path, DENY_ALL)
            assert store.refresh()
            assert not store.problem
            with pytest.raises(ForbiddenError, match="rule closed: closed today") as caught:
                await gateway.generate(hello(), Caller())
            decision = ledger.get(caught.value.decision)
            assert decision is not None
            assert (decision.phase, decision.verdicts[0].rule) == ("failed", "closed")
            await gateway.close()

    asyncio.run(main())


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"away\.toml does not exist"):
        open_policy(settings(tmp_path, '[guard]\npolicy = "away.toml"\n' + TWO))


def test_a_tier_behind_an_address_is_off_the_premises(tmp_path: Path) -> None:
    toml = TWO + '\n[[tiers]]\nname = "cloud"\nurl = "https://api.example.com/v1"\nregion = "us"\nmodel = "m"\n'
    toml += '\n[[tiers]]\nname = "near"\nurl = "http://127.0.0.1:9/v1"\n'
    found = {place.name: place for place in destinations(settings(tmp_path, toml))}
    assert found["cloud"] == Destination("cloud", False, "api.example.com", "us", "m")
    assert (found["near"].on_premises, found["small"].on_premises) == (True, True)
