"""Break the road on purpose, and count what is lost, paid twice, wrong or spent past the cap.

    python benchmarks/chaos.py [--quick] [--rows N] [--seed S] [--only SCENARIO] [--json FILE]

The model is `rowsight simulate`, the client the `rowsight` command, each in processes of its own that are killed, restarted
and set against each other. Every scenario ends when the same command has been given until no row is left; then its output
must be the bytes of an undisturbed run's. Ends with 1 when a promise was broken.

Columns: `rows` asked about; `starts` of the client; `kills` of it by SIGKILL; `requests` that reached the servers; `failed`
rows of the first run that ended, each with a reason; `wrong` answers and `missing` rows over all runs that ended; `repaid`
prompts that a server had answered before, which may be at most `open`, the calls that the ledger held unfinished after the
kills; `past cap` calls beyond the budget; `bytes` as in the undisturbed run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAIN = [sys.executable, "-c", "from rowsight.surfaces.cli import main; main()"]
QUESTION = "Is {body} a complaint about delivery?"
FAULTS = {
    "rate-429": 0.20,
    "retry-after": 0.1,
    "rate-500": 0.05,
    "rate-drop": 0.02,
    "rate-hang": 0.01,
    "rate-malformed": 0.01,
    "rate-refusal": 0.01,
    "latency": 30,
    "latency-sigma": 0.8,
}
CALM = {"latency": 30, "latency-sigma": 0.8}
TIMEOUT = 1.5
MOST_STARTS = 60
SMALL = 2000
"""Rows below which a scenario has fewer kills, so that it is over in seconds."""
KEY = "sk-chaos-0a7d3b1f"


class BrokenError(Exception):
    """The scenario can't go on: a client ended in a way that none may."""


class Server:
    """`rowsight simulate` as a child process; a restart keeps the port, and `stats` adds up over all of its lives."""

    def __init__(self, table: Path, **flags: float) -> None:
        self.table, self.flags, self.port = table, flags, 0
        self.past: Counter[str] = Counter()
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        words = [word for name, value in self.flags.items() for word in (f"--{name}", str(value))]
        command = [*MAIN, "simulate", str(self.table), "--text", "body", "--truth", "late", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if "http://" not in said:
            raise BrokenError(f"the simulated server did not start: {said!r}")
        self.port = int(said.rpartition(":")[2].partition("/")[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def alive(self) -> Counter[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as reply:
            return Counter({k: v for k, v in json.load(reply).items() if isinstance(v, int)})

    def stats(self) -> Counter[str]:
        return self.past + (self.alive() if self.process is not None else Counter())

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.process is not None
        self.past += self.alive()
        self.process.send_signal(how)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


@dataclass
class Verdict:
    """What came of a scenario."""

    scenario: str
    rows: int
    starts: int = 0
    kills: int = 0
    requests: int = 0
    failed: int = 0
    wrong: int = 0
    missing: int = 0
    repaid: int = 0
    open: int = 0
    past_cap: int = 0
    bytes: bool = False
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        broken = self.wrong or self.missing or self.past_cap or self.notes
        return not broken and self.bytes and self.repaid <= self.open


class Scene:
    """A table, a state directory, servers and clients of one scenario."""

    def __init__(self, name: str, rows: int, seed: int, directory: Path, reference: bytes) -> None:
        self.verdict = Verdict(name, rows)
        self.random = random.Random(f"{seed}/{name}")
        self.directory, self.reference = directory, reference
        self.table = directory.parent / "table.jsonl"
        self.state = directory / "state"
        self.kills = 3 if rows < SMALL else 8
        self.servers: list[Server] = []

    def serve(self, **flags: float) -> Server:
        server = Server(self.table, **{"seed": self.random.randrange(1000), **flags})
        self.servers.append(server)
        return server

    def requests(self) -> int:
        return sum(server.stats()["requests"] for server in self.servers)

    def command(self, out: Path, *words: object) -> list[str]:
        """Return the command of a run; its servers are those of the scene, one by its URL, several by a file."""
        where = ["--base-url", self.servers[0].url] if len(self.servers) == 1 else ["--endpoints", self._endpoints()]
        given = ("--into", "said", "--keep-all", "--model", "sim", "--timeout", TIMEOUT, "--concurrency", 64, "--json")
        return [
            str(w)
            for w in ("filter", self.table, QUESTION, *given, *where, *words, "--state", self.state, "--out", out)
        ]

    def _endpoints(self) -> Path:
        path = self.directory / "endpoints.toml"
        lines = ["[models.sim]"]
        for number, server in enumerate(self.servers):
            lines += ["[[models.sim.endpoints]]", f'name = "server-{number}"', f'base_url = "{server.url}"']
            lines += [f"timeout = {TIMEOUT}"]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        self.verdict.starts += 1
        if self.verdict.starts > MOST_STARTS:
            raise BrokenError(f"not done after {MOST_STARTS} starts")
        environment = os.environ | {"OPENAI_API_KEY": KEY}
        return subprocess.Popen(
            [*MAIN, *command], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a client, and count the calls that the ledger held unfinished for it; it is stopped while they are counted."""
        if process.poll() is not None:
            raise BrokenError("a client was done before it could be killed; give the scenario more rows")
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.verdict.open += self.unfinished(process.pid)
        process.kill()
        process.communicate()
        self.verdict.kills += 1

    def unfinished(self, pid: int) -> int:
        count = "SELECT count(*) FROM intents JOIN owners ON owner=id WHERE pid=?"
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.state}/ledger.sqlite?mode=ro", uri=True)) as ledger:
                found: int = ledger.execute(count, (pid,)).fetchone()[0]
                return found
        except sqlite3.OperationalError:  # killed before there was a ledger
            return 0

    def ended(self, process: subprocess.Popen[str], *allowed: int) -> dict[str, object]:
        """Wait for a client to end as it may; return its report."""
        said, words = process.communicate(timeout=1800)
        if process.returncode not in (allowed or (0,)) or (KEY in said + words):
            raise BrokenError(f"a client ended with {process.returncode}: {words.strip()[-500:]}")
        report: dict[str, object] = json.loads(said)
        return report

    def judge(self, out: Path) -> Counter[str]:
        """Count what an output holds: every row once, in order, right or failed or skipped."""
        found: Counter[str] = Counter()
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        self.verdict.missing += sum(row["id"] != n for n, row in enumerate(rows)) + self.verdict.rows - len(rows)
        for row in rows:
            found[row["said_status"]] += 1
            asked = row["said_status"] == "asked"
            self.verdict.wrong += row["said"] is not (truth(row["id"]) if asked else None)
        return found

    def finish(self, out: Path, *words: object) -> None:
        """Give the same command until no row is left, then compare the bytes."""
        first = True
        while True:
            self.ended(self.start(self.command(out, *words)))
            found = self.judge(out)
            if first:
                self.verdict.failed, first = found["failed"], False
            if not found["failed"]:
                break
        self.compare(out)

    def compare(self, out: Path) -> None:
        self.verdict.bytes = out.read_bytes() == self.reference

    def killing(self, command: list[str], times: int, calls: int = 0) -> Iterator[None]:
        """Start a command and kill it at random moments of its work; yield after each kill.

        The moments lie within ``calls`` requests, as many as there are rows where it is 0.
        """
        for _ in range(times):
            before, process = self.requests(), self.start(command)
            more = self.random.randrange(1, max(2, (calls or self.verdict.rows) // (times + 1)))
            wait_until(lambda b=before, m=more, p=process: self.requests() - b >= m or p.poll() is not None)
            time.sleep(self.random.random() * 0.02)
            if process.poll() is not None:
                process.communicate()
                return
            self.kill(process)
            yield

    def close(self) -> None:
        for server in self.servers:
            if server.process is not None:
                stats = server.stats()
                server.stop(signal.SIGTERM)
            else:
                stats = server.past
            self.verdict.requests += stats["requests"]
            self.verdict.repaid += stats["repaid_prompts"]


def truth(number: int) -> bool:
    return number % 7 in (0, 3)


def write_table(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            body = f"Message {number}: the parcel {number * 7919 % 10007} has not come, and nobody answers."
            file.write(json.dumps({"id": number, "body": body, "late": truth(number)}) + "\n")


def wait_until(condition: Callable[[], bool], seconds: float = 600.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise BrokenError(f"nothing moved for {seconds:g} s")
        time.sleep(0.005)


def faults(scene: Scene) -> None:
    """429, 500, dropped, hanging, malformed and refused calls under a log-normal latency."""
    scene.serve(**FAULTS)
    scene.finish(scene.directory / "out.jsonl")


def kills(scene: Scene) -> None:
    """The client is killed again and again, then the same command goes on."""
    scene.serve(**CALM)
    out = scene.directory / "out.jsonl"
    for _ in scene.killing(scene.command(out), scene.kills):
        scene.verdict.missing += out.exists()  # an output appears whole or not at all
    scene.finish(out)


def kills_and_faults(scene: Scene) -> None:
    """The same under faults."""
    scene.serve(**FAULTS)
    out = scene.directory / "out.jsonl"
    for _ in scene.killing(scene.command(out), scene.kills):
        pass
    scene.finish(out)


def restarts(scene: Scene) -> None:
    """The only server is killed and comes back, and is asked to end and comes back, while the client works."""
    server = scene.serve(**CALM)
    out = scene.directory / "out.jsonl"
    process = scene.start(scene.command(out))
    for share, how in ((0.2, signal.SIGKILL), (0.5, signal.SIGTERM)):
        wait_until(lambda s=share: scene.requests() >= s * scene.verdict.rows or process.poll() is not None)
        server.stop(how)
        time.sleep(1.0)
        server.start()
    scene.ended(process)
    scene.finish(out)


def endpoint_death(scene: Scene) -> None:
    """Of two servers the fast one dies and comes back; it must be asked again."""
    slow = {"latency": 900, "max-concurrency": max(8, scene.verdict.rows // 40), "retry-after": 0.2}
    fast, _ = scene.serve(latency=20), scene.serve(**slow)
    out = scene.directory / "out.jsonl"
    process = scene.start(scene.command(out))
    wait_until(lambda: fast.stats()["requests"] >= 0.15 * scene.verdict.rows or process.poll() is not None)
    fast.stop()
    time.sleep(2.0)
    fast.start()
    scene.ended(process)
    if fast.alive()["requests"] == 0:
        scene.verdict.notes.append("the server that came back was not asked again")
    scene.finish(out)


def two_clients(scene: Scene) -> None:
    """Two clients run the same command on one ledger; one of them is killed on the way."""
    scene.serve(**{**CALM, "latency": 200})
    outs = [scene.directory / f"out-{n}.jsonl" for n in (0, 1, 2)]
    third, second, first = (scene.start(scene.command(out)) for out in reversed(outs))
    wait_until(lambda: scene.requests() >= 0.3 * scene.verdict.rows)
    scene.kill(third)
    for process, out in ((first, outs[0]), (second, outs[1])):
        scene.ended(process)
        scene.judge(out)
    scene.finish(outs[2])
    if not outs[0].read_bytes() == outs[1].read_bytes() == outs[2].read_bytes():
        scene.verdict.notes.append("the clients' outputs differ")


def budget(scene: Scene) -> None:
    """A capped run under faults is killed and resumed until the cap is reached, and once by two processes at once."""
    scene.serve(**FAULTS)
    out, cap = scene.directory / "out.jsonl", scene.verdict.rows * 3 // 4
    capped = scene.command(out, "--budget", f"{cap}calls")
    for _ in scene.killing(capped, 1, cap // 2):
        pass
    run = newest_run(scene)
    resume = ["resume", run, "--json", "--state", str(scene.state)]
    for _ in scene.killing(resume, scene.kills // 2, cap // 2):
        pass
    both = [scene.start(resume) for _ in range(2)]
    for process in both:
        scene.ended(process, 3)
    scene.verdict.past_cap = max(0, scene.requests() - cap)
    scene.judge(out)
    scene.finish(out)


def storm(scene: Scene) -> None:
    """All of it at once: faults, two servers that die in turn, and a client that is killed."""
    scene.serve(**FAULTS), scene.serve(**FAULTS)
    out = scene.directory / "out.jsonl"
    for number, _ in enumerate(scene.killing(scene.command(out), scene.kills)):
        server = scene.servers[number % 2]
        if server.process is not None:
            server.stop()
        other = scene.servers[(number + 1) % 2]
        if other.process is None:
            other.start()
    for server in scene.servers:
        if server.process is None:
            server.start()
    scene.finish(out)


def newest_run(scene: Scene) -> str:
    listed = subprocess.run([*MAIN, "runs", "--json", "--state", str(scene.state)], check=True, capture_output=True)
    found: str = json.loads(listed.stdout)["runs"][0]["run"]
    return found


SCENARIOS = (faults, kills, kills_and_faults, restarts, endpoint_death, two_clients, budget, storm)


def undisturbed(directory: Path, rows: int) -> bytes:
    """Return the output of a run that nothing disturbs."""
    scene = Scene("undisturbed", rows, 0, directory / "undisturbed", b"")
    scene.directory.mkdir()
    server = scene.serve()
    try:
        out = scene.directory / "out.jsonl"
        scene.ended(scene.start(scene.command(out)))
        if scene.judge(out) != {"asked": rows} or scene.verdict.wrong or scene.verdict.missing:
            raise BrokenError("the undisturbed run is not right")
        return out.read_bytes()
    finally:
        server.stop(signal.SIGTERM)


def play(scenario: Callable[[Scene], None], rows: int, seed: int, directory: Path, reference: bytes) -> Verdict:
    scene = Scene(scenario.__name__, rows, seed, directory / scenario.__name__, reference)
    scene.directory.mkdir()
    started = time.monotonic()
    try:
        scenario(scene)
    except BrokenError as error:
        scene.verdict.notes.append(str(error))
    finally:
        scene.close()
    scene.verdict.seconds = time.monotonic() - started
    return scene.verdict


COLUMNS = [
    "rows",
    "starts",
    "kills",
    "requests",
    "failed",
    "wrong",
    "missing",
    "repaid",
    "open",
    "past_cap",
    "bytes",
    "seconds",
]


def show(verdict: Verdict) -> None:
    cells = [getattr(verdict, name) for name in COLUMNS]
    words = [
        ("same" if c else "differ") if isinstance(c, bool) else f"{c:.0f}" if isinstance(c, float) else f"{c:,}"
        for c in cells
    ]
    print(
        f"{verdict.scenario:17}" + "".join(f"{w:>9}" for w in words) + f"  {'kept' if verdict.kept else 'BROKEN'}",
        flush=True,
    )
    for note in verdict.notes:
        print(f"    {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows: about a minute")
    parser.add_argument("--rows", type=int, help="rows of each scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[s.__name__ for s in SCENARIOS], action="append")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts there, too")
    options = parser.parse_args()
    rows = options.rows or (400 if options.quick else 20_000)
    print(f"{'':17}" + "".join(f"{name.replace('_', ' '):>9}" for name in COLUMNS), flush=True)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="rowsight-chaos-") as folder:
        write_table(Path(folder) / "table.jsonl", rows)
        reference = undisturbed(Path(folder), rows)
        for scenario in SCENARIOS:
            if options.only is None or scenario.__name__ in options.only:
                verdicts.append(play(scenario, rows, options.seed, Path(folder), reference))
                show(verdicts[-1])
    if options.json is not None:
        options.json.write_text(json.dumps([vars(v) | {"kept": v.kept} for v in verdicts]), encoding="utf-8")
    sys.exit(0 if all(v.kept for v in verdicts) else 1)


if __name__ == "__main__":
    main()
