"""What is done inside the namespace: the whole served path, step after step. A later part joins by adding a step.

    python -m tests.e2e.no_network_steps FOLDER

The folder holds a home with the encoder. A step is a function that takes the `Stage` and asserts; it is registered by
`@step` and runs in the order of this file. Steps after `serving` ask the running server.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple

from rightsized.data import folder as sample_folder
from rightsized.data import path as sample
from tests.command_line import command

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
from tiny_gguf import write_llama

SERVED = (
    "rightsized",
    "rightsized.cli",
    "rightsized.library",
    "rightsized.server.app",
    "rightsized.apps.search.collections",
    "rightsized.apps.search.service",
    "rightsized.apps.search.connectors.s3",
    "rightsized.tasks.service",
    "rightsized.tasks.fit",
    "rightsized.guard.policy.answerer",
    "rightsized.engines.remote",
    "rightsized.engines.llamacpp.worker",
    "rightsized.store.sources.hub",
)
DOCUMENTS = (
    "policies/annual-leave.pdf",
    "policies/remote-work.html",
    "handbook/02-working-time.docx",
    "handbook/03-pay-and-benefits.md",
    "mail/arvello-delay.mbox",
    "archive/ghent-crane-handover.zip",
)
SETTINGS = """
[guard]
policy = "{folder}/policy.toml"
detect = "{detect}"

[[tiers]]
name = "here"
engine = "llamacpp"
model = "{folder}/tiny.gguf"
options = {{threads = 1}}

[[tiers]]
name = "near"
tier = 1
url = "http://127.0.0.1:{port}/v1"
model = "upstream"

[[tiers]]
name = "far"
tier = 1
url = "https://api.example.com/v1"
model = "never"
data_classes = ["public"]
"""
POLICY = """
version = 1

[[requests]]
id = "no-secrets-near"
effect = "deny"
data_classes = ["secret"]
models = ["near"]
reason = "the step of the policy"
"""
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "model": "upstream",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "From near."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
WAIT_S = 60.0


class Stage(NamedTuple):
    """Where the steps run: a folder, the home in it, and the address of the server once there is one."""

    folder: Path
    url: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def cli(self, *arguments: str) -> Any:
        """A command of ours on the home, in this process, which is inside the namespace too; its JSON."""
        with warnings.catch_warnings(action="error"):
            done = command(*arguments, "--home", self.home, "--config", self.folder / "rightsized.toml", "--json")
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def call(self, path: str, body: Any = None, status: int = 200, **headers: str) -> bytes:
        """A request to the server; its body."""
        data = None if body is None else json.dumps(body).encode()
        fields = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        request = urllib.request.Request(self.url + path, data, fields)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                found, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            found, content = error.code, error.read()
        assert found == status, (path, found, content)
        return bytes(content)


Step = Callable[[Stage], None]
BEFORE: list[Step] = []
SERVING: list[Step] = []
AFTER: list[Step] = []


def step(where: list[Step]) -> Callable[[Step], Step]:
    """Register a step: BEFORE the server starts, while it is SERVING, or AFTER."""

    def add(function: Step) -> Step:
        where.append(function)
        return function

    return add


@step(BEFORE)
def everything_is_imported(stage: Stage) -> None:
    code = f"import importlib\nfor name in {SERVED!r}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True)
    subprocess.run([sys.executable, "-m", "rightsized.cli", "--help"], check=True, stdout=subprocess.DEVNULL)


@step(BEFORE)
def a_task_is_fitted(stage: Stage) -> None:
    stage.cli("fit", str(sample("tone.csv")), "--task", "tone", "--label", "tone")
    assert stage.cli("ask", "tone", "thank you, that was kind")["task"] == "tone"


@step(BEFORE)
def a_policy_is_checked(stage: Stage) -> None:
    found = stage.cli("egress", "show")
    assert [one["tier"] for one in found["may"] if one["tier"]] == ["far"]
    assert found["sent"] == found["opened"] == []


@step(BEFORE)
def tests_of_an_answer_are_run(stage: Stage) -> None:
    """The answer tries to leave; inside there is no socket to try it with."""
    answer, tests = stage.folder / "answer.py", stage.folder / "answer_tests.py"
    answer.write_text("import socket\ndef call(): socket.create_connection(('192.0.2.9', 443), 1)\n", "utf-8")
    tests.write_text("try:\n    call()\nexcept PermissionError:\n    pass\n", "utf-8")
    assert stage.cli("calibrate", "try-tests", str(answer), str(tests))["outcome"] == "passed"


@step(SERVING)
def a_task_answers_and_is_explained(stage: Stage) -> None:
    decision: dict[str, Any] = {"audit": True}
    while decision["audit"]:  # one that the coin picked shows no outcome on its page until somebody looked blindly
        reply = json.loads(stage.call("/v1/classify", {"task": "tone", "text": "this is a disgrace"}))["replies"][0]
        decision = json.loads(stage.call(f"/v1/decisions/{reply['id']}"))["decision"]
    assert decision["policy"].startswith("sha256:")
    assert [verdict["effect"] for verdict in decision["verdicts"]] == ["allow", "allow"]
    assert json.loads(stage.call(f"/v1/decisions/{reply['id']}/explanation"))["contributions"]
    assert b"default:requests" in stage.call(f"/decisions/{reply['id']}", Accept="text/html")


@step(SERVING)
def pages_are_shown(stage: Stage) -> None:
    for page in ("/", "/queue", "/models", "/tasks/tone", "/tasks/tone/report", "/jobs", "/problems/not-found"):
        content = stage.call(page, Accept="text/html").decode()
        assert "</html>" in content, page
    for route in ("/v1/tasks", "/v1/models", "/v1/gateway", "/v1/queue", "/openapi.json", "/metrics", "/readyz"):
        assert stage.call(route)


@step(SERVING)
def models_write(stage: Stage) -> None:
    for model in ("here", "near"):
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        answer = json.loads(stage.call("/v1/chat/completions", body, X_Rightsized_Data_Class="internal"))
        assert answer["choices"][0]["message"]["content"]
        streamed = stage.call("/v1/chat/completions", body | {"stream": True}, X_Rightsized_Data_Class="internal")
        assert streamed.endswith(b"data: [DONE]\n\n")


@step(SERVING)
def the_policy_refuses(stage: Stage) -> None:
    body = {"model": "near", "messages": [{"role": "user", "content": "hello"}]}
    refused = json.loads(stage.call("/v1/chat/completions", body, 403, X_Rightsized_Data_Class="secret"))["error"]
    assert "no-secrets-near" in refused["message"]
    decision = json.loads(stage.call(f"/v1/decisions/{refused['decision']}"))["decision"]
    assert decision["verdicts"][0]["rule"] == "no-secrets-near"


@step(SERVING)
def a_tier_far_away_is_not_reached(stage: Stage) -> None:
    body = {"model": "far", "messages": [{"role": "user", "content": "hello"}]}
    refused = json.loads(stage.call("/v1/chat/completions", body, 403, X_Rightsized_Data_Class="public"))["error"]
    assert "far" in refused["message"]


@step(SERVING)
def personal_data_are_found(stage: Stage) -> None:
    if detection() == "off":
        return
    text = "Write to kim.example@example.com, card 4111 1111 1111 1111."
    reply = json.loads(stage.call("/v1/classify", {"task": "tone", "text": text}))["replies"][0]
    detected = json.loads(stage.call(f"/v1/decisions/{reply['id']}"))["decision"]["detected"]
    assert detected["counts"], detected
    assert "kim" not in json.dumps(detected)


@step(SERVING)
def vectors_are_made(stage: Stage) -> None:
    found = json.loads(stage.call("/v1/embeddings", {"model": "minilm", "input": "hello"}))
    assert len(found["data"][0]["embedding"]) == 384


@step(BEFORE)
def documents_are_taken_in(stage: Stage) -> None:
    """Half a dozen formats, each read in a process of its own, and searched by the command."""
    folder = stage.folder / "documents"
    samples = sample_folder("documents")
    for name in DOCUMENTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(samples / name, folder / name)
        (folder / name).chmod(0o644)
    added = stage.cli("search", "add", str(folder), "--collection", "company")
    assert added["standing"]["documents"] >= len(DOCUMENTS), added
    assert not added["standing"]["dead"], added
    assert stage.cli("search", "query", "company", "How many days of leave may be carried over?")["hits"]


@step(SERVING)
def documents_are_searched(stage: Stage) -> None:
    found = json.loads(stage.call("/v1/search", {"collection": "company", "query": "carrying over leave"}))
    assert json.loads(stage.call("/v1/suggest", {"collection": "company", "text": "annual lea"}))["suggestions"]
    like = {"collection": "company", "document": found["hits"][0]["document"]["id"]}
    assert json.loads(stage.call("/v1/similar", like))["hits"]
    address = f"/search/company/{found['hits'][0]['document']['id']}"
    assert b"<mark" in stage.call(f"{address}?start={found['hits'][0]['start']}&end={found['hits'][0]['end']}")
    pdf = next(hit["document"]["id"] for hit in found["hits"] if hit["document"]["media_type"] == "application/pdf")
    assert stage.call(f"/search/company/{pdf}/pages/1").startswith(b"\x89PNG")
    for page in ("clauses?q=carried+over", "summary"):
        assert b"?start=" in stage.call(f"/search/company/{pdf}/{page}")


@step(SERVING)
def documents_are_reviewed(stage: Stage) -> None:
    """By commands, whose looks the server puts on record, and on the pages."""
    made = stage.cli("search", "set", "create", "company", "leave", "--terms", "leave")
    assert made["documents"] > 0
    assert stage.cli("search", "set", "next", "company", "leave", "-n", "2")
    assert b"/reviews/company/leave" in stage.call("/reviews")
    assert b"read" in stage.call("/reviews/company/leave")


@step(SERVING)
def documents_are_answered(stage: Stage) -> None:
    """By extracts, and by whatever model writes here; what it says is checked, so that it may abstain."""
    for method in ("extract", "write"):
        asked = {"collection": "company", "question": "How many days of leave may be carried over?", "method": method}
        found = json.loads(stage.call("/v1/answer", asked))
        assert found["method"] == method and found["search"]["hits"] and found["promise"]


@step(SERVING)
def auditors_look(stage: Stage) -> None:
    assert json.loads(stage.call("/v1/policy"))["policy"]["requests"][0]["id"] == "no-secrets-near"
    assert json.loads(stage.call("/v1/egress"))["opened"] == []
    record = json.loads(stage.call("/v1/record"))
    assert record["entries"] >= 16
    assert "Nothing has left this machine" in stage.call("/record", Accept="text/html").decode()
    before = stage.cli("ledger", "rotate-key")["key"]
    assert json.loads(stage.call("/v1/record"))["keys"][-1] == before


@step(AFTER)
def the_record_is_read(stage: Stage) -> None:
    assert len(stage.cli("decisions", "list")) >= 8
    stage.cli("ledger", "verify")
    found = stage.cli("egress", "show")
    assert found["sent"] == found["opened"] == []


def detection() -> str:
    """`always` where personal data are looked for in this version."""
    return "always" if find_spec("rightsized.tasks.detection") else "off"


class Upstream(BaseHTTPRequestHandler):
    """An OpenAI-compatible server with one answer, whole or as a stream."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind, body = "application/json", json.dumps(ANSWER).encode()
        if asked.get("stream"):
            choice = {"index": 0, "delta": {"role": "assistant", "content": "From near."}, "finish_reason": "stop"}
            chunk = {**ANSWER, "object": "chat.completion.chunk", "choices": [choice]}
            kind, body = "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def upstream() -> Iterator[int]:
    """The upstream's port. A plain TCP server: http.server's own would ask for this machine's name."""
    with ThreadingTCPServer(("127.0.0.1", 0), Upstream) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@contextmanager
def serving(stage: Stage) -> Iterator[Stage]:
    """The server on the stage's home."""
    command = [sys.executable, "-m", "rightsized.cli", "serve", "--port", "0", "--json", "--home", str(stage.home)]
    command += ["--config", str(stage.folder / "rightsized.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield stage._replace(url=json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()
            process.wait(WAIT_S)


def main(folder: Path) -> None:
    """Run every step."""
    stage = Stage(folder)
    write_llama(folder / "tiny.gguf")
    (folder / "policy.toml").write_text(POLICY)
    with upstream() as port:
        text = SETTINGS.format(folder=folder, port=port, detect=detection())
        (folder / "rightsized.toml").write_text(text)
        for one in BEFORE:
            _run(one, stage)
        with serving(stage) as served:
            for one in SERVING:
                _run(one, served)
        for one in AFTER:
            _run(one, stage)


def _run(one: Step, stage: Stage) -> None:
    began = time.monotonic()
    one(stage)
    print(f"{one.__name__}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
