"""The sample data: shape, labels, repeats, clean text, and that its README tells the truth."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from math import ceil
from statistics import mean, stdev

import pytest
from sample_files import FILES, SUPPORT, rows, texts

from rightsized.core.errors import NotFoundError
from rightsized.data import names, path

DEPARTMENTS = {"account", "billing", "delivery", "orders", "product_advice", "rental", "returns", "warranty"}
OUT_OF_SCOPE = "out_of_scope"
TRAIN_EACH, STREAM_LEAST, STREAM_MOST = 50, 55, 80
SHINGLE, NEAR_DUPLICATE = 5, 0.8  # characters; Jaccard similarity
LARGEST_FILE = 100_000  # bytes


def test_path_finds_each_file_and_names_them_all() -> None:
    assert names() == sorted(FILES)
    assert all(path(name).is_file() for name in FILES)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"tone\.csv"):
        path("../__init__.py")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("support_train.csv", ["id", "text", "department"]),
        ("support_calibrate.csv", ["id", "text", "department"]),
        ("support_stream.csv", ["id", "text"]),
        ("tone.csv", ["id", "text", "tone"]),
    ],
)
def test_columns_and_no_empty_cell(name: str, columns: list[str]) -> None:
    found = rows(name)
    assert list(found[0]) == columns
    for row in found:
        assert set(row) == set(columns)
        assert all(value.strip() == value != "" for value in row.values()), row["id"]


def test_ids_are_unique_over_all_support_files_and_within_tone() -> None:
    support = [row["id"] for name in SUPPORT for row in rows(name)]
    assert len(set(support)) == len(support)
    tone = [row["id"] for row in rows("tone.csv")]
    assert len(set(tone)) == len(tone)


def test_train_has_fifty_messages_a_department_and_nothing_out_of_scope() -> None:
    assert Counter(row["department"] for row in rows("support_train.csv")) == dict.fromkeys(DEPARTMENTS, TRAIN_EACH)


def test_calibrate_is_unevenly_spread_and_three_to_four_percent_out_of_scope() -> None:
    found = Counter(row["department"] for row in rows("support_calibrate.csv"))
    assert found.total() == 600
    assert set(found) == DEPARTMENTS | {OUT_OF_SCOPE}
    assert 0.03 <= found.pop(OUT_OF_SCOPE) / 600 <= 0.04
    assert max(found.values()) >= 2 * min(found.values())
    assert min(found.values()) >= 40


def test_tone_has_three_labels_in_equal_parts() -> None:
    assert Counter(row["tone"] for row in rows("tone.csv")) == {"calm": 40, "worried": 40, "angry": 40}


def test_the_stream_is_of_the_announced_size() -> None:
    assert STREAM_LEAST <= len(rows("support_stream.csv")) <= STREAM_MOST


def test_train_and_calibrate_look_like_one_population() -> None:
    """Within each department the mean length differs by less than chance would allow in one of a thousand files."""
    by_label: dict[str, tuple[list[int], list[int]]] = {label: ([], []) for label in DEPARTMENTS}
    for side, name in enumerate(("support_train.csv", "support_calibrate.csv")):
        for row in rows(name):
            if row["department"] in DEPARTMENTS:
                by_label[row["department"]][side].append(len(row["text"]))
    for label, (train, calibrate) in by_label.items():
        error = (stdev(train) ** 2 / len(train) + stdev(calibrate) ** 2 / len(calibrate)) ** 0.5
        assert abs(mean(train) - mean(calibrate)) < 3.7 * error, label  # 3.7: eight two-sided tests at 0.001 together


def test_messages_vary_in_length_and_register() -> None:
    found = [text for name in SUPPORT for text in texts(name)]
    words = sorted(len(text.split()) for text in found)
    assert words[0] <= 3
    assert words[-1] >= 50
    assert words[-1] <= 90
    assert sum(text[0].islower() for text in found) > 0.08 * len(found)
    assert sum("!" in text for text in found) > 0.03 * len(found)
    starts = Counter(" ".join(text.lower().split()[:3]) for text in found)
    assert starts.most_common(1)[0][1] < 0.02 * len(found), "too many messages begin alike"


def shingles(text: str) -> frozenset[str]:
    plain = " ".join(text.lower().split())
    return frozenset(plain[i : i + SHINGLE] for i in range(max(1, len(plain) - SHINGLE + 1)))


def near_duplicates(found: list[str]) -> list[tuple[str, str]]:
    """Pairs at Jaccard >= NEAR_DUPLICATE.

    Such a pair shares one of each text's rarest shingles (prefix filter), so only those are compared.
    """
    sets = [shingles(text) for text in found]
    frequency = Counter(shingle for each in sets for shingle in each)
    seen: dict[str, list[int]] = {}
    pairs = set()
    for i, each in enumerate(sets):
        rare = sorted(each, key=lambda shingle: (frequency[shingle], shingle))
        for shingle in rare[: len(each) - ceil(NEAR_DUPLICATE * len(each)) + 1]:
            for j in seen.setdefault(shingle, []):
                if len(each & sets[j]) >= NEAR_DUPLICATE * len(each | sets[j]):
                    pairs.add((found[j], found[i]))
            seen[shingle].append(i)
    return sorted(pairs)


def test_the_duplicate_search_finds_a_planted_one() -> None:
    planted = ["Where is my parcel? It was due on Tuesday.", "where is  my parcel? it was due on tuesday"]
    assert len(near_duplicates([*texts("tone.csv"), *planted])) == 1


def test_no_two_messages_are_near_duplicates_in_or_across_files() -> None:
    assert near_duplicates([text for name in FILES for text in texts(name)]) == []


@pytest.mark.parametrize("name", FILES)
def test_files_are_small_clean_utf8(name: str) -> None:
    raw = path(name).read_bytes()
    assert len(raw) <= LARGEST_FILE
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    text = raw.decode("utf-8")
    assert unicodedata.normalize("NFC", text) == text
    assert "\ufffd" not in text
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn") and c != "\n"]


def test_some_messages_hold_more_than_ascii() -> None:
    assert sum(not text.isascii() for name in SUPPORT for text in texts(name)) >= 10


def test_the_readme_tells_the_counts_and_every_label() -> None:
    readme = path("tone.csv").with_name("README.md").read_text("utf-8")
    table = dict(re.findall(r"^\| `(\w+\.csv)` \| (\d+) \|", readme, re.MULTILINE))
    assert table == {name: str(len(rows(name))) for name in FILES}
    per_label = {m[0]: (int(m[1]), int(m[2])) for m in re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", readme, re.M)}
    train = Counter(row["department"] for row in rows("support_train.csv"))
    calibrate = Counter(row["department"] for row in rows("support_calibrate.csv"))
    assert per_label == {label: (train[label], calibrate[label]) for label in {*DEPARTMENTS, OUT_OF_SCOPE}}
