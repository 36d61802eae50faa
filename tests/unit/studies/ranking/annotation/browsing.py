"""A browser on the annotation page, and the page's server as a user starts it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from playwright.sync_api import Page
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import PatchLookup
from rankscape.studies.ranking.annotation.app import create_app
from rankscape.studies.ranking.annotation.serving import listening
from rankscape.studies.ranking.annotation.session import Session

from .conftest import Place

WAIT_MS = 20_000
TOKEN = "secret-secret-secret-secret"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Server:
    """`rankscape ranking annotate` as a process of its own."""

    place: Place
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def start(self, *more: str) -> str:
        """Start it; return the address that it prints."""
        command = [
            sys.executable,
            "-m",
            "rankscape",
            "ranking",
            "annotate",
            "--region",
            self.place.name,
            "--annotator",
            "anna",
        ]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *more],
            cwd=self.place.folder,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line):
                self.url = found[0]
                return self.url
        raise AssertionError(f"the server ended with {self.process.wait()}")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=20)

    def stop(self) -> tuple[int, str]:
        """End it with Ctrl-C; return its status and what it said since the start."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


@contextmanager
def served(place: Place, session: Session) -> Iterator[str]:
    """Serve a session from this process; yields its address."""
    album = PatchLookup(
        map(open_patches, place.region().tiles), [patch for card in session.annotation.cards for patch in card.patches]
    )
    config = uvicorn.Config(create_app(session, album, TOKEN), log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with listening(0) as taken:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/{TOKEN}/"
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def opened(page: Page, url: str) -> Page:
    """Open the page and wait until it can be used."""
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    return page


def saved(page: Page, text: str = "saved") -> None:
    """Wait until the page says that all is saved."""
    page.wait_for_function("text => document.querySelector('#saved').textContent === text", arg=text)


def layout(page: Page) -> dict[str, Any]:
    """Where the cards lie on the screen."""
    return page.evaluate(
        """() => {
          const cards = (box) => [...box.querySelectorAll('.card')].map((card) => +card.dataset.card)
            .sort((a, b) => a - b);
          return { tiers: [...document.querySelectorAll('.tier')].map(cards),
            tray: cards(document.querySelector('#tray')), deck: cards(document.querySelector('#deck')) };
        }"""
    )


def middle(page: Page, selector: str) -> tuple[float, float]:
    """Centre of what is visible of an element."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def grip(card: int) -> str:
    return f'.card[data-card="{card}"] .number'


def drag(page: Page, card: int, place: str) -> None:
    """Drag a card with the mouse; near the lower and upper edge the page scrolls by itself, as it does for a user."""
    page.locator(grip(card)).scroll_into_view_if_needed()
    start, target = middle(page, grip(card)), f'[data-place="{place}"]'
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] - 12, start[1] + 12)
    height = page.evaluate("innerHeight")
    for _ in range(200):
        x, y = middle(page, target)
        page.mouse.move(x, min(max(y, 70), height - 20), steps=2)
        # A gap opens when it is aimed at, and scrolling moves everything.
        if page.locator(f"{target}.target").count() and middle(page, target) == (x, y):
            break
    page.mouse.up()


def touch(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Move one finger over the screen."""
    device = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        given = {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        device.send("Input.dispatchTouchEvent", given)

    send("touchStart", start)
    for step in range(1, 9):
        send("touchMove", tuple(a + (b - a) * step / 8 for a, b in zip(start, end, strict=True)))  # type: ignore[arg-type]
    # A finger that rests before it leaves flings nothing.
    page.wait_for_timeout(150)
    send("touchEnd")
    page.wait_for_timeout(150)
