"""What leaves for a tier off the premises: no value in any field, and nothing at all where that is not certain."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pseudonym_parts import (
    PLACEHOLDER,
    PatternDetector,
    ScriptedTier,
    chat,
    collect,
    content,
    end,
    placeholders,
)

from rightsized.core.errors import BusyError, EgressDeniedError, UnsupportedError, UpstreamError
from rightsized.core.generation import Generation
from rightsized.core.pseudonyms import PseudonymConfig
from rightsized.guard.pseudonym import NamingKeys, Pseudonymised
from rightsized.guard.pseudonym.vault import Vault

MAIL, NAME, CARD = "anna.ho@ex.org", "Zoë Müller", "4111 1111 1111 1111"


def silent(generation: Generation) -> list[dict[str, Any]]:
    return [content("ok"), end()]


async def sent_for(generation: Generation, **options: Any) -> Generation:
    tier = ScriptedTier(silent)
    await Pseudonymised(tier, PatternDetector(), **options).generate(generation)
    return tier.sent[0]


def leaves(body: Any) -> str:
    """All that was sent, with JSON in strings read as far as it goes."""
    text = json.dumps(body, ensure_ascii=False)
    return text + text.encode().decode("unicode_escape", "ignore")


EVERYWHERE = chat(
    {"role": "system", "content": f"You help {NAME}."},
    {"role": "developer", "content": [{"type": "text", "text": f"Mail of {NAME}: {MAIL}"}]},
    {"role": "user", "content": f"Pay with {CARD}", "name": "Anna"},
    {
        "role": "assistant",
        "content": None,
        "refusal": f"Not for {NAME}",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {
                    "name": "send",
                    "arguments": json.dumps({"to": MAIL, "n": 4111111111111111, "in": json.dumps({"who": NAME})}),
                },
            }
        ],
        "function_call": {"name": "send", "arguments": json.dumps({MAIL: 1})},
    },
    {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"sent": [MAIL, NAME]})},
    {"role": "function", "name": "send", "content": f"done for {NAME}"},
    {"role": "user", "content": [{"type": "text", "text": f"And {NAME}?"}]},
    tools=[
        {
            "type": "function",
            "function": {
                "name": "send",
                "description": f"Sends mail for {NAME}",
                "parameters": {"type": "object", "properties": {"to": {"enum": [MAIL], "description": NAME}}},
            },
        }
    ],
    functions=[{"name": "old", "description": f"For {NAME}"}],
    stop=[NAME, "END"],
    user="anna-1979",
    metadata={"ticket": f"from {MAIL}", NAME: "x"},
    response_format={
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"properties": {"who": {"const": NAME}, "to": {"enum": [MAIL]}}}},
    },
    prediction={"type": "content", "content": f"Dear {NAME}"},
    temperature=0.5,
    max_tokens=10_000_000,
    logit_bias={"50256": -100},
)


async def test_no_role_and_no_field_lets_a_value_out() -> None:
    sent = await sent_for(EVERYWHERE)
    shown = leaves(sent.body)
    for value in (NAME, MAIL, CARD, "4111111111111111", "Anna", "anna-1979"):
        assert value not in shown
    assert (sent.body["temperature"], sent.body["max_tokens"]) == (0.5, 10_000_000)
    assert sent.body["logit_bias"] == {"50256": -100}
    names = {name.split("_")[0] for name in placeholders(sent)}
    assert names == {"PERSON", "EMAIL", "PAYMENTCARD", "USER"}


async def test_the_same_value_has_the_same_placeholder_in_every_place() -> None:
    sent = await sent_for(EVERYWHERE)
    messages = sent.body["messages"]
    name = PLACEHOLDER.search(messages[0]["content"])
    assert name
    assert json.loads(json.loads(messages[3]["tool_calls"][0]["function"]["arguments"])["in"]) == {"who": name[0]}
    schema = sent.body["response_format"]["json_schema"]["schema"]["properties"]
    assert schema["who"]["const"] == name[0] == sent.body["stop"][0]
    arguments = json.loads(messages[3]["tool_calls"][0]["function"]["arguments"])
    assert schema["to"]["enum"] == [arguments["to"]]
    assert sent.body["tools"][0]["function"]["parameters"]["properties"]["to"]["enum"] == [arguments["to"]]


async def test_a_value_found_in_one_place_is_hidden_in_all() -> None:
    class Once(PatternDetector):
        def detect(self, text: str) -> Any:
            return super().detect(text) if text.startswith("I am") else super().detect("")

    tier = ScriptedTier(silent)
    await Pseudonymised(tier, Once()).generate(chat(f"I am {NAME}.", f"re: {NAME}, ticket", f"x{NAME}x stays"))
    texts = [m["content"] for m in tier.sent[0].body["messages"][1:]]
    assert [NAME in text for text in texts] == [False, False, True]  # a part of a longer word is another word


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("completions", {"prompt": f"Dear {NAME}", "suffix": f"Yours, {NAME}", "user": NAME}),
        ("completions", {"prompt": [f"Dear {NAME}", "x"]}),
        ("embeddings", {"input": [f"Dear {NAME}", MAIL]}),
        ("rerank", {"query": NAME, "documents": [f"of {NAME}", {"text": f"to {MAIL}"}]}),
    ],
)
async def test_other_operations(operation: Any, body: dict[str, Any]) -> None:
    tier = ScriptedTier(whole=lambda generation: {"data": []})
    await Pseudonymised(tier, PatternDetector()).generate(Generation(operation, body))
    shown = leaves(tier.sent[0].body)
    assert NAME not in shown
    assert MAIL not in shown
    assert "PERSON" in shown


async def test_vectors_of_a_text_do_not_change_from_request_to_request() -> None:
    sent = [await sent_embedding() for _ in range(2)]
    assert sent[0].body == sent[1].body == {"input": "Dear PERSON"}


async def sent_embedding() -> Generation:
    tier = ScriptedTier(whole=lambda generation: {"data": []})
    await Pseudonymised(tier, PatternDetector()).generate(Generation("embeddings", {"input": f"Dear {NAME}"}))
    return tier.sent[0]


async def test_reranked_documents_come_back() -> None:
    def whole(generation: Generation) -> dict[str, Any]:
        return {"results": [{"index": 0, "relevance_score": 1.0, "document": generation.body["documents"][0]}]}

    tier = Pseudonymised(ScriptedTier(whole=whole), PatternDetector())
    done = await tier.generate(Generation("rerank", {"query": "who", "documents": [{"text": f"of {NAME}"}]}))
    assert done.body["results"][0]["document"] == {"text": f"of {NAME}"}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "AA"}}]},
        {"role": "user", "content": [{"type": "text", "text": "ok", "hidden": "Anna"}]},
        {"role": "user", "content": "ok", "x_note": "Anna"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"input": "Anna"}}]},
    ],
)
async def test_what_cannot_be_read_does_not_leave(message: dict[str, Any]) -> None:
    await refused(chat(message))


@pytest.mark.parametrize(
    "more",
    [
        {"x_profile": {"of": "Anna"}},
        {"x_number": 4111111111111111},
        {"web_search_options": {"user_location": {"city": "Ulm"}}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy"}},
    ],
)
async def test_unknown_fields_do_not_leave(more: dict[str, Any]) -> None:
    await refused(chat("hello", **more))


async def test_an_unknown_field_that_says_nothing_may_leave() -> None:
    assert (await sent_for(chat("hello", x_switch=True, x_number=3))).body["x_switch"] is True


async def test_fields_that_servers_add_to_the_api_are_known_and_searched() -> None:
    sent = await sent_for(
        chat(NAME, chat_template_kwargs={"enable_thinking": False}, guided_choice=[NAME, "no"], thinking={"type": "on"})
    )
    assert sent.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent.body["guided_choice"] == [placeholders(sent)[0], "no"]


async def test_tokens_as_numbers_do_not_leave() -> None:
    await refused(Generation("completions", {"prompt": [15496, 995]}))
    await refused(Generation("embeddings", {"input": [[15496, 995]]}))


async def refused(generation: Generation, detector: PatternDetector | None = None) -> str:
    tier = ScriptedTier(silent)
    hidden = Pseudonymised(tier, detector or PatternDetector())
    with pytest.raises((EgressDeniedError, UnsupportedError)) as error:
        await hidden.generate(generation)
    with pytest.raises((EgressDeniedError, UnsupportedError)):
        await collect(hidden, generation)
    assert tier.sent == []
    assert "Anna" not in str(error.value)
    return str(error.value)


async def test_a_detector_that_fails_stops_the_request() -> None:
    said = await refused(chat("Anna"), PatternDetector(RuntimeError("at the word Anna")))
    assert "RuntimeError" in said
    said = await refused(chat("Anna"), PatternDetector(failures=("tagger: TimeoutError",)))
    assert "tagger: TimeoutError" in said


async def test_json_nested_too_deep_does_not_leave() -> None:
    deep = "[" * 900 + '"Anna"' + "]" * 900
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": deep}}
    said = await refused(chat({"role": "assistant", "tool_calls": [call]}))
    assert "too deep" in said


async def test_an_answer_nested_too_deep_is_an_error_of_the_upstream() -> None:
    def whole(generation: Generation) -> dict[str, Any]:
        inner: Any = "x"
        for _ in range(900):
            inner = [inner]
        return {"choices": [{"index": 0, "message": {"content": "ok", "extra": inner}}]}

    with pytest.raises(UpstreamError):
        await Pseudonymised(ScriptedTier(whole=whole), PatternDetector()).generate(chat("Anna"))


async def test_a_detector_that_is_busy_is_busy() -> None:
    tier = ScriptedTier(silent)
    with pytest.raises(BusyError):
        await Pseudonymised(tier, PatternDetector(BusyError("full"))).generate(chat("Anna"))
    assert tier.sent == []


async def test_a_vault_that_fails_stops_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.guard.pseudonym.vault.ATTEMPTS", 0)
    await refused(chat("Anna"))


async def test_a_value_left_behind_stops_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightsized.guard.pseudonym.placeholders.label", lambda kind: "X")
    monkeypatch.setattr(Vault, "hide", lambda self, value, kind, taken: self._sealed.setdefault("X_2222222222", value))
    await refused(chat(f"I am {NAME}."))


async def test_a_stop_sequence_that_would_cut_placeholders_is_refused() -> None:
    await refused(chat("Anna", stop="_"))
    assert (await sent_for(chat("nobody", stop="_"))).body["stop"] == "_"


async def test_nothing_found_changes_nothing() -> None:
    generation = chat("hello", {"role": "system", "content": "be brief"}, seed=1)
    assert (await sent_for(generation)).body == generation.body


async def test_types_may_be_kept_and_the_note_left_out() -> None:
    sent = await sent_for(chat(f"{NAME} at {MAIL}"), config=PseudonymConfig(keep=("email",), note=False))
    (message,) = sent.body["messages"]
    assert message["content"] == f"{placeholders(sent)[0]} at {MAIL}"


async def test_two_requests_share_nothing() -> None:
    tier = ScriptedTier(lambda g: [content(f"{' '.join(placeholders(g))} {earlier}"), end()])
    hidden, earlier = Pseudonymised(tier, PatternDetector()), ""
    first = await hidden.generate(chat("Anna"))
    assert first.text == "Anna "
    earlier = placeholders(tier.sent[0])[0]
    second = await hidden.generate(chat("Anna and Zoë Müller"))
    assert second.text == f"Anna Zoë Müller {earlier}"  # nobody's placeholder from before is restored
    assert earlier not in placeholders(tier.sent[1])


async def test_a_conversation_keeps_its_placeholders_where_asked() -> None:
    tier = ScriptedTier(silent)
    hidden = Pseudonymised(tier, PatternDetector(), PseudonymConfig(scope="conversation"))
    for conversation in ("ward-3/a", "ward-3/a", "ward-4/a", ""):
        await hidden.generate(Generation("chat", chat("Anna").body, conversation=conversation))
    names = [placeholders(sent)[0] for sent in tier.sent]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_naming_keys_are_forgotten() -> None:
    now = [0.0]
    keys = NamingKeys(lambda: now[0])
    first = keys.of("a")
    assert keys.of("a") == first
    now[0] = 90_000.0
    assert keys.of("a") != first
    assert keys.of("") is None


async def test_what_the_client_wrote_itself_is_never_replaced() -> None:
    """A text that looks like a placeholder of this very conversation, sent by the client or by a tool."""
    tier = ScriptedTier(lambda g: [content(g.body["messages"][-1]["content"]), end()])
    hidden = Pseudonymised(tier, PatternDetector(), PseudonymConfig(scope="conversation"))
    await hidden.generate(Generation("chat", chat("Anna").body, conversation="c"))
    seen = placeholders(tier.sent[0])[0]
    done = await hidden.generate(Generation("chat", chat(f"Anna said {seen}").body, conversation="c"))
    assert done.text == f"Anna said {seen}"


async def test_counts_and_warnings_go_on_record() -> None:
    def say(generation: Generation) -> list[dict[str, Any]]:
        (name,) = placeholders(generation)[:1]
        return [content(f"{name} {name[:-2]} PERSON_ORIGINAL PERSON_NAME"), end()]

    tier = Pseudonymised(ScriptedTier(say), PatternDetector())
    done = await tier.generate(chat(f"Anna Anna {NAME} {MAIL} PERSON_ORIGINAL"))
    assert done.replaced == {"email": 1, "person": 2}
    assert len(done.warnings) == 1
    assert "1 word looks like a placeholder" in done.warnings[0]
    deltas, streamed = await collect(tier, chat(f"Anna Anna {NAME} {MAIL} PERSON_ORIGINAL"))
    assert streamed.warnings == done.warnings
    assert "".join(d.text for d in deltas) == streamed.text


async def test_log_probabilities_follow_the_text() -> None:
    def whole(generation: Generation) -> dict[str, Any]:
        name = placeholders(generation)[0]
        texts = ["To ", name[:4], name[4:9], name[9:] + ",", " ok"]
        tokens = [
            {"token": t, "logprob": -0.5, "bytes": list(t.encode()), "top_logprobs": [{"token": t, "logprob": -0.5}]}
            for t in texts
        ]
        message = {"role": "assistant", "content": "".join(texts)}
        return {"choices": [{"index": 0, "message": message, "logprobs": {"content": tokens, "refusal": None}}]}

    done = await Pseudonymised(ScriptedTier(whole=whole), PatternDetector()).generate(chat("Anna", logprobs=True))
    choice = done.body["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert [t["token"] for t in tokens] == ["To ", "Anna,", " ok"]
    assert "".join(t["token"] for t in tokens) == choice["message"]["content"]
    assert [t["logprob"] for t in tokens] == [-0.5, -1.5, -0.5]
    assert bytes(tokens[1]["bytes"]).decode() == "Anna,"
    assert tokens[1]["top_logprobs"] == []


def test_a_vault_is_not_copied_and_shows_nothing() -> None:
    import copy
    import pickle

    vault = Vault()
    vault.hide("Anna", "person", lambda code: False)
    assert "Anna" not in repr(vault) + str(vars(vault))
    for copied in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(vault)


def test_values_cannot_change_places() -> None:
    from rightsized.core.errors import IntegrityError

    vault = Vault()
    one, two = (vault.hide(value, "person", lambda code: False) for value in ("Anna", "Zoë"))
    vault._sealed[one], vault._sealed[two] = vault._sealed[two], vault._sealed[one]
    with pytest.raises(IntegrityError):
        vault.value(one)
    vault.close()
    with pytest.raises(IntegrityError):
        vault.value(two)


async def test_the_digest_says_what_answers_depend_on() -> None:
    tier = ScriptedTier(silent)
    digests = {
        Pseudonymised(tier, PatternDetector()).digest,
        Pseudonymised(tier, PatternDetector(), PseudonymConfig(note=False)).digest,
        tier.digest,
    }
    assert len(digests) == 3
