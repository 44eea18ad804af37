"""Rules: which one takes a message, what is enough to do it without a person, and files that are wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rightsized.apps.triage.desk.calendar import Calendar
from rightsized.apps.triage.desk.settings import DeskSettings
from rightsized.apps.triage.desk.staff import Person
from rightsized.apps.triage.records import Address, Extracted, Labelled, NextTier, Priority, Route
from rightsized.apps.triage.rules.check import problems, run_trials, takes_all
from rightsized.apps.triage.rules.evaluate import Facts, prioritise, route
from rightsized.apps.triage.rules.file import parse
from rightsized.apps.triage.rules.records import Rulebook, When
from rightsized.core.errors import ConfigError
from rightsized.core.types import LabelScore, State
from tests.apps.triage.triage_samples import a_mail

BOOK = """
default = "front desk"

[lists]
vip = ["*@big.example.com", "ceo@example.net"]

[[priority]]
level = "urgent"
when.words = ["injured", "caught fire"]
reason = "somebody may be hurt"

[[priority]]
level = "high"
when.lists = "vip"

[[rule]]
name = "accidents"
when.priority = "urgent"
then = { queue = "safety", person = true }

[[rule]]
name = "deliveries"
when.labels.department = ["delivery", "orders"]
then = { queue = "logistics", labels = ["parcel"], note = "Look at the tracking first." }

[[rule]]
name = "angry returns"
when.labels = { department = "returns", sentiment = "angry" }
then = { queue = "complaints", accept = "estimated" }

[[rule]]
name = "invoices of suppliers"
when = { sender = "*@supplier.example.com", attachments = true }
then = { queue = "accounts", move = "Suppliers", close = true }

[[rule]]
name = "out of hours"
when = { hours = "closed", labels = { department = "rental" }, confidence = 0.9 }
then = { queue = "night", accept = "uncertified" }
"""


def book(text: str = BOOK) -> Rulebook:
    return parse(tomllib.loads(text), "rules.toml")


def label(*names: str, state: State = "certified", sure: float = 0.95, guess: str = "") -> Labelled:
    scores = (LabelScore(guess or names[0], sure),)
    status: Any = "answered" if names else "abstained"
    return Labelled("t", names, status, sure, state, certified=state == "certified" and bool(names), suggested=scores)


def facts(is_open: bool = True, labels: dict[str, Labelled] | None = None, **mail: Any) -> Facts:
    return Facts(a_mail(**mail), labels or {}, (), 0.0, lambda moment: is_open)


def routed(one: Facts, text: str = BOOK) -> Route:
    made = book(text)
    return route(made, one, prioritise(made, one))


def test_a_certified_label_is_routed_without_a_person() -> None:
    found = routed(facts(labels={"department": label("delivery")}))
    assert (found.queue, found.automatic, found.rule) == ("logistics", True, "deliveries")
    assert [(one.kind, one.value or one.text) for one in found.actions] == [
        ("label", "parcel"),
        ("note", "Look at the tracking first."),
    ]


@pytest.mark.parametrize("state", ["estimated", "none", "suspended"])
def test_less_than_certified_waits_for_a_person_and_says_why(state: State) -> None:
    found = routed(facts(labels={"department": label("delivery", state=state)}))
    assert (found.queue, found.automatic) == ("logistics", False)
    assert "not sure enough: department" in found.reason


def test_every_label_that_a_rule_rests_on_must_be_good_enough() -> None:
    both = {"department": label("returns"), "sentiment": label("angry", state="estimated")}
    assert routed(facts(labels=both)).automatic  # this rule takes estimates
    weak = {**both, "sentiment": label("angry", state="none")}
    assert not routed(facts(labels=weak)).automatic


@pytest.mark.parametrize(("accept", "automatic"), [("certified", False), ("estimated", False), ("uncertified", True)])
def test_what_the_next_tier_says_acts_alone_only_by_the_owners_word(accept: str, automatic: bool) -> None:
    said = NextTier("small", 2, "sha256:m", "d2", ("delivery",))
    one = Labelled("t", ("delivery",), "answered", 0.0, "none", tier=2, decision="d1", next_tier=said)
    rule = f'[[rule]]\nname = "r"\nwhen.labels.department = "delivery"\nthen = {{ queue = "q", accept = "{accept}" }}\n'
    found = routed(facts(labels={"department": one}), rule)
    assert (found.queue, found.automatic) == ("q", automatic)
    assert "small says so, and how often it is right is not known" in found.reason


def test_a_guess_says_where_it_waits_and_never_more() -> None:
    found = routed(facts(labels={"department": label(guess="delivery")}))
    assert (found.queue, found.automatic, found.rule) == ("logistics", False, "deliveries")
    assert "most likely" in found.reason


def test_the_first_rule_that_fits_decides_and_a_person_may_be_asked_for() -> None:
    hurt = facts(labels={"department": label("delivery")}, body="The stove caught  fire and I am hurt.")
    found = routed(hurt)
    assert (found.queue, found.automatic) == ("safety", False)
    assert "asks for a person" in found.reason
    assert prioritise(book(), hurt) == Priority("urgent", "somebody may be hurt", "rules")


def test_words_are_whole_words() -> None:
    assert prioritise(book(), facts(body="It was uninjured.")).level == "normal"
    assert prioritise(book(), facts(body="He is INJURED!")).level == "urgent"


def test_senders_lists_and_attachments() -> None:
    vip = facts(sender=Address("anna@big.example.com"))
    assert prioritise(book(), vip).level == "high"
    assert prioritise(book(), facts(sender=Address("anna@notbig.example.com"))).level == "normal"
    supplier = {"sender": Address("bill@supplier.example.com")}
    assert routed(facts(**supplier)).queue == "front desk"
    from rightsized.apps.triage.records import Attachment

    found = routed(facts(**supplier, attachments=(Attachment("a.pdf", "application/pdf", 1, ""),)))
    assert (found.queue, found.automatic) == ("accounts", True)
    assert [one.kind for one in found.actions] == ["move", "close"]


def test_hours_and_confidence() -> None:
    rental = {"department": label("rental", state="none", sure=0.95)}
    assert routed(facts(is_open=False, labels=rental)).queue == "night"
    assert routed(facts(is_open=True, labels=rental)).queue == "front desk"
    unsure = {"department": label("rental", state="none", sure=0.85)}
    found = routed(facts(is_open=False, labels=unsure))
    assert (found.queue, found.automatic) == ("night", False)


def test_what_no_rule_takes_waits_and_machines_do_not() -> None:
    assert routed(facts()) == Route("front desk", False, "no rule takes it")
    machine = routed(facts(automatic="bounce"))
    assert (machine.queue, machine.automatic) == ("automatic", True)


def test_without_rules_a_certified_department_names_the_queue() -> None:
    found = routed(facts(labels={"department": label("delivery")}), "")
    assert (found.queue, found.automatic) == ("delivery", True)
    assert not routed(facts(labels={"department": label("delivery", state="estimated")}), "").automatic
    assert not routed(facts(labels={"sentiment": label("angry")}), "").automatic


def test_fields_are_all_asked_for() -> None:
    text = '[[rule]]\nname = "a"\nwhen.fields = ["order", "amount"]\nthen.queue = "q"\n'
    one = facts()._replace(fields=(Extracted("order", "1", "1", 0, 1),))
    assert routed(one, text).queue == "inbox"
    both = one._replace(fields=(*one.fields, Extracted("amount", "1", "1", 0, 1)))
    assert routed(both, text).queue == "q"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rul = 1", "Unknown key 'rul'"),
        ('[[rule]]\nname = "a"\nthen = {}', "names no queue"),
        ('[[rule]]\nname = "a"\nwhen.lable = "x"\nthen.queue = "q"', "lable"),
        ('[[rule]]\nname = "a"\nwhen.lists = "gold"\nthen.queue = "q"', "names the list 'gold'"),
        ('[[rule]]\nname = "a"\nthen.queue = "q"\n[[rule]]\nname = "a"\nthen.queue = "r"', "the name 'a'"),
        ('[[priority]]\nlevel = "asap"', "asap|level"),
        ('[[rule]]\nthen.queue = "q"', "has no name"),
        ("default = 3", "not the name of a queue"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        book(text)


def test_rules_that_never_decide_and_labels_that_nobody_says_are_found() -> None:
    text = """
[[rule]]
name = "all deliveries"
when.labels.department = ["delivery", "orders"]
then.queue = "a"
[[rule]]
name = "german deliveries"
when = { labels = { department = "delivery" }, language = "de" }
then.queue = "b"
[[rule]]
name = "typo"
when.labels.departement = "delivery"
then.queue = "c"
[[rule]]
name = "unknown"
when.labels.department = "deliverance"
then.queue = "d"
"""
    found = problems(book(text), {"department": ("delivery", "orders")})
    assert any("'german deliveries' never decides: 'all deliveries'" in one for one in found)
    assert any("'departement', which no task says" in one for one in found)
    assert any("'deliverance'" in one for one in found)
    assert len(found) == 3
    assert problems(book(), {}) == ()


def test_conditions_that_nothing_meets_and_queues_that_nobody_answers_are_found() -> None:
    text = """
default = "front"
[[priority]]
level = "high"
when.words = "fire"
[[rule]]
name = "urgent ones"
when.priority = "urgent"
then = { queue = "a", assignee = "Anna" }
[[rule]]
name = "too sure"
when = { confidence = 1.5, labels.department = [] }
then = { queue = "b", accept = "estimated", person = true }
[[rule]]
name = "by sender"
when.sender = "*@x.example"
then = { queue = "a", accept = "estimated", close = true }
"""
    people = (Person("Anne", ("a", "front")),)
    assert problems(book(text), {}, people) == (
        "The rule 'urgent ones' waits for the level 'urgent', which no [[priority]] gives.",
        "The rule 'too sure' asks for a confidence of 1.5; 1 is the most.",
        "The rule 'too sure' has an empty list in its conditions, which nothing meets.",
        "The rule 'too sure' accepts what is not certified, and asks for a person in any case.",
        "The rule 'by sender' says accept, and rests on no label and no field: it says nothing.",
        "Nobody answers the queue 'b': no [[person]] in desk.toml has it.",
        "The rule 'urgent ones' assigns to 'Anna'. Did you mean Anne? Known here: Anne.",
    )
    said = problems(book(text), {"department": (), "priority": ("urgent",)}, (Person("Anna"),))
    assert not any("waits for the level" in one or "Nobody answers" in one or "assigns" in one for one in said)


def test_the_rules_that_the_documentation_shows_pass_their_own_tests() -> None:
    page = Path(__file__).parents[4] / "docs" / "how-to" / "triage-rules.md"
    shown = book(page.read_text("utf-8").split("```toml\n")[1].split("```")[0])
    found = run_trials(shown, Calendar(DeskSettings().hours))
    assert len(found) == 3
    assert [one.wrong for one in found if one.wrong] == []
    labels = {"department": ("delivery", "orders", "returns"), "sentiment": ("angry", "calm")}
    assert problems(shown, labels) == ()


def test_no_rule_is_said_to_be_shadowed_that_can_decide() -> None:
    wide = When(labels={"d": ("a",)}, confidence=0.9)
    assert not takes_all(wide, When(labels={"d": ("a",)}), {})
    assert takes_all(When(labels={"d": ("a",)}), wide, {})
    assert not takes_all(When(sender=("*@x",)), When(), {})
    assert takes_all(When(), When(sender=("*@x",)), {})
    assert not takes_all(When(automatic=("bounce",)), When(), {})
    assert not takes_all(When(fields=("order",)), When(fields=("date",)), {})


TRIALS = """
[[test]]
name = "late parcel"
labels = { department = "delivery" }
expect = { queue = "logistics", automatic = true, priority = "normal" }

[[test]]
name = "not certified"
labels = { department = "delivery" }
certified = false
expect = { automatic = false }

[[test]]
name = "night"
labels = { department = "rental" }
at = "2026-11-22T03:00"
expect.queue = "night"

[[test]]
name = "wrong"
text = "He is injured."
expect = { queue = "logistics", priority = "urgent" }
"""


def test_the_tests_of_a_file_run() -> None:
    found = run_trials(book(BOOK + TRIALS), Calendar(DeskSettings().hours))
    assert [one.name for one in found if not one.wrong] == ["late parcel", "not certified", "night"]
    (wrong,) = (one for one in found if one.wrong)
    assert "queue is 'safety', not 'logistics'" in wrong.wrong[0]


def test_a_time_that_cannot_be_read_is_said() -> None:
    text = BOOK + '[[test]]\nname = "a"\nat = "tonight"\nexpect = {}\n'
    with pytest.raises(ConfigError, match="tonight"):
        run_trials(book(text), Calendar(DeskSettings().hours))


FIELDS = """
[[priority]]
level = "high"
when.fields = "invoice"

[[rule]]
name = "orders"
when.fields = "order"
then.queue = "orders"

[[rule]]
name = "invoices"
when.fields = "invoice"
then = { queue = "accounts", accept = "uncertified" }

[[rule]]
name = "tickets"
when.fields = "ticket"
then = { queue = "desk", accept = "estimated" }
"""


def found(name: str, state: State = "none") -> Extracted:
    return Extracted(name, "1", "1", 0, 1, state=state, certified=state == "certified")


def by_fields(*fields: Extracted) -> Route:
    return routed(Facts(a_mail(), {}, fields, 0.0, lambda moment: True), FIELDS)


def test_a_field_without_a_certificate_of_its_own_waits_for_a_person_and_a_certified_one_does_not() -> None:
    waits = by_fields(found("order"))
    assert (waits.queue, waits.automatic) == ("orders", False)
    assert waits.reason == "the rule 'orders' fits, but not sure enough: field order (none)"
    goes = by_fields(found("order", "certified"))
    assert (goes.automatic, goes.reason, goes.uncertified) == (True, "by the rule 'orders'", ())
    assert not by_fields(found("order", "certified"), found("order")).automatic  # every value found, not the first


def test_a_rule_that_acts_on_a_field_without_a_certificate_says_so() -> None:
    goes = by_fields(found("invoice"))
    assert (goes.queue, goes.automatic, goes.uncertified) == ("accounts", True, ("field invoice",))
    assert goes.reason.endswith("which accepts what no certificate covers: field invoice (none)")
    assert by_fields(found("ticket", "estimated")).automatic
    assert not by_fields(found("ticket")).automatic


def test_a_level_that_rests_on_a_field_without_a_certificate_says_so() -> None:
    one = Facts(a_mail(), {}, (found("invoice"),), 0.0, lambda moment: True)
    assert prioritise(book(FIELDS), one).reason == "a rule on fields (no certificate covers: field invoice (none))"
    sure = Facts(a_mail(), {}, (found("invoice", "certified"),), 0.0, lambda moment: True)
    assert prioritise(book(FIELDS), sure).reason == "a rule on fields"


def test_tests_of_a_file_take_fields_for_certified_unless_they_say_otherwise() -> None:
    trial = '[[test]]\nname = "t{0}"\nfields = "order"\ncertified = {1}\nexpect.automatic = {1}\n'
    made = book(
        FIELDS.replace('when.fields = "order"', 'when.fields = ["order"]')
        + "".join(trial.replace('"order"', '["order"]').format(at, said) for at, said in enumerate(("true", "false")))
    )
    calendar = Calendar(DeskSettings().hours)
    assert [one.wrong for one in run_trials(made, calendar)] == [(), ()]
