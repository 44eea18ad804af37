"""BEIR folders: both spellings of the id, gzip, further fields, and errors that name the file and the line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rightsized.apps.search.evaluate.beir import read
from rightsized.core.errors import DataError

CORPUS = [
    {"_id": "c1#0", "title": "Lease", "text": "The rent is due monthly.", "doc": "c1", "metadata": {"page": 2}},
    {"_id": "c1#1", "text": "Either party may end it.", "doc": "c1"},
    {"_id": "c2#0", "text": "The fee is 3%.", "doc": 2},
]
QUERIES = [{"_id": "q1", "text": "When is rent due?", "doc": "c1"}, {"_id": "q2", "text": "Who may end it?"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\tc1#0\t2\nq1\tc1#1\t0\nq2\tc1#1\t0\n"


def write(folder: Path, *, zipped: bool = False, identifier: str = "_id", qrels: str = QRELS) -> Path:
    def put(name: str, content: str) -> None:
        target = folder / (f"{name}.gz" if zipped else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(content.encode()) if zipped else content.encode())

    for name, rows in (("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES)):
        renamed = [{identifier if key == "_id" else key: value for key, value in row.items()} for row in rows]
        put(name, "".join(json.dumps(row) + "\n" for row in renamed))
    put("qrels.tsv", qrels)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("identifier", ["_id", "id"])
def test_reads_every_spelling(tmp_path: Path, zipped: bool, identifier: str) -> None:
    judged = read(write(tmp_path, zipped=zipped, identifier=identifier))
    first = judged.rows[0]
    assert (first.id, first.title, first.document) == ("c1#0", "Lease", "c1")
    assert first.fields == {"doc": "c1", "metadata": '{"page":2}'}
    assert judged.rows[2].document == "2"
    assert [q.id for q in judged.questions] == ["q1"]  # q2 has nothing relevant
    assert judged.unjudged == 1
    assert judged.grades == {"q1": {"c1#0": 2, "c1#1": 0}}
    assert judged.questions[0].fields == {"doc": "c1"}


def test_a_row_without_document_is_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "corpus.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "c1#0", "text": "y"}\n')
    (tmp_path / "qrels.tsv").write_text("q1\tc1#0\t1\n")
    assert [row.document for row in read(tmp_path).rows] == ["a", "c1#0"]


def test_reads_judgements_without_header_and_of_trec(tmp_path: Path) -> None:
    judged = read(write(tmp_path, qrels="q1\t0\tc1#1\t1\n"))
    assert judged.grades == {"q1": {"c1#1": 1}}


def test_reads_a_folder_of_judgements(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "qrels.tsv").unlink()
    (tmp_path / "qrels").mkdir()
    for split, row in (("dev", "c1#0"), ("test", "c1#1")):
        (tmp_path / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\nq1\t{row}\t1\n")
    assert read(tmp_path, split="test").grades == {"q1": {"c1#1": 1}}
    with pytest.raises(DataError, match="judgements of dev, test"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_names_the_file_that_is_missing(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    with pytest.raises(DataError, match=rf"neither {name} nor {name}\.gz"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", b'{"id": "a", "text": "x"}\n{"id": ', "line 2, is not a JSON object"),
        ("corpus.jsonl", b'["a"]\n', "line 1, is not a JSON object"),
        ("corpus.jsonl", b'{"text": "x"}\n', "line 1, has neither"),
        ("corpus.jsonl", b'{"id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n', "line 2: the id 'a' stands twice"),
        ("corpus.jsonl", b'{"id": "a", "txt": "x"}\n', "'a' has no text"),
        ("corpus.jsonl", b'{"id": "a", "text": 3}\n', "'a' has no text"),
        ("corpus.jsonl", b"\n", "holds no rows"),
        ("corpus.jsonl", b"\xff\xfe", "cannot be read"),
        ("qrels.tsv", b"query-id\tcorpus-id\tscore\nq1 c1#0 1\n", "line 2, is not"),
        ("qrels.tsv", b"q1\tc1#0\t1\nq1\tc1#0\t2\n", "line 2.*judged twice"),
        ("qrels.tsv", b"q1\tc9\t1\n", "name a row .* 'c9'"),
        ("qrels.tsv", b"q9\tc1#0\t1\n", "name a question .* 'q9'"),
        ("qrels.tsv", b"q1\tc1#0\t0\n", "has a relevant row"),
    ],
)
def test_odd_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (write(tmp_path) / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    write(tmp_path, zipped=True)
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        read(tmp_path / "absent")


def test_reads_the_measuring_sets(data_dir: Path) -> None:
    expected = {"obliqa": (12988, 2788), "cuad": (7905, 644), "policyqa": (1074, 2420), "cranfield": (1400, 113)}
    for name, sizes in expected.items():
        judged = read(data_dir / "search" / name)
        assert (len(judged.rows), len(judged.questions) + judged.unjudged) == sizes
