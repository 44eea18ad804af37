"""The detector: settings, failures, the tagger as an argument, and what is recorded of a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import pytest

from rightsized.core import registry
from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass
from rightsized.core.pii import Finding, Findings, PatternConfig, PiiConfig
from rightsized.guard.pii.classes import data_class
from rightsized.guard.pii.detector import PiiDetector
from rightsized.guard.pii.recogniser import Example, Hit
from rightsized.guard.pii.view import View


class FixedTagger:
    """Marks one word wherever it stands."""

    digest = "sha256:fixed"

    def __init__(self, word: str, kind: str = "person", error: Exception | None = None) -> None:
        self.word, self.kind, self.error = word, kind, error

    def tag(self, text: str, expired: Callable[[], bool] = lambda: False) -> Sequence[Finding]:
        if self.error:
            raise self.error
        place = text.find(self.word)
        return [Finding(place, place + len(self.word), self.kind, 0.9, "tagger")] if place >= 0 else []


def said(findings: Findings, text: str) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.type) for one in findings.found]


def test_the_tagger_is_an_argument() -> None:
    text = "ask priya about it"
    assert PiiDetector().detect(text) == Findings((), "internal")
    assert said(PiiDetector(tagger=FixedTagger("priya")).detect(text), text) == [("priya", "person")]


def test_places_and_organisations_alone_are_not_personal() -> None:
    assert PiiDetector(tagger=FixedTagger("Siemens", "organisation")).detect("Siemens grows").data_class == "internal"


def test_an_unknown_type_counts_as_the_most_restrictive() -> None:
    assert PiiDetector(tagger=FixedTagger("x", "never heard of")).detect("x").data_class == "secret"
    assert data_class([Finding(0, 1, "new", 1.0, "a")], {}) == "secret"


@pytest.mark.parametrize("error", [RuntimeError("jane@example.org"), TimeoutError(), MemoryError()])
def test_what_fails_makes_the_text_secret_and_leaks_nothing(error: Exception) -> None:
    findings = PiiDetector(tagger=FixedTagger("x", error=error)).detect("call jane@example.org")
    assert findings.data_class == "secret"
    assert not findings.complete
    assert findings.failures == (f"tagger: {type(error).__name__}",)
    assert [one.type for one in findings.found] == ["email"]  # the rest was found nevertheless


def test_a_recogniser_that_fails_half_way_makes_the_text_secret() -> None:
    class Broken:
        name = "broken"
        classes: Mapping[str, DataClass] = {"x": "public"}
        examples: Sequence[Example] = ()

        def find(self, view: View) -> Iterator[Hit]:
            yield Hit(0, 1, "x", 1.0)
            raise ValueError(view.text)

    detector = PiiDetector()
    detector.recognisers.append(Broken())
    findings = detector.detect("some text")
    assert (findings.data_class, findings.failures) == ("secret", ("broken: ValueError",))


def test_a_text_that_takes_too_long_is_secret() -> None:
    findings = PiiDetector(PiiConfig(budget_ms=1e-6)).detect("jane@example.org")
    assert findings.data_class == "secret"
    assert all(reason.endswith("TimeoutError") for reason in findings.failures)


def test_recognisers_can_be_left_out() -> None:
    text = "jane@example.org or +44 20 7946 0958"
    assert said(PiiDetector(PiiConfig(off=("email",))).detect(text), text) == [("+44 20 7946 0958", "phone")]
    assert PiiDetector(PiiConfig(off=("tagger",)), FixedTagger("jane")).tagger is None
    with pytest.raises(ConfigError, match="emails"):
        PiiDetector(PiiConfig(off=("emails",)))


def test_an_installation_without_entry_points_is_no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda group: [])
    with pytest.raises(ConfigError, match="entry points"):
        PiiDetector()


def test_denied_words_are_found_whole_and_in_any_case() -> None:
    config = PiiConfig(deny=("Projekt Falke", "Falke"), allow=("projekt falke",))
    text = "über PROJEKT FALKE, nicht Falkenstein"
    findings = PiiDetector(config).detect(text)
    assert said(findings, text) == [("PROJEKT FALKE", "deny_listed")]  # a denied word cannot be allowed
    assert findings.data_class == "secret"


def test_allowed_texts_and_types_are_not_reported() -> None:
    text = "help@example.org, jane@example.org, https://example.org"
    config = PiiConfig(allow=("HELP@example.org",), allow_types=("url",))
    assert said(PiiDetector(config).detect(text), text) == [("jane@example.org", "email")]


def test_own_patterns_have_types_classes_and_scores() -> None:
    own = PatternConfig("badge", r"\bE-\d{6}\b", data_class="health")
    text = "badge E-004821"
    findings = PiiDetector(PiiConfig(patterns=(own,))).detect(text)
    assert findings.found == (Finding(6, 14, "badge", 1.0, "pattern:badge"),)
    assert findings.data_class == "health"
    weak = PatternConfig("badge", r"E-\d{6}", score=0.1)
    assert PiiDetector(PiiConfig(patterns=(weak,))).detect(text).found == ()


@pytest.mark.parametrize(
    "pattern", [r"(a+)+b", r"(a|a)*b", r"(\d+\s*)+x", r".*.*=", r"(x{1,500}){1,500}", "(", r"(?:a{1,3}){64,}"]
)
def test_patterns_that_may_not_end_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="badge"):
        PiiDetector(PiiConfig(patterns=(PatternConfig("badge", pattern),)))


@pytest.mark.parametrize("pattern", [r"E-\d{6}", r"\b[A-Z]{2,4}-\d+\b", r"(?:alpha|beta)-\d{1,9}", r"(?i)falke"])
def test_patterns_that_end_are_taken(pattern: str) -> None:
    PiiDetector(PiiConfig(patterns=(PatternConfig("badge", pattern),)))


def test_the_digest_follows_settings_and_tagger() -> None:
    digests = [
        PiiDetector().digest,
        PiiDetector(PiiConfig(deny=("x",))).digest,
        PiiDetector(PiiConfig(off=("email",))).digest,
        PiiDetector(tagger=FixedTagger("x")).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert PiiDetector().digest == digests[0]


def test_findings_hold_places_and_no_text() -> None:
    encoded = msgspec.json.encode(PiiDetector().detect("write to jane@example.org"))
    assert b"jane" not in encoded
    assert msgspec.json.decode(encoded, type=Findings).found[0].type == "email"


def test_lone_surrogates_and_nothing_at_all() -> None:
    assert PiiDetector().detect("\ud800 jane@example.org").found[0].type == "email"
    assert PiiDetector().detect("") == Findings((), "internal")
