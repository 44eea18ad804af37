"""`import rightsized`, the command line's help and the served path load no training library and nothing of an extra."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FORBIDDEN = ("torch", "transformers", "sklearn", "ray")
HEAVY = ("scipy", "matplotlib", "onnx", "huggingface_hub", "pyarrow")
EXTRAS = ("docx", "imapclient", "lxml", "openpyxl", "pypdfium2", "selectolax", "tantivy", "usearch", "watchfiles")
REPORT = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import rightsized",
        "import rightsized.server.app, rightsized.tasks.service, rightsized.cascade.route, rightsized.cascade.monitor",
        "import rightsized.engines.onnx, rightsized.engines.classifier, rightsized.explain.words",
        "import contextlib, io\nfrom rightsized.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main(['--help'])",
    ],
)
def test_no_training_library(code: str) -> None:
    assert loaded_by(code).isdisjoint((*FORBIDDEN, *HEAVY, *EXTRAS))


def test_import_is_light() -> None:
    assert loaded_by("import rightsized").isdisjoint(("numpy", "onnxruntime", "starlette", "typer", "rich"))


def test_the_models_runtime_is_told_not_to_phone_home() -> None:
    """ONNX Runtime reads it when it is loaded; tests/e2e/test_no_network.py shows that it helps."""
    code = "import rightsized.engines.onnx, os, sys\nassert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    assert "onnxruntime" in loaded_by(code)


def test_the_check_can_fail() -> None:
    assert "sklearn" in loaded_by("import sklearn")
