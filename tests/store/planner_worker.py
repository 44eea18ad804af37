"""Run in a process of its own: loads a GGUF file as the engine does and says what llama.cpp reports and what it takes.

Arguments: file, context, ENABLED or DISABLED (flash attention). What llama.cpp prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys

import psutil
import xllamacpp


def main() -> None:
    path, context, flash = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.n_parallel = path, context, 1
    parameters.warmup, parameters.port, parameters.n_gpu_layers = False, 0, 0
    parameters.no_extra_bufts = True  # no second copy of the weights
    parameters.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{flash}")
    parameters.verbosity = 4
    parameters.cpuparams.n_threads = 1
    server = xllamacpp.Server(parameters)
    assert server
    print("\n" + json.dumps({"rss": psutil.Process().memory_info().rss}))
    sys.stdout.flush()
    os._exit(0)  # closing the server may wait for ever for its own threads


if __name__ == "__main__":
    main()
