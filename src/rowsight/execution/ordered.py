"""Many batches at work at once, results in order; what comes back early waits on disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

KEPT_IN_MEMORY = 16
"""Finished batches that wait in memory for their turn; the others wait on disk."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch of rows on its way: the rows, and their positions in the input (int64, one per row)."""

    positions: pa.Array
    rows: pa.RecordBatch

    def keep(self, mask: pa.Array) -> Piece:
        """Return the rows for which ``mask`` is true."""
        return Piece(self.positions.filter(mask), self.rows.filter(mask))


@dataclass(slots=True)
class _Parked:
    """A finished piece that waits on disk."""

    path: Path

    @classmethod
    def write(cls, piece: Piece, path: Path) -> _Parked:
        with pa.OSFile(str(path), "wb") as sink:
            for batch in (pa.RecordBatch.from_arrays([piece.positions], names=["position"]), piece.rows):
                with pa.ipc.new_stream(sink, batch.schema) as writer:
                    writer.write_batch(batch)
        return cls(path)

    def read(self) -> Piece:
        with pa.OSFile(str(self.path), "rb") as source:
            positions, rows = (pa.ipc.open_stream(source).read_all().combine_chunks() for _ in range(2))
        self.path.unlink()
        batches = rows.to_batches()
        whole = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)
        flat = positions.column(0).combine_chunks()
        return Piece(flat if isinstance(flat, pa.Array) else pa.array([], pa.int64()), whole)


class OrderedMap:
    """Apply ``process`` to pieces, as many at once as ``room`` allows, and yield the results in the input's order."""

    def __init__(
        self,
        process: Callable[[Piece], Awaitable[Piece]],
        room: Callable[[], Awaitable[None]],
        directory: Path,
    ) -> None:
        self._process, self._room, self._directory = process, room, directory
        self._tasks: deque[asyncio.Task[Piece | _Parked]] = deque()
        self._next = 0
        self._waiting = 0

    async def over(self, source: AsyncIterator[Piece]) -> AsyncGenerator[Piece, None]:
        """Yield the processed pieces of ``source`` in order; leaving early cancels what is under way."""
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        feeding: asyncio.Task[bool] | None = asyncio.ensure_future(self._feed(source, broken))
        try:
            while feeding or self._tasks:
                pending = {t for t in (feeding, self._tasks[0] if self._tasks else None) if t}
                await asyncio.wait({*pending, broken}, return_when=asyncio.FIRST_COMPLETED)
                if broken.done():
                    broken.result()
                if feeding and feeding.done():
                    feeding = asyncio.ensure_future(self._feed(source, broken)) if feeding.result() else None
                for piece in self._ready():
                    yield piece
        finally:
            leftovers = [t for t in (feeding, *self._tasks) if t]
            for task in leftovers:
                task.cancel()
            await asyncio.gather(*leftovers, return_exceptions=True)
            broken.cancel()

    async def _feed(self, source: AsyncIterator[Piece], broken: asyncio.Future[None]) -> bool:
        await self._room()
        try:
            piece = await anext(source)
        except StopAsyncIteration:
            return False
        task = asyncio.ensure_future(self._run(piece, self._next))
        task.add_done_callback(lambda done: _report(done, broken))
        self._tasks.append(task)
        self._next += 1
        return True

    def _ready(self) -> Iterator[Piece]:
        while self._tasks and self._tasks[0].done():
            done = self._tasks.popleft().result()
            self._waiting -= isinstance(done, Piece)
            yield done.read() if isinstance(done, _Parked) else done

    async def _run(self, piece: Piece, number: int) -> Piece | _Parked:
        result = await self._process(piece)
        if self._waiting >= KEPT_IN_MEMORY:
            return _Parked.write(result, self._directory / f"waiting-{number}.arrow")
        self._waiting += 1
        return result


def _report(task: asyncio.Task[Piece | _Parked], broken: asyncio.Future[None]) -> None:
    """Let the first failure end the map at once, wherever in the order it stands."""
    if not task.cancelled() and (error := task.exception()) is not None and not broken.done():
        broken.set_exception(error)
