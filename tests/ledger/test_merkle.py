"""The Merkle tree: 518 published vectors, and a naive implementation beside it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightsized.core.errors import ProofError
from rightsized.ledger import merkle
from rightsized.ledger.merkle import Frontier, leaf_hash, node_hash

VECTORS = 518


def hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


def check(kind: str, v: dict) -> None:
    """Run the verification that a vector is about."""
    proof, root = hashes(v["proof"]), base64.b64decode(v.get("root", v.get("root2")))
    if kind == "inclusion":
        merkle.verify_inclusion(base64.b64decode(v["leafHash"]), v["leafIdx"], v["treeSize"], proof, root)
    elif kind == "consistency":
        merkle.verify_consistency(v["size1"], v["size2"], proof, base64.b64decode(v["root1"]), root)
    elif kind == "subtreeinclusion":
        leaf, within = base64.b64decode(v["leafHash"]), (v["start"], v["end"])
        merkle.verify_subtree_inclusion(leaf, v["leafIdx"], within, proof, root)
    else:
        assert kind == "subtreeconsistency"
        within = (v["start"], v["end"])
        merkle.verify_subtree_consistency(within, v["size"], proof, base64.b64decode(v["root1"]), root)


def test_every_published_vector(data_dir: Path) -> None:
    path = data_dir / "ledger" / "merkle_vectors.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the Merkle vectors are not at {path}")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert len(lines) == VECTORS
    wrong = []
    for line in lines:
        vector = json.loads(line)
        try:
            check(vector["path"].split("/")[0], vector["vector"])
            refused = False
        except ProofError:
            refused = True
        if refused != vector["vector"]["wantErr"]:
            wrong.append(vector["path"])
    assert wrong == []


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


def leaves_of(n: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(n)]


def looked_up(ranges: list[tuple[int, int]], leaves: list[bytes]) -> list[bytes]:
    def complete(level: int, number: int) -> bytes:
        return naive_root(leaves[number << level : (number + 1) << level])

    return [merkle.range_hash(complete, start, end) for start, end in ranges]


@given(st.integers(0, 300))
def test_the_frontier_has_the_root_of_the_definition(n: int) -> None:
    leaves = leaves_of(n)
    assert merkle.root_of(leaves) == naive_root(leaves)


@given(st.integers(1, 200), st.data())
def test_inclusion_proofs_are_those_of_the_definition_and_verify(n: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, n - 1))
    leaves = leaves_of(n)
    proof = looked_up(merkle.inclusion_ranges(index, n), leaves)
    assert proof == naive_path(index, leaves)
    merkle.verify_inclusion(leaves[index], index, n, proof, naive_root(leaves))


@given(st.integers(1, 200), st.data())
def test_consistency_proofs_are_those_of_the_definition_and_verify(n: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, n))
    leaves = leaves_of(n)
    proof = looked_up(merkle.consistency_ranges(first, n), leaves)
    assert proof == naive_consistency(first, leaves)
    merkle.verify_consistency(first, n, proof, naive_root(leaves[:first]), naive_root(leaves))


@given(st.integers(2, 100), st.data())
def test_an_altered_proof_is_refused(n: int, data: st.DataObject) -> None:
    leaves = leaves_of(n)
    index = data.draw(st.integers(0, n - 1))
    proof = looked_up(merkle.inclusion_ranges(index, n), leaves)
    step = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    altered = int.from_bytes(proof[step]) ^ (1 << bit)
    bad = [*proof[:step], altered.to_bytes(32), *proof[step + 1 :]]
    root = naive_root(leaves)
    with pytest.raises(ProofError, match="not under this root"):
        merkle.verify_inclusion(leaves[index], index, n, bad, root)
    with pytest.raises(ProofError, match="fewer"):
        merkle.verify_inclusion(leaves[index], index, n, proof[:-1], root)
    with pytest.raises(ProofError, match="more"):
        merkle.verify_inclusion(leaves[index], index, n, [*proof, root], root)
    other = data.draw(st.integers(0, n - 1).filter(lambda i: i != index))
    with pytest.raises(ProofError):
        merkle.verify_inclusion(leaves[index], other, n, proof, root)


@given(st.integers(1, 120), st.data())
def test_a_rewritten_past_is_not_consistent(n: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, n))
    at = data.draw(st.integers(0, first - 1))
    leaves = leaves_of(n)
    rewritten = [*leaves[:at], leaf_hash(b"another"), *leaves[at + 1 :]]
    proof = looked_up(merkle.consistency_ranges(first, n), rewritten)
    with pytest.raises(ProofError):
        merkle.verify_consistency(first, n, proof, naive_root(leaves[:first]), naive_root(rewritten))


@given(st.integers(0, 6), st.integers(0, 12), st.integers(1, 64), st.integers(0, 60))
def test_a_subtree_is_part_of_its_tree(level: int, number: int, length: int, beyond: int) -> None:
    length = min(length, 1 << level)
    start = number << level
    end, n = start + length, start + length + beyond
    leaves = leaves_of(n)
    inside = leaves[start:end]
    for index in {0, length - 1}:
        merkle.verify_subtree_inclusion(
            inside[index], start + index, (start, end), naive_path(index, inside), naive_root(inside)
        )
    with pytest.raises(ProofError):
        merkle.verify_subtree_inclusion(inside[0], start + length, (start, end), [], naive_root(inside))


def test_a_frontier_goes_on_from_its_peaks() -> None:
    one = Frontier()
    for leaf in leaves_of(77):
        one.append(leaf)
    two = one.copy()
    for leaf in leaves_of(5):
        two.append(leaf)
    assert one.root() == naive_root(leaves_of(77))
    assert two.root() == naive_root(leaves_of(77) + leaves_of(5))
    with pytest.raises(ProofError, match="complete subtrees"):
        Frontier(3, [bytes(32)])


def test_no_proof_leads_where_there_is_none() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 3)):
        with pytest.raises(ProofError):
            merkle.inclusion_ranges(index, size)
    for first, second in ((0, 3), (4, 3)):
        with pytest.raises(ProofError):
            merkle.consistency_ranges(first, second)
    with pytest.raises(ProofError, match="empty tree"):
        merkle.verify_consistency(0, 3, [], merkle.EMPTY_ROOT, bytes(32))
    with pytest.raises(ProofError, match="32 bytes"):
        merkle.verify_inclusion(b"short", 0, 1, [], b"short")
