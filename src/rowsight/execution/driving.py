"""Where a generator without I/O (a cascade, an estimate, the plan of a query) meets those who answer what it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

Asked = TypeVar("Asked")
T = TypeVar("T")


async def driven(course: Generator[Asked, Any, T], reply: Callable[[Asked], Awaitable[Any]]) -> T:
    """Answer what ``course`` asks for by ``reply`` until it ends; return what it came to."""
    answer: Any = None
    while True:
        try:
            asked = course.send(answer)
        except StopIteration as done:
            found: T = done.value
            return found
        answer = await reply(asked)
