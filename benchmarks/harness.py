"""What every benchmark shares: options, facts about the machine, result files, data files and CPU clocks.

A result file names the machine, the commit, the command and the date, so that the figure can be had again.
Peers (other libraries, in their own virtual environments) are driven by `benchmarks.peer`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import math
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DATA_VARIABLE = "RIGHTSIZED_DATA"
PACKAGES = (
    "rightsized",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "scikit-learn",
    "scipy",
    "msgspec",
    "starlette",
    "uvicorn",
)
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")

csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True)
class Options:
    """What the command line asked for. `extra` holds the options that one benchmark adds."""

    name: str
    json: bool
    data: Path
    quick: bool
    out: Path | None
    command: str
    extra: argparse.Namespace = field(default_factory=argparse.Namespace)


def default_data() -> Path:
    """The data folder: the environment variable RIGHTSIZED_DATA, or `../shared/data` beside the repository."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else ROOT.parent / "shared" / "data"


def options(
    name: str,
    description: str,
    configure: Callable[[argparse.ArgumentParser], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> Options:
    """Read the command line of the benchmark `name`; `configure` may add options of its own."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.add_argument("--data", type=Path, default=default_data(), help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="a small run; written nowhere unless --out says so")
    parser.add_argument("--out", type=Path, default=None, help=f"result file (default benchmarks/results/{name}.json)")
    if configure:
        configure(parser)
    given = sys.argv[1:] if arguments is None else list(arguments)
    parsed = parser.parse_args(given)
    command = shlex.join(["python", "-m", f"benchmarks.{name}", *map(_portable, given)])
    return Options(name, parsed.json, parsed.data, parsed.quick, parsed.out, command, parsed)


def _portable(argument: str) -> str:
    """A path as seen from the repository's root: result files name no machine's folders."""
    path = Path(argument)
    return os.path.relpath(path, ROOT) if path.is_absolute() else argument


def machine() -> dict[str, Any]:
    """Facts that a timing depends on: CPU, cores, instruction sets, memory, versions, and the load at this moment."""
    model, flags = _cpu()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model,
        "cores": cores,
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions(PACKAGES),
        "load_1m": round(os.getloadavg()[0], 2),
        "threads": {
            name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name in os.environ
        },
    }


def _cpu() -> tuple[str, frozenset[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}
    name = facts.get("model name", platform.machine())
    detail = f" (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else ""
    return name + detail, frozenset((facts.get("flags") or facts.get("Features") or "").split())


def versions(names: Sequence[str]) -> dict[str, str]:
    """Installed version of each named distribution; those not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any]:
    """The commit measured, and whether files differed from it. Result files themselves do not count."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks", ":!benchmarks/results"
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "", "modified": False}
    return {"commit": head, "modified": bool(changed)}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def save(name: str, result: Mapping[str, Any], given: Options | None = None) -> dict[str, Any]:
    """Wrap `result` with machine, commit, command and date, write it, and return the whole document.

    It goes to `--out` where given, else to benchmarks/results/NAME.json. A --quick run, and one on other data than the
    default, is written only with --out: the committed figures are of the data that the documentation names.
    """
    command = (
        given.command if given else shlex.join(["python", "-m", f"benchmarks.{name}", *map(_portable, sys.argv[1:])])
    )
    document = {
        "benchmark": name,
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **commit(),
        "quick": bool(given and given.quick),
        "machine": machine(),
        "result": plain(result),
    }
    target = given.out if given and given.out else RESULTS / f"{name}.json"
    if given is None or given.out or not (given.quick or elsewhere(given.data)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return document


def elsewhere(data: Path) -> bool:
    """Whether these are other data than the default: a single file, or a folder outside the default one."""
    return data.is_file() or not data.resolve().is_relative_to(default_data().resolve())


def finish(given: Options, result: Mapping[str, Any], lines: Sequence[str] = ()) -> int:
    """Save, then print: the whole document with --json, else `lines` for a person. Returns exit status 0."""
    document = save(given.name, result, given)
    print(json.dumps(document, ensure_ascii=False) if given.json else "\n".join(lines))
    return 0


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: NumPy scalars and arrays become numbers and lists, NaN and infinity None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def note(message: str) -> None:
    """Progress for a person, on standard error so that --json stays clean."""
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a .csv, .csv.gz, .jsonl or .jsonl.gz file. Raises SystemExit with the remedy where it is absent."""
    if not path.exists():
        raise SystemExit(f"No data file {path}. Name the data folder with --data PATH or {DATA_VARIABLE}.")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    if ".jsonl" in path.suffixes:
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
    else:
        yield from csv.DictReader(io.StringIO(text, newline=""))


LABEL_COLUMNS = ("category", "intent", "label", "target")
TEXT_COLUMNS = ("text", "sentence", "Complaint")


def texts_and_labels(path: Path, text: str | None = None, label: str | None = None) -> tuple[list[str], list[str]]:
    """Texts and labels of a data file; columns are found by their usual names unless given."""
    table = list(rows(path))
    if not table:
        raise SystemExit(f"The data file {path} has no rows.")
    text = text or _column(table[0], TEXT_COLUMNS, path)
    label = label or _column(table[0], LABEL_COLUMNS, path)
    return [str(row[text]) for row in table], [str(row[label]) for row in table]


def _column(row: Mapping[str, Any], names: Sequence[str], path: Path) -> str:
    for name in names:
        if name in row:
            return name
    raise SystemExit(f"{path} has none of the columns {', '.join(names)}; it has {', '.join(row)}.")


def banking77(data: Path, split: str) -> tuple[list[str], list[str]]:
    """banking77: `train`, `test`, `5shot` or `10shot`."""
    return texts_and_labels(data / "triage" / f"banking77_{split}.csv.gz")


def clinc150(data: Path, split: str) -> tuple[list[str], list[str]]:
    """clinc150: `train`, `val`, `oos_train` or `oos_val`."""
    return texts_and_labels(data / "triage" / f"clinc150_{split}.csv.gz")


def cpu_seconds() -> float:
    """CPU seconds of this process, all its threads, and its finished children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Clock:
    """`with Clock() as clock:` then `clock.cpu` (seconds, finished children included) and `clock.wall` (seconds)."""

    cpu = 0.0
    wall = 0.0

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = cpu_seconds() - self._cpu, time.perf_counter() - self._wall


def percentiles(values: Sequence[float], at: Sequence[float] = (50, 95, 99)) -> dict[str, float]:
    """Percentiles by nearest rank: a value that was really measured."""
    ordered = sorted(values)
    if not ordered:
        return {f"p{p:g}": math.nan for p in at}
    return {f"p{p:g}": ordered[min(len(ordered) - 1, max(0, math.ceil(p / 100 * len(ordered)) - 1))] for p in at}
