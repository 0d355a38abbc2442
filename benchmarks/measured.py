"""Run the `rowsight` command and say what it took: ``python benchmarks/measured.py REPORT.json filter TABLE ...``.

The report holds CPU seconds (user and system), wall seconds, the most memory held at once (MB) and the exit code.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def peak_megabytes() -> float | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return None


def run(words: list[str]) -> int:
    from rowsight.surfaces.cli import main

    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main() -> None:
    report, words = Path(sys.argv[1]), sys.argv[2:]
    started = time.perf_counter()
    code = run(words)
    used = resource.getrusage(resource.RUSAGE_SELF)
    taken = {"cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - started}
    report.write_text(json.dumps({**taken, "peak_mb": peak_megabytes(), "code": code}))
    sys.exit(code)


if __name__ == "__main__":
    main()
