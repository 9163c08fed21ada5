"""A real browser for tests: Chromium without a window, over the pipe of its DevTools protocol, without a network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)"
)
#: nothing but files: every host is unknown
ALONE = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking")


class Browser:
    """One tab. errors: what its scripts threw or wrote to the console as errors, in order."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._rest = to, back, b""
        self._number = 0
        self.errors: list[str] = []
        self.session = ""
        self._own = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=self._own, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the protocol, sent to the tab once there is one."""
        self._number += 1
        alone = not self.session or method.startswith("Target.")
        message = {
            "id": self._number,
            "method": method,
            "params": params,
            **({} if alone else {"sessionId": self.session}),
        }
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _next(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            waiting = select.poll()  # select takes no descriptor above 1023
            waiting.register(self._back, select.POLLIN)
            assert waiting.poll(1000 * max(0.0, end - time.monotonic())), "the browser does not answer"
            part = os.read(self._back, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        params = found.get("params", {})
        if found.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(str(details.get("exception", {}).get("description") or details["text"]))
        elif found.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif found.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        return found

    def open(self, path: Path, width: int = 1200, height: int = 900, hash: str = "") -> None:
        """Show a file and wait until its scripts have run."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self("Page.navigate", url="about:blank")
        self("Page.navigate", url=path.resolve().as_uri() + hash)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; of a promise, what it becomes."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = 20) -> Any:
        """Until an expression is true; its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(condition)):
            assert time.monotonic() < end, f"{condition} did not come true; {self.errors}"
            time.sleep(0.02)
        return value

    def mouse(self, kind: str, x: float, y: float, buttons: int = 0, clicks: int = 0) -> None:
        """kind: mousePressed, mouseMoved, mouseReleased; places in pixels of the page that is seen."""
        self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if buttons or clicks else "none",
             buttons=buttons, clickCount=clicks)  # fmt: skip

    def click(self, x: float, y: float) -> None:
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, 1, 1)
        self.mouse("mouseReleased", x, y, 0, 1)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, 1, 1)
        for part in (0.3, 0.7, 1.0):
            self.mouse("mouseMoved", *(a + part * (b - a) for a, b in zip(start, end, strict=True)), 1)
        self.mouse("mouseReleased", *end, 0, 1)

    def opened(self, seconds: float = 20) -> str:
        """The address of the tab that the page opens, or has opened; it is closed, since tabs behind others idle."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for one in self("Target.getTargets")["targetInfos"]:
                if one["type"] == "page" and one["targetId"] != self._own and one["url"].startswith("http"):
                    self("Target.closeTarget", targetId=one["targetId"])
                    self("Page.bringToFront")
                    return str(one["url"])
            time.sleep(0.02)
        raise AssertionError("the page opened no tab")

    def picture(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])
        )


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser that ends with the block. profile: an empty folder for it."""
    assert CHROMIUM
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    flags = [
        "--headless",
        "--no-sandbox",
        "--remote-debugging-pipe",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ]
    with (profile / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}', CHROMIUM, *flags, *ALONE,
             f"--user-data-dir={profile}"],
            pass_fds=(read_commands, write_answers), stdout=log, stderr=log,
        )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
