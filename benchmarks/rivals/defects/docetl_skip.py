"""DocETL 0.3.0: with ``skip_on_error`` a row whose call fails leaves the output of a filter as if the answer were no.

    benchmarks/.envs/docetl/bin/python benchmarks/rivals/defects/docetl_skip.py

All 8 rows deserve a yes; one gets a 400. Without ``skip_on_error`` the pipeline raises, and the 7 answers are lost.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import litellm
from scripted import answer, served

ROWS = 8
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers")


def run(url: str, folder: Path, *, skip: bool) -> str:
    from docetl.runner import DSLRunner

    source, target = folder / "rows.json", folder / f"kept-{skip}.json"
    source.write_text(json.dumps([{"id": n, "body": f"row {n} "} for n in range(ROWS)]))
    ask: dict[str, Any] = {"name": "ask", "type": "filter", "prompt": "Is {{ input.body }} a complaint?"}
    ask |= {
        "output": {"schema": {"answer": "bool"}},
        "model": "openai/sim",
        "bypass_cache": True,
        "skip_on_error": skip,
    }
    pipeline = {
        "datasets": {"rows": {"type": "file", "path": str(source)}},
        "default_model": "openai/sim",
        "default_lm_api_base": url,
        "operations": [ask],
        "pipeline": {
            "steps": [{"name": "step", "input": "rows", "operations": ["ask"]}],
            "output": {"type": "file", "path": str(target)},
        },
    }
    try:
        DSLRunner(pipeline).load_run_save()
    except Exception as error:  # noqa: BLE001 - which one it raises is what is shown
        return f"raised {type(error).__name__}"
    return f"kept {[row['id'] for row in json.loads(target.read_text())]}"


def main() -> None:
    refused = (
        400,
        b'{"error": {"message": "content filter", "type": "invalid_request_error", "code": "content_filter"}}',
    )
    yes = answer('{"answer": true}', tool="send_output")
    os.environ["OPENAI_API_KEY"] = "none"
    with tempfile.TemporaryDirectory() as folder:
        for skip in (False, True):
            with served(lambda _, said: refused if "row 3 " in said else yes) as (url, asked):
                said = run(url, Path(folder), skip=skip)
            print(f"skip_on_error={skip}: {said}; {len(asked)} requests for {ROWS} rows")


if __name__ == "__main__":
    main()
