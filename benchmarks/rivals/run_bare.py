"""The limit: a bare aiohttp loop that sends short bodies and reads the answers; no retries, nothing kept."""

from __future__ import annotations

from collections.abc import Callable

from job import Answers, Job, main, said


def load(job: Job) -> Callable[[], Answers]:
    import asyncio

    import aiohttp
    import orjson
    import uvloop

    answers: Answers = {}

    async def work(session: aiohttp.ClientSession, rows: object) -> None:
        for row in rows:  # type: ignore[attr-defined]
            content = f"{job.bare_question} Answer Yes or No.\n\n{row['body']}"
            body = {"model": "sim", "messages": [{"role": "user", "content": content}], "temperature": 0}
            async with session.post(f"{job.url}/chat/completions", data=orjson.dumps(body)) as reply:
                if reply.status == 200:
                    answers[row["id"]] = said(orjson.loads(await reply.read())["choices"][0]["message"]["content"])

    async def run() -> Answers:
        rows = iter(job.rows)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            await asyncio.gather(*(work(session, rows) for _ in range(job.in_flight)))
        return answers

    return lambda: uvloop.run(run())


if __name__ == "__main__":
    main(load)
