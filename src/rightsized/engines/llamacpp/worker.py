"""The process that holds one model: loads it, listens on a Unix socket, and ends when its parent does.

Started by `process.WorkerProcess` as `python -m rightsized.engines.llamacpp.worker`. Reads its settings as one line
from standard input and keeps reading: the end of that pipe is the end of the parent. Answers with one line on standard
output. What llama.cpp has to say, the reason of a failed load included, goes to standard error, which the parent keeps.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from rightsized.core.egress import Egress
from rightsized.engines.llamacpp.wire import Report, WorkerSettings, encode

ERRORS_ONLY = 1  # llama.cpp's verbosity
SPARE_THREADS = 4  # for questions about the state while every slot has a request
PR_SET_PDEATHSIG = 1  # prctl(2), Linux
FIRST_TO_GO = "900"  # when memory runs out the kernel ends the model, never the gateway


def main() -> None:
    """Load, report, wait for the parent's end."""
    Egress().watch()
    answers = _private_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _die_with_parent(signal.SIGKILL)
    _go_first()
    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(0)
    settings = msgspec.json.decode(line, type=WorkerSettings)
    threading.Thread(target=_watch_parent, args=(settings,), daemon=True).start()
    server, report = None, Report()
    try:
        server, version = _load(settings)
        report = Report(version=version)
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent reports what it was
        report = Report(error=f"{type(error).__name__}: {error}")
    signal.signal(signal.SIGTERM, lambda *_: _leave(settings))
    _die_with_parent(signal.SIGTERM)  # from now on there is time to tidy up
    os.write(answers, encode(report))
    if server is None:
        os._exit(1)
    threading.Event().wait()


def _private_output() -> int:
    """Standard output kept for the report; whatever else is printed goes to standard error."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def _die_with_parent(number: int) -> None:
    """The kernel sends this signal when the parent ends, also while a load keeps every Python thread waiting."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it ended between the two calls
        os._exit(0)


def _go_first() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, "ascii")


def _watch_parent(settings: WorkerSettings) -> None:
    while os.read(0, 1024):
        pass
    _leave(settings)


def _leave(settings: WorkerSettings) -> None:
    """End at once; a long pass could hold up an orderly end. Only the socket's folder is removed."""
    shutil.rmtree(Path(settings.socket).parent, ignore_errors=True)
    os._exit(0)


def _load(settings: WorkerSettings) -> tuple[Any, str]:
    import xllamacpp

    return xllamacpp.Server(_parameters(xllamacpp, settings)), str(xllamacpp.__version__)


def _parameters(binding: Any, settings: WorkerSettings) -> Any:
    given = binding.CommonParams()
    given.model.path = settings.model
    given.hostnames, given.port, given.api_keys = [settings.socket], 0, [settings.key]
    given.offline, given.ui, given.verbosity = True, False, ERRORS_ONLY
    given.n_threads_http = settings.slots + SPARE_THREADS
    given.n_parallel, given.kv_unified = settings.slots, False
    given.n_ctx = settings.context * settings.slots
    given.fit_params, given.ctx_shift = False, False  # the context is what the settings say, never quietly less
    given.n_batch = given.n_ubatch = settings.batch
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = settings.threads
    given.n_gpu_layers = settings.gpu_layers
    given.cache_type_k = given.cache_type_v = getattr(binding.ggml_type, f"GGML_TYPE_{settings.cache_type.upper()}")
    given.cache_prompt, given.cache_idle_slots, given.cache_ram_mib = settings.reuse_prompt, False, 0
    flash = "ENABLED" if settings.flash_attention else "DISABLED"
    given.flash_attn_type = getattr(binding.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{flash}")
    given.embedding = settings.embeddings
    if settings.pooling:
        given.pooling_type = getattr(binding.llama_pooling_type, f"LLAMA_POOLING_TYPE_{settings.pooling.upper()}")
    if settings.chat_template:
        given.chat_template = settings.chat_template
    given.lora_init_without_apply, given.lora_adapters = True, [_adapter(binding, a.path) for a in settings.adapters]
    return given


def _adapter(binding: Any, path: str) -> Any:
    info = binding.CommonAdapterLoraInfo()
    info.path, info.scale = path, 0.0  # a request says which it wants
    return info


if __name__ == "__main__":
    main()
