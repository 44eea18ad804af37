"""Proof files: the stand-alone verifier accepts real ones and refuses every altered one."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_samples import open_ledger, reply, signed_ledger, started, write_decisions

from rightsized.core.errors import NotFoundError, ProofError
from rightsized.core.generation import Completion
from rightsized.ledger.log import SqliteLedger
from rightsized.ledger.notes import checkpoint_text, parse_checkpoint
from rightsized.ledger.prove import Proof, Prover
from rightsized.ledger.reader import LedgerReader
from rightsized.ledger.schema import ReviewRow

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_proof.py"


def run_script(proof: Path, key: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", str(SCRIPT), str(proof), key], capture_output=True, text=True)


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The names that the script defines, so that it is run in this process."""
    names: dict[str, Any] = {"__name__": "verify_proof"}
    exec(compile(SCRIPT.read_text("utf-8"), str(SCRIPT), "exec"), names)
    return names


class Sample:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "d.sqlite"
        with signed_ledger(folder) as ledger:
            self.ids = asyncio.run(write_decisions(ledger, 70))
            asyncio.run(ledger.review(ReviewRow(self.ids[3], "support", "feedback", "refund", "ana", 1.0)))
            self.early = ledger.checkpoint
            asyncio.run(ledger.rotate_key())
            self.ids += asyncio.run(write_decisions(ledger, 70))
            self.late = ledger.checkpoint
        with LedgerReader(self.path) as reader:
            prover = Prover(reader)
            self.inclusion = prover.decision(self.ids[3], with_texts=True)
            self.recent = prover.decision(self.ids[-1])
            self.consistency = prover.consistency(parse_checkpoint(self.early))
            self.old_only = prover.consistency(parse_checkpoint(self.early), parse_checkpoint(self.early))
            chain = prover.chain
        self.keys = [str(key) for key in chain.keys]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(tmp_path_factory.mktemp("log"))


def test_texts_of_a_sealed_decision_are_proven_by_a_key_of_that_decision(tmp_path: Path) -> None:
    begun = msgspec.structs.replace(started("my diagnosis"), subject="anna", id="d1")

    async def fill(ledger: SqliteLedger) -> None:
        for one in (begun, msgspec.structs.replace(begun, id="d2")):
            await ledger.begin(one, "my diagnosis")
            answer = Completion(sha256="0" * 64)
            made = msgspec.structs.replace(reply(one.id), completion=answer)
            attempt = msgspec.structs.replace(made.attempts[0], completion=answer)
            made = msgspec.structs.replace(made, attempts=(attempt,))
            await ledger.finish(msgspec.structs.replace(one, phase="done", reply=made), [("0" * 64, '{"say":"rest"}')])

    with signed_ledger(tmp_path) as ledger:
        asyncio.run(fill(ledger))
        proof, other = (Prover(ledger.reader).decision(one, with_texts=True) for one in ("d1", "d2"))
        assert sorted(proof.texts.values()) == ["my diagnosis", '{"say":"rest"}']
        assert len(proof.text_key) == 64
        assert Prover(ledger.reader).decision("d1").text_key == ""
        file = tmp_path / "proof.json"
        file.write_bytes(msgspec.json.encode(proof))
        assert run_script(file, proof.key).returncode == 0, run_script(file, proof.key).stderr
        digest = next(d for d, text in proof.texts.items() if text == "my diagnosis")
        for wrong in (
            {"texts": {digest: "another diagnosis"}},
            {"text_key": other.text_key},
            {"text_key": ""},
            {"texts": {digest: "my diagnosis", "0" * 64: "x"}},
        ):
            file.write_bytes(msgspec.json.encode(msgspec.structs.replace(proof, **wrong)))
            assert run_script(file, proof.key).returncode == 1, wrong
        ledger._subjects.erase("person:anna", at=1.0)
        assert Prover(ledger.reader).decision("d1", with_texts=True).texts == {}


def test_the_script_is_short_and_stands_alone() -> None:
    text = SCRIPT.read_text("utf-8")
    assert len(text.splitlines()) <= 100
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_a_stranger_verifies_real_proofs(sample: Sample, tmp_path: Path) -> None:
    for name in ("inclusion", "recent", "consistency", "old_only"):
        proof = tmp_path / f"{name}.json"
        proof.write_bytes(msgspec.json.encode(getattr(sample, name)))
        done = run_script(proof, sample.keys[0])
        assert (done.returncode, done.stdout, done.stderr) == (0, "The proof holds.\n", "")
    assert run_script(tmp_path / "inclusion.json", sample.keys[1]).returncode == 0  # the later key, trusted
    other = run_script(tmp_path / "old_only.json", sample.keys[1])
    assert other.returncode == 1
    assert other.stderr == "NOT PROVEN: the log's keys are not the one that you trust\n"
    assert run_script(tmp_path / "none.json", sample.keys[0]).returncode == 1


def test_a_proof_says_all_that_was_recorded(sample: Sample) -> None:
    records = [json.loads(entry.record) for entry in sample.inclusion.entries]
    assert [entry.table for entry in sample.inclusion.entries] == ["starts", "ends", "reviews"]
    assert records[0]["id"] == records[1]["id"] == records[2]["decision"] == sample.ids[3]
    assert records[1]["reply"]["output"]["label"] == "billing"
    assert sample.inclusion.texts == {records[0]["text_sha256"]: "message 3"}
    assert sample.recent.texts == {}
    assert len(sample.inclusion.handovers) == 1


def altered(value: Any) -> list[Any]:
    """Every way to alter one value a little."""
    if isinstance(value, int):
        return [value + 1, value - 1, 0]
    if not isinstance(value, str):
        return []
    middle = len(value) // 2
    return [value[:middle] + ("B" if value[middle : middle + 1] != "B" else "C") + value[middle + 1 :], "", value + "x"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [place for key in value for place in places(value[key], (*path, key))]
    if isinstance(value, list):
        return [place for at in range(len(value)) for place in places(value[at], (*path, at))]
    return [path]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return copy


@pytest.mark.parametrize("name", ["inclusion", "consistency"])
def test_the_script_refuses_every_altered_value(sample: Sample, script: dict[str, Any], name: str) -> None:
    document = json.loads(msgspec.json.encode(getattr(sample, name)))
    script["check"](document, sample.keys[0])
    tried, passed = 0, []
    for place in places(document):
        if place == ("older",) and name == "inclusion":
            continue  # not looked at there
        old = document
        for step in place:
            old = old[step]
        for new in (new for new in altered(old) if new != old):
            tried += 1
            try:
                script["check"](put(document, place, new), sample.keys[0])
            except Exception:  # noqa: BLE001 - whatever it raises, it is no proof
                continue
            passed.append((place, new))
    assert tried > 40
    assert passed == []


ALTERATIONS: dict[str, Callable[[dict[str, Any], Sample], None]] = {
    "an entry left out of its path": lambda d, s: d["entries"][0]["path"].pop(),
    "a path too long": lambda d, s: d["entries"][0]["path"].append(d["entries"][0]["path"][0]),
    "another decision's entry": lambda d, s: d["entries"].append({**d["entries"][0], "seq": 9}),
    "another table": lambda d, s: d["entries"][0].update(table="ends"),
    "an older checkpoint": lambda d, s: d.update(checkpoint=s.early),
    "a checkpoint without signature": lambda d, s: d.update(checkpoint=d["checkpoint"].split("\n\n")[0] + "\n\n"),
    "no change of keys": lambda d, s: d.update(handovers=[]),
    "a key that a stranger made": lambda d, s: d.update(key=s.keys[1]),
    "a text that was not asked": lambda d, s: d["texts"].update({"00" * 32: "something"}),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_script_refuses_what_a_forger_would_try(sample: Sample, script: dict[str, Any], name: str) -> None:
    document = json.loads(msgspec.json.encode(sample.inclusion))
    ALTERATIONS[name](document, sample)
    with pytest.raises(Exception) as caught:
        script["check"](document, sample.keys[0])
    assert isinstance(caught.value, ValueError | IndexError) or "Signature" in type(caught.value).__name__


def test_a_log_that_began_otherwise_has_no_consistency_proof(sample: Sample, script: dict[str, Any]) -> None:
    document = json.loads(msgspec.json.encode(sample.consistency))
    early = parse_checkpoint(sample.early)
    text = checkpoint_text(early.origin, early.size, bytes(32), early.time)
    document["older"] = document["older"].replace(early.note.text, text)
    with pytest.raises(Exception):  # noqa: B017 - the signature is not over this text
        script["check"](document, sample.keys[0])
    old, new = script["roots_of"](
        early.size,
        parse_checkpoint(sample.late).size,
        early.root,
        [base64.b64decode(s) for s in document["consistency"]],
    )
    assert (old, new) == (early.root, parse_checkpoint(sample.late).root)


def test_what_cannot_be_proven_is_said(sample: Sample, tmp_path: Path) -> None:
    with LedgerReader(sample.path) as reader:
        prover = Prover(reader)
        with pytest.raises(NotFoundError, match="no such"):
            prover.decision("no such")
        late = parse_checkpoint(sample.late)
        beyond = msgspec.structs.replace(late, size=late.size + 1)
        with pytest.raises(ProofError, match="checkpoint covers"):
            prover.consistency(beyond)
        with pytest.raises(ProofError, match="another log"):
            prover.consistency(msgspec.structs.replace(late, origin="elsewhere"))
    with open_ledger(tmp_path / "d.sqlite") as ledger:
        asyncio.run(write_decisions(ledger, 1))
        with pytest.raises(ProofError, match="not signed"):
            Prover(ledger.reader)


def test_a_proof_file_is_read_back(sample: Sample) -> None:
    assert msgspec.json.decode(msgspec.json.encode(sample.inclusion), type=Proof) == sample.inclusion
