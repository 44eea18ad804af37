from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rightsized.core.errors import DataError, NotFoundError
from rightsized.tasks import dataset, tables
from rightsized.tasks.dataset import Columns, read

ROWS = [("where is my order", "delivery"), ('ünïcode 🙂, "quoted"\nline', "other")]


def csv_file(folder: Path, body: str, name: str = "d.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(body.encode(encoding))
    return path


def as_csv() -> str:
    return "text,label\n" + "".join(f'"{t.replace(chr(34), chr(34) * 2)}",{lab}\n' for t, lab in ROWS)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".tsv"])
def test_formats_agree(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d{suffix}"
    lines = "\n".join(json.dumps({"text": t, "label": lab}) for t, lab in ROWS).encode()
    body = lines if "jsonl" in suffix else as_csv().encode()
    if suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": [t for t, _ in ROWS], "label": [lab for _, lab in ROWS]}), path)
    elif suffix == ".tsv":
        path.write_bytes(
            as_csv().replace(",other", "\tother").replace(",delivery", "\tdelivery").replace("text,", "text\t").encode()
        )
    else:
        path.write_bytes(gzip.compress(body) if suffix.endswith("gz") else body)
    data = read(path, Columns())
    assert (data.texts, data.labels) == ([t for t, _ in ROWS], [(lab,) for _, lab in ROWS])


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert len(read(csv_file(tmp_path, as_csv(), encoding="utf-8-sig"), Columns())) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "is empty"),
        ("message,label\na,b\n", "has no column 'text'. It has: 'message', 'label'"),
        ("text,label\n", "no usable row"),
        ("text,label\na,x\nb,x\n", "one label only"),
        ('text,label\n"never closed,x\n', "line"),
    ],
)
def test_unusable_tables_say_why(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        dataset.check(read(csv_file(tmp_path, body), Columns()))
    assert words in str(caught.value)


def test_not_utf8_names_the_byte_and_the_fix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="byte 0xfc") as caught:
        read(csv_file(tmp_path, "text,label\nfür,x\n", encoding="latin-1"), Columns())
    assert "iconv" in caught.value.fix


def test_huge_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="after line 1"):
        read(csv_file(tmp_path, "text,label\n" + "a" * 100_000_000 + ",x\n"), Columns())
    lines = json.dumps({"text": "a" * 2_000_000, "label": "x"}) + "\n"
    with pytest.raises(DataError, match="row 1"):
        read(csv_file(tmp_path, lines, "d.jsonl"), Columns())


def test_truncated_gzip_and_unknown_format(tmp_path: Path) -> None:
    whole = gzip.compress(as_csv().encode() * 50)
    (tmp_path / "d.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a whole gzip"):
        read(tmp_path / "d.csv.gz", Columns())
    with pytest.raises(DataError, match="not known"):
        read(csv_file(tmp_path, "x", "d.xls"), Columns())
    with pytest.raises(NotFoundError):
        read(tmp_path / "absent.csv", Columns())


def test_unpacking_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 1 << 20)
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"a,b\n" * 1_000_000))
    with pytest.raises(DataError, match="unpacks to more"):
        read(tmp_path / "d.csv.gz", Columns())


def test_missing_cells_are_reported_not_guessed(tmp_path: Path) -> None:
    body = '{"text": "a", "label": "x"}\n{"text": null, "label": "x"}\n{"text": "b", "label": NaN}\n{"text": "c"}\n'
    body = body.replace("NaN", "null")
    data = read(csv_file(tmp_path, body, "d.jsonl"), Columns())
    assert data.rows == [1]
    assert [(f.kind, f.rows) for f in data.findings] == [("missing", (2,)), ("missing", (3, 4))]
    assert tables.as_text(float("nan")) is None


def test_several_labels_and_out_of_scope(tmp_path: Path) -> None:
    data = read(csv_file(tmp_path, "text,label\na,x|y\nb,out_of_scope\n"), Columns(multi_label=True))
    assert data.labels == [("x", "y"), ()]


def test_broken_json_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2 is not JSON"):
        read(csv_file(tmp_path, '{"text": "a", "label": "x"}\n{"text": \n', "d.jsonl"), Columns())


def test_lists_are_checked() -> None:
    with pytest.raises(DataError, match="2 texts but 1 labels"):
        dataset.from_lists(["a", "b"], ["x"], Columns())
    with pytest.raises(DataError, match="Text 2 is float"):
        dataset.from_lists(["a", float("nan")], ["x", "y"], Columns())  # type: ignore[list-item]  # the bad input under test


def test_repeated_ids_are_reported_and_stay_together(tmp_path: Path) -> None:
    data = read(csv_file(tmp_path, "id,text,label\n1,a,x\n2,b,y\n1,c,x\n,d,y\n,e,y\n"), Columns(id="id"))
    assert data.groups == ["1", "", "1", "", ""]
    assert [(f.kind, f.rows) for f in data.findings] == [("repeated-id", (1, 3))]


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path, Columns())
