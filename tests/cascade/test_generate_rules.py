"""The ladder's rules about the prompt and the conversation: what leaves the tested path, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from test_generate import Told, answer, ask, cascade, ladder, stream, text, tier

from rightsized.cascade.generate import Calibrated
from rightsized.core.generation import Completion, Generation


class Strange(Told):
    """Finds prompts about the moon unlike all it learned from."""

    async def outside(self, generation: Generation) -> str:
        return "too unlike" if "moon" in str(generation.body) else ""


def test_a_prompt_unlike_those_calibrated_on_goes_up_before_anything_is_written() -> None:
    small = tier("small", "small says")
    tiers = (small, tier("large", "large says"))
    calibrated = Calibrated(("small", "large"), (0.8,), (), Strange({"small": 0.9}))
    built = ladder(*tiers, state="certified", calibrated=calibrated)
    reply = answer(built, ask("about the moon"))
    assert (reply.rung, reply.attempts[0].reason) == ("large", "too unlike")
    assert small.generator.calls == 0  # type: ignore[attr-defined]
    assert answer(built, ask("about bread")).certified
    assert text(stream(ladder(*tiers, state="certified", calibrated=calibrated, stream="route"), ask("moon"))) == (
        "large says"
    )


def test_where_a_person_stands_last_a_strange_prompt_goes_to_one_and_a_tier_between_stays_certified() -> None:
    verifier = Strange({"small": 0.9, "large": 0.9})
    calibrated = Calibrated(("small", "large"), (0.8, 0.5), (), verifier)
    built = ladder(tier("small"), tier("large"), state="certified", calibrated=calibrated)
    assert answer(built, ask("the moon")).status == "abstained"


def test_a_veto_further_up_leaves_the_tested_path_below_it_and_one_below_does_not() -> None:
    abroad = tier("large", off_premises=True, data_classes=("public",))
    assert answer(cascade({"small": 0.9}, tiers=(tier("small"), abroad)), ask(data_class="secret")).certified
    short = (tier("small", context=2), tier("large", "large says"))
    reply = answer(cascade({"large": 0.9}, person=True, tiers=short), ask("word " * 20))
    assert (reply.rung, reply.certified) == ("large", False)


@pytest.mark.parametrize("afresh", [False, True])
def test_a_promise_about_answers_given_here_begins_each_request_at_the_first_tier(afresh: bool) -> None:
    class Sees(Told):
        async def after(
            self, tier: str, generation: Generation, completion: Completion, samples: Sequence[Completion] = ()
        ) -> float:
            return 0.1 if "hard" in str(generation.body) else 0.9

    calibrated = Calibrated(("small", "large"), (0.8,), (), Sees({}), afresh=afresh)
    built = ladder(tier("small"), tier("large"), state="certified", calibrated=calibrated)
    assert answer(built, ask("hard", conversation="c1")).rung == "large"
    again = answer(built, ask("easy", conversation="c1"))
    assert (again.rung, again.certified) == (("small", True) if afresh else ("large", False))


def test_a_veto_of_a_tier_that_never_answers_leaves_the_tested_path_too() -> None:
    """Its rows had no score from there on, whatever thresholds the test then chose."""
    verifier = Told({"small": 0.9, "middle": 0.9})
    for classes, certified in ((("public", "internal"), True), (("public",), False)):
        small = tier("small", data_classes=classes)
        calibrated = Calibrated(("small", "middle", "large"), (None, 0.5), (), verifier)
        built = ladder(small, tier("middle"), tier("large"), state="certified", calibrated=calibrated)
        reply = answer(built, ask(data_class="internal"))
        assert (reply.rung, reply.certified) == ("middle", certified)
        assert small.generator.calls == 0  # type: ignore[attr-defined]


def test_where_no_tier_may_answer_by_its_check_the_default_does() -> None:
    calibrated = Calibrated(("small", "large"), (None, None), (), Told({}))
    built = ladder(tier("small"), tier("large", "large says"), state="certified", calibrated=calibrated)
    reply = answer(built, ask())
    assert (reply.rung, reply.state, reply.certified) == ("large", "none", False)
