"""Safety rules through a real ladder: told, kept while writing, checked afterwards, and never passed in silence."""

from __future__ import annotations

import pytest
from safety_parts import Asked, Policies, asked, policy, safe, verdicts

from rightsized.cascade.generate import Ladder, LadderSetup
from rightsized.cascade.promise import Promise
from rightsized.cascade.replay import pieces_of
from rightsized.cascade.tier import Tier
from rightsized.core.errors import ConfigError, ForbiddenError
from rightsized.core.generation import Delta
from rightsized.core.tiers import TierConfig
from rightsized.core.types import Begun, Reply
from rightsized.guard.policy.outputs import KINDS
from rightsized.guard.safety import ENFORCED, Means, Safe

CLAIM = """
[[outputs]]
id = "no-cures"
check = "forbidden-claims"
claims = ['cures?\\s+cancer']
on_fail = "{}"
"""


async def test_a_broken_rule_asks_the_next_tier() -> None:
    answerer, models = safe(CLAIM.format("escalate"), model="small")
    reply = await answerer.answer(asked())  # without a certificate the last tier answers at once
    assert (reply.label, reply.rung) == (None, "large")
    assert verdicts(reply) == [("no-cures", "allow")]
    backwards, models = safe(
        CLAIM.format("escalate"), {"small": "It CURES\u200b cancer.", "large": "No."}, first="small"
    )
    reply = await backwards.answer(asked())
    assert reply.status == "abstained"  # the settings name one tier, and no other may stand in for it
    assert [(a.rung, a.accepted) for a in reply.attempts] == [("small", False)]
    assert reply.attempts[0].reason.startswith("withheld by rule no-cures")
    assert reply.cost == pytest.approx(3.0)
    assert verdicts(reply) == [("no-cures", "deny")]
    assert models["large"].seen == []


async def test_escalating_goes_up_and_never_down() -> None:
    said = {"small": "fine", "middle": "It cures cancer.", "large": "It cures cancer."}
    answerer, models = safe(CLAIM.format("escalate"), said)
    reply = await answerer.answer(asked())
    assert reply.status == "abstained"
    assert [len(model.seen) for model in models.values()] == [0, 0, 1]
    named, models = safe(CLAIM.format("escalate"), said)
    reply = await named.answer(asked(model="middle"))
    assert reply.status == "abstained"  # whoever names a tier gets that one or a person
    assert [len(model.seen) for model in models.values()] == [0, 1, 0]


async def test_a_fallback_above_is_asked() -> None:
    models = {"small": Asked("small", lambda g: "It cures cancer."), "large": Asked("large", lambda g: "No.")}
    tiers = (
        Tier(TierConfig("small", engine="fake", fallback=("large",)), models["small"]),
        Tier(TierConfig("large", engine="fake"), models["large"]),
    )
    ladder = Ladder(LadderSetup(tiers, Promise("none"), uncertified_tier="small"))
    answerer = Safe(
        ladder,
        Policies(CLAIM.format("escalate")),
        Means(),
        tiers=["small", "large"],
        replay=pieces_of,  # type: ignore[arg-type]
    )
    reply = await answerer.answer(asked())
    assert reply.completion is not None
    assert (reply.rung, reply.completion.text) == ("large", "No.")
    assert [(a.rung, a.accepted) for a in reply.attempts] == [("small", False), ("large", True)]
    assert verdicts(reply) == [("no-cures", "deny")]


@pytest.mark.parametrize(("on_fail", "effect"), [("refuse", "deny"), ("flag", "flag")])
async def test_refuse_and_flag(on_fail: str, effect: str) -> None:
    answerer, _ = safe(CLAIM.format(on_fail), {"small": "It cures cancer."})
    if on_fail == "refuse":
        with pytest.raises(ForbiddenError, match="no-cures") as error:
            await answerer.answer(asked())
        assert "cancer" not in str(error.value)
        assert [(v.rule, v.effect) for v in error.value.verdicts] == [("no-cures", effect)]
    else:
        reply = await answerer.answer(asked())
        assert reply.completion is not None
        assert reply.completion.text == "It cures cancer."
        assert verdicts(reply) == [("no-cures", effect)]


async def test_a_withheld_answer_shows_no_piece() -> None:
    answerer, _ = safe(CLAIM.format("escalate"), {"small": "It cures cancer."})
    pieces = [piece async for piece in answerer.stream(asked())]
    assert [type(piece) for piece in pieces] == [Reply]
    good, _ = safe(CLAIM.format("escalate"), {"small": "Take rest."})
    shown = [piece async for piece in good.stream(asked())]
    assert isinstance(shown[0], Begun)
    assert "".join(p.text for p in shown if isinstance(p, Delta)) == "Take rest."
    assert isinstance(shown[-1], Reply)


SCHEMA = """
[[outputs]]
id = "form"
check = "schema"
on_fail = "refuse"
[outputs.schema]
type = "object"
required = ["dose"]
properties.dose = {type = "integer", minimum = 1}
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"dose": 2}', ""),
        ('{"dose": 0}', "dose breaks the schema's minimum"),
        ("{}", "required"),
        ("no json", "no JSON"),
        ('{"dose": 2', "no JSON"),
    ],
)
async def test_schema(text: str, fault: str) -> None:
    answerer, models = safe(SCHEMA, {"small": text})
    if fault:
        with pytest.raises(ForbiddenError, match=fault):
            await answerer.answer(asked())
    else:
        reply = await answerer.answer(asked())
        assert not reply.certified
    body = models["small"].seen[0].body
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["dose"]


async def test_a_schema_of_the_clients_own_stays_and_the_rule_is_checked_all_the_same() -> None:
    own = {"type": "json_schema", "json_schema": {"name": "mine", "schema": {"type": "object"}}}
    answerer, models = safe(SCHEMA, {"small": "{}"})
    with pytest.raises(ForbiddenError):
        await answerer.answer(asked(response_format=own))
    assert models["small"].seen[0].body["response_format"] == own


async def test_a_schema_never_fetches_another() -> None:
    remote = SCHEMA + 'allOf = [{"$ref" = "http://127.0.0.1:9/other.json"}]\n'
    answerer, _ = safe(remote, {"small": '{"dose": 2}'})
    with pytest.raises(ForbiddenError, match="the check failed"):
        await answerer.answer(asked())


@pytest.mark.parametrize(
    ("text", "good"),
    [("As [1] says.", True), ("By https://ex.org/a.", True), ("Surely.", False), ("As [1] and [7] say.", False)],
)
async def test_citations(text: str, good: bool) -> None:
    rule = '[[outputs]]\nid = "sources"\ncheck = "citation"\n'
    answerer, models = safe(rule, {"small": text})
    request = asked("Sources: [1] a paper, [2] another, https://ex.org/a")
    if good:
        await answerer.answer(request)
    else:
        with pytest.raises(ForbiddenError, match="cites"):
            await answerer.answer(request)
    system = models["small"].seen[0].body["messages"][0]
    assert system["role"] == "system"
    assert "Cite at least one source" in system["content"]


@pytest.mark.parametrize(
    ("rule", "text", "good"),
    [
        ('check = "length"\nmost = 5', "short", True),
        ('check = "length"\nmost = 5', "longer", False),
        ('check = "length"\nleast = 6', "short", False),
        ('check = "language"\nlanguages = ["en"]', "It was", True),
        ('check = "language"\nlanguages = ["en"]', "Das ist so", False),
        ('check = "topic"\nabout = "output"\ntask = "subjects"\ntopics = ["medicine"]', "Take a pill", False),
        ('check = "topic"\nabout = "output"\ntask = "subjects"\ntopics = ["medicine"]', "Take a walk", True),
    ],
)
async def test_length_language_and_topics_of_outputs(rule: str, text: str, good: bool) -> None:
    answerer, _ = safe(f'[[outputs]]\nid = "r"\n{rule}\n', {"small": text})
    if good:
        assert verdicts(await answerer.answer(asked())) == [("r", "allow")]
    else:
        with pytest.raises(ForbiddenError, match="rule r"):
            await answerer.answer(asked())


async def test_topics_of_requests_stop_them_before_any_model() -> None:
    rule = '[[outputs]]\nid = "t"\ncheck = "topic"\ntask = "subjects"\ntopics = ["medicine"]\non_fail = "{}"\n'
    answerer, models = safe(rule.format("refuse"), {"small": "ok"})
    with pytest.raises(ForbiddenError):
        await answerer.answer(asked("which pill?"))
    history = {"role": "user", "content": "rain " * 50}
    with pytest.raises(ForbiddenError):
        await answerer.answer(asked("which pill?", history))
    person, _ = safe(rule.format("escalate"), {"small": "ok"})
    assert (await person.answer(asked("which pill?"))).status == "abstained"
    assert models["small"].seen == []
    assert (await answerer.answer(asked("what weather?"))).status == "answered"
    only, _ = safe(rule.format("refuse").replace('"medicine"', '"weather"') + 'mode = "allow"\n', {"small": "ok"})
    assert (await only.answer(asked("will it rain?"))).status == "answered"
    with pytest.raises(ForbiddenError):
        await only.answer(asked("hello"))


async def test_a_check_that_fails_is_a_fault() -> None:
    rule = '[[outputs]]\nid = "t"\ncheck = "topic"\ntask = "gone"\ntopics = ["medicine"]\n'
    answerer, models = safe(rule, {"small": "ok"}, means=Means())
    with pytest.raises(ForbiddenError, match="the check failed"):
        await answerer.answer(asked())
    assert models["small"].seen == []


DISCLAIMER = '[[outputs]]\nid = "d"\ncheck = "disclaimer"\ntext = "No medical advice."\non_fail = "{}"\n'


async def test_disclaimers_are_appended_or_required() -> None:
    answerer, _ = safe(DISCLAIMER.format("change"), {"small": "Rest."})
    reply = await answerer.answer(asked())
    assert reply.completion is not None
    assert reply.completion.text == "Rest.\n\nNo medical advice."
    assert reply.completion.body["choices"][0]["message"]["content"] == reply.completion.text
    assert reply.attempts[-1].completion == reply.completion
    assert verdicts(reply) == [("d", "change")]
    pieces = [piece async for piece in answerer.stream(asked())]
    assert "".join(p.text for p in pieces if isinstance(p, Delta)) == "Rest.\n\nNo medical advice."
    required, models = safe(DISCLAIMER.format("refuse"), {"small": "Rest."})
    with pytest.raises(ForbiddenError):
        await required.answer(asked())
    assert (
        "End your answer with these words: No medical advice." in models["small"].seen[0].body["messages"][0]["content"]
    )
    there, _ = safe(DISCLAIMER.format("change"), {"small": "Rest. no MEDICAL\nadvice."})
    assert verdicts(await there.answer(asked())) == [("d", "allow")]


async def test_an_adapter_is_asked_for_and_only_where_it_is() -> None:
    rule = '[[outputs]]\nid = "a"\ncheck = "adapter"\nadapter = "ward"\n'
    means = Means(adapters={"small": ["ward"]})
    answerer, models = safe(rule, means=means)
    reply = await answerer.answer(asked())
    assert reply.rung == "small"
    assert models["small"].seen[0].body["adapter"] == "ward"
    assert models["large"].seen == []
    with pytest.raises(ForbiddenError, match="another adapter"):
        await answerer.answer(asked(adapter="mine"))
    nowhere, _ = safe(rule, means=Means())
    with pytest.raises(ForbiddenError, match="no adapter ward"):
        await nowhere.answer(asked())


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[[outputs]]\nid = 'x'\ncheck = 'forbidden-claims'\nclaims = ['(']\n", "no regular expression"),
        ("[[outputs]]\nid = 'x'\ncheck = 'schema'\n[outputs.schema]\ntype = 'nothing'\n", "its schema is none"),
        ("[[outputs]]\nid = 'x'\ncheck = 'length'\non_fail = 'change'\n", "for disclaimers"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_when_read(toml: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        policy(toml)


def test_every_kind_of_rule_is_enforced() -> None:
    assert frozenset(KINDS) == ENFORCED


async def test_rules_are_for_the_tasks_roles_and_classes_they_name() -> None:
    for condition, holds in (
        ('tasks = ["ch*"]', True),
        ('tasks = ["support"]', False),
        ('roles = ["client"]', True),
        ('roles = ["admin"]', False),
        ('data_classes = ["secret"]', True),
        ('data_classes = ["public"]', False),
    ):
        answerer, _ = safe(CLAIM.format("flag") + condition + "\n", {"small": "It cures cancer."})
        assert verdicts(await answerer.answer(asked())) == ([("no-cures", "flag")] if holds else [])
