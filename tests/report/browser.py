"""A headless Chromium, driven over its DevTools protocol: opens a file, listens to it, looks at it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Page:
    """An open page: ``errors`` are its console's errors and exceptions, ``requests`` the addresses that it asked for."""

    def __init__(self, socket):
        self._socket, self._numbers = socket, itertools.count(1)
        self._waiting, self.errors, self.requests = {}, [], []
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self):
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
                continue
            given = said["params"]
            match said["method"]:
                case "Runtime.exceptionThrown":
                    self.errors.append(str(given["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if given["type"] in ("error", "warning"):
                    self.errors.append(str(given["args"]))
                case "Log.entryAdded" if given["entry"]["level"] in ("error", "warning"):
                    self.errors.append(given["entry"]["text"])
                case "Network.requestWillBeSent":
                    self.requests.append(given["request"]["url"])

    async def call(self, method, **given):
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": given})
        said = await asyncio.wait_for(self._waiting[number] if number in self._waiting else asyncio.sleep(0), 60)
        assert "error" not in said, said
        return said["result"]

    async def open(self, path, *, width=1100, dark=False, script=True, mobile=False):
        for domain in ("Runtime", "Log", "Network", "Page"):
            await self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile
        )
        await self.call("Emulation.setScriptExecutionDisabled", value=not script)
        await self.call("Page.navigate", url=f"file://{path}")
        for _ in range(200):
            if await self.drawn() if script else (await self.value("document.readyState")) == "complete":
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the page was not drawn: {self.errors}")

    async def drawn(self):
        return await self.value("document.documentElement.dataset.drawn === 'yes'")

    async def value(self, expression):
        said = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return said["result"].get("value")

    async def picture(self):
        said = await self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(said["data"])

    async def pdf(self):
        said = await self.call("Page.printToPDF", printBackground=False)
        return base64.b64decode(said["data"])

    def close(self):
        self._reader.cancel()


@asynccontextmanager
async def page():
    """Yield a page of a browser of its own."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
        quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--mute-audio")
        command = [CHROMIUM, *flags, *quiet, "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank"]
        with subprocess.Popen(  # noqa: ASYNC220 - it is started once, before anything else waits
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                async with aiohttp.ClientSession() as session:
                    port = await _port(Path(home) / "DevToolsActivePort")
                    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                        [target] = [t for t in await answer.json() if t["type"] == "page"]
                    async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                        opened = Page(socket)
                        yield opened
                        opened.close()
            finally:
                browser.terminate()


async def _port(path):
    for _ in range(600):
        if path.exists() and path.read_text().strip():
            return int(path.read_text().split()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not start")
