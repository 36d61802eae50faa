"""Time rounds against an endpoint on loopback that limits requests with a token bucket; prints a table.

`.venv/bin/python benchmarks/judge_rounds.py` (about four minutes, nearly all of it waiting)

A round has 23 clusters x 3 images x 3 replies; rounds follow one another, each with a client of its own, as the
workflow runs them. The endpoint is a process of its own, answers after 50 to 400 ms and refuses what exceeds its bucket
with 429 and Retry-After. The settings state the limit. The floor is (requests - burst)/rate and one mean latency.
"""

import argparse
import asyncio
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.questions import Question
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings

SERVER = Path(__file__).parents[1] / "tests" / "judge_server.py"
CLUSTERS, IMAGES, REPLIES = 23, 3, 3
LATENCY_S = (0.05, 0.4)


@contextlib.contextmanager
def endpoint(rate: float, burst: float) -> Iterator[str]:
    command = [sys.executable, str(SERVER), "--rate", str(rate), "--burst", str(burst)]
    command += ["--latency", *map(str, LATENCY_S)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(20)


def questions(number: int) -> list[Question]:
    chance = np.random.default_rng(number)
    asked = []
    for _ in range(CLUSTERS * IMAGES):
        image = io.BytesIO()
        patch = chance.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(patch.repeat(7, 0).repeat(7, 1)).save(image, "PNG")
        asked += [
            Question((image.getvalue(),), "How developed?", SCORE_SCHEMA, (number, reply), int(chance.integers(2**31)))
            for reply in range(REPLIES)
        ]
    return asked


async def ask_round(settings: JudgeSettings, asked: list[Question], folder: Path) -> None:
    async with open_judge("timed", settings, ReplyStore(folder)) as judge:
        replies = await asyncio.gather(*(judge.ask(question) for question in asked))
    judge.raise_if_closed()
    missing = [reply.error for reply in replies if reply.error]
    assert not missing, missing[:3]


async def warm_up() -> None:
    """Load what the first request of a process loads: starting Python is no part of the time."""
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"choices": [{}]}))
    async with open_judge("warm", JudgeSettings(model="none"), transport=answer) as judge:
        await judge.ask(questions(0)[0])


def timed(rounds: int, given: argparse.Namespace) -> tuple[float, int, int]:
    """Seconds of so many rounds; requests accepted and refused."""
    asked = [questions(number) for number in range(1, rounds + 1)]
    with endpoint(given.rate, given.burst) as url, tempfile.TemporaryDirectory() as folder:
        settings = JudgeSettings(
            model="tester", base_url=url, concurrency=given.concurrency, requests_per_minute=given.rate * 60
        )
        begin = time.monotonic()
        for own in asked:
            asyncio.run(ask_round(settings, own, Path(folder)))
        seconds = time.monotonic() - begin
        state = httpx2.get(f"{url}/state", trust_env=False).json()
        assert len(state["accepted"]) == len(ReplyStore(Path(folder))) == rounds * CLUSTERS * IMAGES * REPLIES
    return seconds, sum(state["accepted"].values()), state["refused"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="Requests a second that the endpoint allows.")
    parser.add_argument("--burst", type=float, default=20.0, help="Requests that it allows at once.")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, nargs="+", default=(1, 3, 5, 10))
    given = parser.parse_args()
    asyncio.run(warm_up())
    print("| rounds | requests | accepted | refused | floor (s) | time (s) | time / floor |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for rounds in given.rounds:
        needed = rounds * CLUSTERS * IMAGES * REPLIES
        floor_s = (needed - given.burst) / given.rate + sum(LATENCY_S) / 2
        seconds, accepted, refused = timed(rounds, given)
        row = (rounds, needed, accepted, refused, f"{floor_s:.2f}", f"{seconds:.2f}", f"{seconds / floor_s:.3f}")
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
