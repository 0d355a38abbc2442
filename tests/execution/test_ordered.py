"""Pieces come out in order; early ones wait on disk, and a slow one stalls nobody."""

import asyncio

import pyarrow as pa

from rowsight.execution.ordered import KEPT_IN_MEMORY, OrderedMap, Piece


def piece(number):
    return Piece(pa.array([number], pa.int64()), pa.RecordBatch.from_pylist([{"n": number, "t": f"row {number}"}]))


async def source(count):
    for number in range(count):
        yield piece(number)


async def test_order_is_kept_and_early_pieces_wait_on_disk(tmp_path):
    count, gate, seen_on_disk = 4 * KEPT_IN_MEMORY, asyncio.Event(), 0

    async def process(one):
        nonlocal seen_on_disk
        if one.positions[0].as_py() == 0:
            await gate.wait()
            seen_on_disk = len(list(tmp_path.iterdir()))
        elif one.positions[0].as_py() == count - 1:
            asyncio.get_running_loop().call_later(0.05, gate.set)
        return one

    async def room():
        await asyncio.sleep(0)

    out = [p async for p in OrderedMap(process, room, tmp_path).over(source(count))]
    assert [p.positions[0].as_py() for p in out] == list(range(count))
    assert [p.rows.to_pylist() for p in out] == [piece(n).rows.to_pylist() for n in range(count)]
    assert seen_on_disk >= 2 * KEPT_IN_MEMORY
    assert list(tmp_path.iterdir()) == []


async def test_an_error_cancels_the_rest(tmp_path):
    cancelled = []

    async def process(one):
        if one.positions[0].as_py() == 1:
            raise ValueError("no")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(one.positions[0].as_py())
            raise
        return one

    async def room():
        await asyncio.sleep(0)

    try:
        async for _ in OrderedMap(process, room, tmp_path).over(source(3)):
            pass
    except ValueError:
        pass
    await asyncio.sleep(0)
    assert cancelled
