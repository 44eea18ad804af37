"""`search eval` from a folder to figures: through the product's own path, with filters, names and comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rightsized.apps.search.evaluate.evaluation import Request, run_eval
from rightsized.apps.search.evaluate.metrics import NAMES
from rightsized.cli import app
from rightsized.core.errors import DataError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder

PLACES = ("Lisbon", "Oslo", "Turin", "Ghent")


def write(folder: Path) -> Path:
    """Four leases; the same two questions of each."""
    rows, questions, judged = [], [], ["query-id\tcorpus-id\tscore"]
    for number, place in enumerate(PLACES):
        texts = (
            f"Lease of the flat in {place} between Anna Berg and Tomas Lind.",
            f"The rent is {number + 5} hundred euros and is due on the first of the month.",
            "Either side may end the lease with three months of notice.",
            "Pets need the written consent of the landlord.",
        )
        rows += [
            {"_id": f"{place}#{i}", "text": text, "title": f"Lease {place}", "doc": place}
            for i, text in enumerate(texts)
        ]
        for name, text, row in (("rent", "How much must be paid every month?", 1), ("end", "How can it be ended?", 2)):
            questions.append({"_id": f"{place}-{name}", "text": text, "doc": place, "contract": f"Lease {place}"})
            judged.append(f"{place}-{name}\t{place}#{row}\t1")
    folder.mkdir()
    for file, found in (("corpus.jsonl", rows), ("queries.jsonl", questions)):
        (folder / file).write_text("".join(json.dumps(one) + "\n" for one in found))
    (folder / "qrels.tsv").write_text("\n".join(judged) + "\n")
    return folder


@pytest.mark.needs_encoder
def test_from_a_folder_to_figures(home: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "leases")
    encoder = open_encoder("minilm", ModelStore(Home(home)))
    filtered = run_eval(Home(home), encoder, Request(str(folder), "doc"))
    assert (filtered.rows, filtered.questions, filtered.resampled) == (16, 8, "documents (4)")
    assert filtered.metrics["recall@100"].mean == 1.0
    assert filtered.metrics["ndcg@10"].mean > 0.8
    assert set(filtered.compared) == {"both, fused", "words alone", "meaning alone"}
    assert all(set(one.metrics) == set(NAMES) for one in filtered.compared.values())
    blind = run_eval(Home(home), encoder, Request(str(folder), compare=False))
    named = run_eval(Home(home), encoder, Request(str(folder), name_field="contract", compare=False))
    assert blind.metrics["ndcg@10"].mean < named.metrics["ndcg@10"].mean
    assert blind.compared == {} and blind.learned is None
    encoder.close()


@pytest.mark.needs_encoder
def test_a_field_that_is_missing_is_named(home: Path, tmp_path: Path) -> None:
    encoder = open_encoder("minilm", ModelStore(Home(home)))
    with pytest.raises(DataError, match="no field 'policy'"):
        run_eval(Home(home), encoder, Request(str(write(tmp_path / "leases")), "policy"))
    encoder.close()


@pytest.mark.needs_encoder
def test_the_command_prints_the_contract_of_figures(home: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "leases")
    command = ["search", "eval", "--beir", str(folder), "--filter-field", "doc", "--home", str(home)]
    found = CliRunner().invoke(app, [*command, "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    for name in NAMES:
        assert document[name]["low"] <= document[name]["mean"] <= document[name]["high"]
    told = CliRunner().invoke(app, command)
    assert "8 judged questions" in told.stdout and "as served" in told.stdout


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["search", "eval", "--beir", str(tmp_path / "absent"), "--home", str(tmp_path)])
    assert found.exit_code != 0
