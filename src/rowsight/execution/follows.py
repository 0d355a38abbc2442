"""What is kept of a followed question from one version of its table to the next, in the state directory.

``follows/NAME.npz`` holds the finished versions: their certificates (JSON), every row's answer under a hash of its texts,
and what the next version starts from. It is replaced whole at the end of a version. ``NAME.begun.json`` says which version
was begun, and whether rows were drawn for it; ``NAME.lock`` is held while a run works on the name. No text of a row is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_matrix

from rowsight.core.errors import InputError, LedgerError, nearest
from rowsight.execution.cascade.frozen import Frozen, frozen_of
from rowsight.execution.cascade.labels import Labels
from rowsight.guarantees.drift import Evidence
from rowsight.guarantees.living import version_share
from rowsight.plan.following import check_name

try:
    import fcntl
except ImportError:  # Windows: two runs of one name are the user's to avoid
    fcntl = None  # type: ignore[assignment]  # asked for before use

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = "follows"
FORMAT = "rowsight-follow/1"
KEY_BYTES = 16
KEY = f"S{KEY_BYTES}"
"""How a row is named: by a hash of its texts."""


@dataclass
class Answers:
    """The rows answered so far: their keys, the version that answered, the answer's code or number, whether by the proxy."""

    keys: NDArray[np.bytes_] = field(default_factory=lambda: np.empty(0, KEY))
    versions: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    proxied: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))

    def find(self, keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Return the place of each row, -1 for a new one: the n-th row with a key is the n-th that was kept."""
        together = np.concatenate([self.keys, keys])
        _, codes = np.unique(together, return_inverse=True)
        names = _numbered(codes[: len(self.keys)], len(together)), _numbered(codes[len(self.keys) :], len(together))
        order = np.argsort(names[0])
        places = np.searchsorted(names[0], names[1], sorter=order)
        found = np.full(len(keys), -1, dtype=np.int64)
        inside = places < len(order)
        candidates = order[places[inside]]
        found[inside] = np.where(names[0][candidates] == names[1][inside], candidates, -1)
        return found

    def put(
        self,
        places: NDArray[np.int64],
        keys: NDArray[np.bytes_],
        version: int,
        values: NDArray[np.float64],
        proxied: NDArray[np.bool_],
    ) -> Answers:
        """Return the rows with those of a version: in their places where they had one, else (-1) at the end."""
        old, new = places >= 0, places < 0
        versions, kept, guessed = self.versions.copy(), self.values.copy(), self.proxied.copy()
        versions[places[old]], kept[places[old]], guessed[places[old]] = version, values[old], proxied[old]
        return Answers(
            np.concatenate([self.keys, keys[new]]).astype(KEY),
            np.concatenate([versions, np.full(int(new.sum()), version, np.int32)]),
            np.concatenate([kept, values[new]]),
            np.concatenate([guessed, proxied[new]]),
        )

    def without(self, places: NDArray[np.int64]) -> Answers:
        """Return the rows without those at ``places``."""
        stays = np.ones(len(self.keys), dtype=bool)
        stays[places] = False
        return Answers(self.keys[stays], self.versions[stays], self.values[stays], self.proxied[stays])


def _numbered(codes: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """Return a number for each row that tells rows of one code apart: the first, the second, and so on."""
    order = np.argsort(codes, kind="stable")
    ranked = codes[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(codes) else np.empty(0, np.int64)
    sizes = np.diff(np.append(starts, len(codes)))
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return codes.astype(np.int64) * (room + 1) + ranks


@dataclass
class Follow:
    """A followed question: its definition, its finished versions, its rows, and what the next version starts from.

    ``versions``: one JSON object each, oldest first. ``codes``: the answers by their codes. ``words``: the words' weights.
    """

    path: Path
    definition: dict[str, Any] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    rows: Answers = field(default_factory=Answers)
    codes: list[Any] = field(default_factory=list)
    words: NDArray[np.float32] | None = None
    labels: Labels | None = None
    frozen: Frozen | None = None
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def name(self) -> str:
        """The name that the question is followed under."""
        return self.path.name.removesuffix(".npz")

    def check(self, definition: Mapping[str, Any]) -> None:
        """Raise ``InputError`` where the name stands for another question; a new name takes this one."""
        for what, new in definition.items():
            old = self.definition.get(what, new)
            if old != new:
                shown = "" if what == "prompt" else f" {_shown(old)}, not {_shown(new)}"
                raise InputError(
                    f"follow={self.name!r} was begun with another {what}:{shown}; ask that again, or follow this question "
                    "under another name"
                )
        self.definition = dict(definition)

    @property
    def spent(self) -> float:
        """The failure probability that the finished versions spent."""
        indices = {version["index"] for version in self.versions if version["drawn"]}
        return sum(float(version_share(self.definition["confidence"], index)) for index in indices)

    def begin(self, population: str) -> int:
        """Note that a version over these rows begins; return its index: how many were drawn from before it, and one.

        The same rows again go on with the version that was begun over them.
        """
        begun = self._begun()
        if begun["population"] != population:
            drawn = max((version["index"] for version in self.versions if version["drawn"]), default=0)
            begun = {"population": population, "index": max(begun["index"] + begun["drawn"], drawn + 1), "drawn": False}
            self._write_begun(begun)
        return int(begun["index"])

    def draw(self) -> None:
        """Note that rows are about to be drawn for the version that was begun: its index is spent."""
        self._write_begun({**self._begun(), "drawn": True})

    def end(self) -> None:
        """Note that the version that was begun is finished: the same rows would be another."""
        self._write_begun({**self._begun(), "population": None})

    def _begun(self) -> dict[str, Any]:
        path = self._beside(".begun.json")
        if not path.exists():
            return {"population": None, "index": 1, "drawn": False}
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _write_begun(self, begun: dict[str, Any]) -> None:
        with _replacing(self._beside(".begun.json")) as file:
            file.write(json.dumps(begun).encode())

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.name + ending)

    def save(self) -> None:
        """Replace what is kept by this, whole or not at all."""
        said = {"format": FORMAT, "definition": self.definition, "versions": self.versions, "codes": self.codes}
        said["evidence"] = {"logs": self.evidence.logs, "epoch": self.evidence.epoch}
        arrays: dict[str, NDArray[Any]] = {"said": np.frombuffer(json.dumps(said).encode(), np.uint8)}
        arrays |= {f"rows.{name}": getattr(self.rows, name) for name in ("keys", "versions", "values", "proxied")}
        if self.words is not None:
            arrays["words"] = self.words
        if self.labels is not None:
            arrays |= {f"labels.{name}": array for name, array in _label_arrays(self.labels).items()}
        if self.frozen is not None:
            arrays |= {f"frozen.{name}": array for name, array in self.frozen.arrays().items()}
        with _replacing(self.path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes the arrays for a flag

    @classmethod
    def load(cls, path: Path) -> Follow:
        """Read what is kept; nothing is where the file isn't there yet."""
        if not path.exists():
            return cls(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
            said = json.loads(arrays.pop("said").tobytes())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise LedgerError(f"{path} can't be read ({error}); move it away to begin the name anew") from error
        if said["format"] != FORMAT:
            raise LedgerError(
                f"{path} was written by another Rowsight ({said['format']}); upgrade, or use another name"
            )
        parts = {part: _under(part, arrays) for part in ("rows", "labels", "frozen")}
        return cls(
            path,
            said["definition"],
            said["versions"],
            Answers(**parts["rows"]),
            said["codes"],
            arrays.get("words"),
            _labels_of(parts["labels"]),
            frozen_of(parts["frozen"]),
            Evidence(**said["evidence"]),
        )


@contextlib.contextmanager
def opened(state: Path, name: str) -> Iterator[Follow]:
    """Open a followed question for a run; no other run can work on the name until the block ends."""
    folder = state / FOLDER
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"another run works on follow={name!r} in {state}; wait for its end, or follow under another name"
                ) from None
        yield Follow.load(folder / f"{name}.npz")
    finally:
        os.close(lock)


def followed(state: Path, name: str | None = None) -> list[Follow]:
    """Return the followed questions of a state directory, or the one of a name; ``InputError`` where it isn't known."""
    paths = sorted((state / FOLDER).glob("*.npz"))
    if name is None:
        return [Follow.load(path) for path in paths]
    check_name(name)
    names = [path.name.removesuffix(".npz") for path in paths]
    if name not in names:
        raise InputError(f"nothing is followed under {name!r} in {state}{nearest(name, names)}")
    return [Follow.load(paths[names.index(name)])]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004 - a line


def _under(part: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}


def _label_arrays(labels: Labels) -> dict[str, NDArray[Any]]:
    given = {"answers": labels.answers, "fair": labels.fair}
    features = labels.features
    if isinstance(features, np.ndarray):
        return {**given, "dense": features}
    return {
        **given,
        "data": features.data,
        "indices": features.indices,
        "indptr": features.indptr,
        "shape": np.array(features.shape),
    }


def _labels_of(arrays: Mapping[str, NDArray[Any]]) -> Labels | None:
    if not arrays:
        return None
    if "dense" in arrays:
        return Labels(arrays["dense"], arrays["answers"], arrays["fair"])
    shape = tuple(arrays["shape"].tolist())
    features = csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
    return Labels(features, arrays["answers"], arrays["fair"])


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that only the user can read, and that appears whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    with _explained(path):
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{path} can't be written: {error.strerror}; make it writable, or choose another --state"
        ) from error
