"""Values come back byte for byte, wherever a stream is cut, in text and in the arguments of tools."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from pseudonym_parts import (
    PatternDetector,
    ScriptedTier,
    assembled,
    call,
    chat,
    collect,
    content,
    end,
    placeholders,
)

from rightsized.core.generation import Burst, Delta, Generation
from rightsized.guard.pseudonym import Pseudonymised
from rightsized.guard.pseudonym.answers import Answers
from rightsized.guard.pseudonym.rewrite import Sent
from rightsized.guard.pseudonym.streams import PieceRestorer
from rightsized.guard.pseudonym.vault import Vault

VALUES = ["Anna", 'Bo "Bobby" O\'Neill', "Zoë Müller", "李雷", "Müller\nSohn", "a\\b", "4111 1111 1111 1111"]


def answers(values: list[str] = VALUES, **body: Any) -> tuple[Answers, list[str]]:
    vault = Vault()
    names = [vault.hide(value, "person" if k % 2 else "email", lambda code: False) for k, value in enumerate(values)]
    generation = Generation("chat", {"messages": [], **body})
    return Answers(generation, Sent({}, vault, ())), names


def pieces(texts: list[str]) -> list[Delta]:
    return [Delta(content(text), text) for text in texts] + [Delta(end())]


def restored(given: Answers, deltas: list[Delta]) -> list[Delta]:
    restorer = PieceRestorer(given, chat=True)
    found = [piece for delta in deltas if (piece := restorer.feed(delta)) is not None]
    rest = restorer.end()
    return [*found, rest] if rest else found


def text_of(deltas: list[Delta]) -> str:
    body = assembled(deltas)["choices"][0]["message"]["content"] or ""
    assert body == "".join(delta.text for delta in deltas)
    return body


def test_every_split_of_a_text_in_two_and_three() -> None:
    given, names = answers()
    source = f"Dear {names[0]}, {names[1]}'s mail ({names[2]}); person {names[3]}{names[4]}. PERSON_ end {names[5]}"
    wanted = source
    for name, value in zip(names, VALUES, strict=True):
        wanted = wanted.replace(name, value)
    assert text_of(restored(given, pieces([source]))) == wanted
    for cut in range(len(source) + 1):
        assert text_of(restored(given, pieces([source[:cut], source[cut:]]))) == wanted
    for one, two in itertools.combinations(range(0, len(source), 3), 2):
        assert text_of(restored(given, pieces([source[:one], source[one:two], source[two:]]))) == wanted
    assert text_of(restored(given, pieces(list(source)))) == wanted


def test_only_what_may_be_a_placeholder_is_held_back() -> None:
    given, (name, *_) = answers(["Anna"])
    restorer = PieceRestorer(given, chat=True)
    assert name.startswith("EMAIL_")
    shown = [restorer.feed(Delta(content(c), c)) for c in "The sky is blue, xyz!"]
    held = [c for c, piece in zip("The sky is blue, xyz!", shown, strict=True) if piece is None]
    assert set("".join(held).upper()) <= {"E", *name.rpartition("_")[2][:1]}
    assert "".join(p.text for p in shown if isinstance(p, Delta)) == "The sky is blue, xyz!"
    for c in name[:-1]:
        assert restorer.feed(Delta(content(c), c)) is None
    last = restorer.feed(Delta(content(name[-1]), name[-1]))
    assert isinstance(last, Delta)
    assert last.text == "Anna"


def test_what_is_held_back_comes_at_the_end() -> None:
    given, (name, *_) = answers(["Anna"])
    assert text_of(restored(given, pieces(["Sent to ", name[:-1]]))) == f"Sent to {name[:-1]}"
    half = [Delta(content(name[:4]), name[:4])]  # a server that ends its stream without a reason
    assert text_of(restored(given, half)) == name[:4]
    closing = [Delta(content(f"x {name[:8]}", finish="length"), f"x {name[:8]}")]
    found = restored(given, closing)
    assert len(found) == 1
    assert text_of(found) == f"x {name[:8]}"


@pytest.mark.parametrize("altered", ["lower", "spaces", "escaped", "hyphen", "bare", "bold", "title"])
def test_altered_placeholders(altered: str) -> None:
    given, (name, *_) = answers(["Anna"])
    label, code = name.split("_")
    written = {
        "lower": name.lower(),
        "spaces": f"{label} {code[:5]} {code[5:]}",
        "escaped": f"{label}\\_{code}",
        "hyphen": f"{label}-{code}",
        "bare": code,
        "bold": f"**{label}_{code}**",
        "title": f"{label.title()}_{code}",
    }[altered]
    wanted = "To **Anna**!" if altered == "bold" else "To Anna!"
    for cut in range(len(written) + 1):
        assert text_of(restored(given, pieces(["To ", written[:cut], written[cut:], "!"]))) == wanted


def test_never_another_value() -> None:
    given, names = answers(["Anna", "Zoë Müller"])
    label, code = names[0].split("_")
    wrong = ["B" if c != "B" else "C" for c in code]
    for k in range(len(code)):
        changed = f"{label}_{code[:k]}{wrong[k]}{code[k + 1 :]}"
        assert text_of(restored(given, pieces([changed]))) == changed
    other = f"{names[1].split('_')[0]}_{code}"  # the label of one, the code of the other: the code says which
    assert text_of(restored(given, pieces([other]))).endswith("Anna")


def test_tool_arguments_at_every_split_stay_json() -> None:
    given, names = answers()
    inner = json.dumps({"to": names[1], "list": [names[4], names[5]]})
    deepest = json.dumps({"payload": inner})
    source = json.dumps({"name": names[0], "note": f"for {names[1]}", "payload": inner, "two": deepest, names[2]: 1})
    wanted = {
        "name": VALUES[0],
        "note": f"for {VALUES[1]}",
        "payload": {"to": VALUES[1], "list": [VALUES[4], VALUES[5]]},
        "two": {"payload": {"to": VALUES[1], "list": [VALUES[4], VALUES[5]]}},
        VALUES[2]: 1,
    }
    whole = given.value({"arguments": source}, "")["arguments"]
    for cut in range(len(source) + 1):
        deltas = [Delta(call(part)) for part in (source[:cut], source[cut:])] + [Delta(end(finish="tool_calls"))]
        body = assembled(restored(given, deltas))
        (made,) = body["choices"][0]["message"]["tool_calls"]
        assert made["function"]["arguments"] == whole
    read = json.loads(whole)
    read["payload"] = json.loads(read["payload"])
    read["two"] = json.loads(read["two"])
    read["two"]["payload"] = json.loads(read["two"]["payload"])
    assert read == wanted


async def test_choices_and_parallel_calls_do_not_mix() -> None:
    dice = random.Random(3)

    def say(generation: Generation) -> list[dict[str, Any]]:
        anna, zoe = placeholders(generation)[:2]
        texts = {0: f"Hello {anna}.", 1: f"Hello {zoe}!", 2: f"{zoe} and {anna}"}
        args = {(2, 0): json.dumps({"to": anna}), (2, 1): json.dumps({"to": zoe})}
        queues = {
            **{k: [content(c, index=k) for c in text] for k, text in texts.items()},
            **{k: [call(c, number=k[1], index=k[0]) for c in text] for k, text in args.items()},
        }
        chunks = []
        while queues:
            k = dice.choice(list(queues))
            chunks.append(queues[k].pop(0))
            queues = {k: q for k, q in queues.items() if q}
        return [*chunks, *(end(k) for k in range(3))]

    tier = Pseudonymised(ScriptedTier(say), PatternDetector())
    deltas, completion = await collect(tier, chat("Anna meets Zoë Müller", n=3))
    assert assembled(deltas)["choices"] == completion.body["choices"]
    found = [choice["message"] for choice in completion.body["choices"]]
    assert [m["content"] for m in found] == ["Hello Anna.", "Hello Zoë Müller!", "Zoë Müller and Anna"]
    made = [json.loads(c["function"]["arguments"])["to"] for c in found[2]["tool_calls"]]
    assert sorted(made) == ["Anna", "Zoë Müller"]


def test_json_answers_stay_json() -> None:
    given, names = answers(response_format={"type": "json_object"})
    source = json.dumps({"who": names[1], "also": names[4]})
    for cut in range(len(source)):
        text = text_of(restored(given, pieces([source[:cut], source[cut:]])))
        assert json.loads(text) == {"who": VALUES[1], "also": VALUES[4]}


def test_bursts_and_alike_pieces() -> None:
    given, (name, *_) = answers(["Anna"])
    restorer = PieceRestorer(given, chat=True)
    first = restorer.feed(Burst((Delta(content("Hi ", role="assistant"), "Hi "), Delta(content("you, "), "you, "))))
    assert isinstance(first, Burst)
    assert restorer.feed(Delta(content(name[:5]), name[:5], alike=True)) is None
    second = restorer.feed(Delta(content(name[5:]), name[5:], alike=True))
    assert second == Delta(content("Anna"), "Anna", alike=True)


def test_a_piece_after_one_of_another_shape_is_not_alike() -> None:
    given, (name, *_) = answers(["Anna"])
    restorer = PieceRestorer(given, chat=True)
    restorer.feed(Delta(content("Hi ", role="assistant"), "Hi "))
    assert restorer.feed(Delta(content(name[:5]), name[:5])) is None  # its shape was never given out
    given_out = restorer.feed(Delta(content(name[5:]), name[5:], alike=True))
    assert isinstance(given_out, Delta)
    assert not given_out.alike


def test_log_probabilities_of_a_stream_at_every_cut() -> None:
    given, names = answers(["Anna", "Zoë Müller"])
    written = ["To ", names[0][:3], names[0][3:8], names[0][8:] + ",", " ok ", names[1], "!", names[0][:5]]
    tokens = [{"token": t, "logprob": -0.5, "bytes": list(t.encode()), "top_logprobs": []} for t in written]
    for size in range(1, len(tokens) + 1):
        groups = [tokens[k : k + size] for k in range(0, len(tokens), size)]
        deltas = []
        for group in groups:
            text = "".join(token["token"] for token in group)
            body = content(text)
            body["choices"][0]["logprobs"] = {"content": group, "refusal": None}
            deltas.append(Delta(body, text))
        found = restored(given, [*deltas, Delta(end())])
        choice = assembled(found)["choices"][0]
        got = choice["logprobs"]["content"]
        assert [t["token"] for t in got] == ["To ", "Anna,", " ok ", "Zoë Müller", "!", names[0][:5]]
        assert [t["logprob"] for t in got] == [-0.5, -1.5, -0.5, -0.5, -0.5, -0.5]
        assert "".join(t["token"] for t in got) == choice["message"]["content"]
        assert bytes(got[3]["bytes"]).decode() == "Zoë Müller"
