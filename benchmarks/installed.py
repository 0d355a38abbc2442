"""Size of an installed distribution and all that it needs: ``python benchmarks/installed.py rowsight``; standard library only.

Prints JSON: packages, and megabytes of their files. Extras are left out; ``NAME[extra]`` names one.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(requirement: str, extra: str) -> str | None:
    """Return what a requirement names, None where it is another extra's or isn't installed."""
    named, _, marker = requirement.partition(";")
    if "extra" in marker and not (extra and re.search(rf"['\"]{extra}['\"]", marker)):
        return None
    found = re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?", named.strip())
    return found.group(0) if found else None


def closure(start: str) -> set[str]:
    waiting, seen = [start], set()
    while waiting:
        name, _, extra = waiting.pop().partition("[")
        if normal(name) in seen:
            continue
        try:
            wanted = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        seen.add(normal(name))
        waiting += [n for r in wanted if (n := needs(r, extra.rstrip("]")))]
    return seen


def size(name: str) -> int:
    files = [Path(str(file.locate())) for file in distribution(name).files or []]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def main() -> None:
    names = sorted(closure(sys.argv[1]))
    found = {"packages": len(names), "megabytes": round(sum(size(name) for name in names) / 1e6)}
    print(json.dumps({**found, "version": distribution(sys.argv[1].partition("[")[0]).version}))


if __name__ == "__main__":
    main()
