"""A client to be killed: asks a judge on loopback, notes what was acknowledged, and dies by `kill -9` at any moment."""

import asyncio
import multiprocessing
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge_server import JudgeServer, digest
from rankscape.studies.ranking.judges.asking import SCORE_SCHEMA
from rankscape.studies.ranking.judges.client import open_judge
from rankscape.studies.ranking.judges.questions import Question, question_key
from rankscape.studies.ranking.judges.reply_store import ReplyStore
from rankscape.studies.ranking.judges.settings import JudgeSettings
from workflow_copy import PATIENCE_S

QUESTIONS = 60


def questions(count: int = QUESTIONS) -> list[Question]:
    """Questions that differ in the seed, by which the server's log is read."""
    return [Question((b"image",), "How developed?", SCORE_SCHEMA, (1, seed), seed) for seed in range(count)]


def settings(url: str) -> JudgeSettings:
    return JudgeSettings(model="tester", base_url=url, concurrency=6)


def ask_all(url: str, store: str, acknowledged: str) -> None:
    """Ask everything; write a line for every answer that was asked for, as soon as it is handed on."""
    handle = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def run() -> None:
        async with open_judge("killed", settings(url), ReplyStore(Path(store))) as judge:

            async def ask(question: Question) -> None:
                reply = await judge.ask(question)
                if not reply.stored and reply.error is None:
                    os.write(handle, f"{question.seed}\n".encode())

            await asyncio.gather(*map(ask, questions()))

    asyncio.run(run())


@dataclass(frozen=True)
class Outcome:
    """What was seen after so many kills and a last run to the end."""

    kills: int
    lost: int
    """Acknowledged answers that the store does not have."""
    paid_twice: int
    """Acknowledged answers that were asked for again."""
    under_way: int
    """Answers that were on their way to a client when it was killed: paid, and asked for again."""


def killed_at_random(server: JudgeServer, folder: Path, kills: int, seed: int = 0) -> Outcome:
    """Run the client, kill it, run it again on the same store until all is asked; then again with an empty store.

    Args:
        server: The endpoint.
        folder: An empty folder.
        kills: Kills in all.
        seed: Seed of their moments.
    """
    chance, starter = random.Random(seed), _starter()
    found, number = Outcome(0, 0, 0, 0), 0
    while found.kills < kills:
        here = folder / str(number)
        here.mkdir()
        found, number = _asked_to_the_end(server, here, found, kills, chance, starter), number + 1
    return found


def _starter() -> multiprocessing.context.ForkServerContext:
    """Clients are forked from a process that has imported everything: that takes longer than their work."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    starter = multiprocessing.get_context("forkserver")
    starter.set_forkserver_preload(["judge_client"])
    return starter


def _asked_to_the_end(
    server: JudgeServer, here: Path, found: Outcome, most: int, chance: random.Random, starter: Any
) -> Outcome:
    acknowledged = here / "acknowledged"
    acknowledged.touch()
    server.accepted.clear()
    server.bodies.clear()
    at_first: dict[int, int] = {}
    kills, lost, exitcode = found.kills, 0, -9
    while exitcode != 0:
        client = starter.Process(target=ask_all, args=(server.url, str(here / "store"), str(acknowledged)))
        client.start()
        if kills < most:
            _wait_for_work(server, client)
            time.sleep(chance.uniform(0, 0.3))
            client.kill()
        client.join(PATIENCE_S)
        assert client.exitcode in {0, -9}, client.exitcode
        while server.under_way:
            time.sleep(0.005)  # What a killed client left is counted when its time is over.
        exitcode = client.exitcode
        kills += exitcode == -9
        # An answer is counted before it is sent: what is acknowledged now has the count that it must keep.
        times, noted = _times(server), _noted(acknowledged)
        at_first |= {one: times[one] for one in noted - set(at_first)}
        lost += _lost(here / "store", acknowledged, server)
    times = _times(server)
    assert set(times) == set(range(QUESTIONS))
    paid_twice = sum(times[one] != count for one, count in at_first.items())
    under_way = sum(times.values()) - QUESTIONS - paid_twice
    return Outcome(kills, found.lost + lost, found.paid_twice + paid_twice, found.under_way + under_way)


def _wait_for_work(server: JudgeServer, client: multiprocessing.process.BaseProcess) -> None:
    """Until the client has sent something, so that kills meet it at work and not while it starts."""
    sent, end_s = len(server.bodies), time.monotonic() + PATIENCE_S
    while len(server.bodies) == sent and client.is_alive() and time.monotonic() < end_s:
        time.sleep(0.001)


def _times(server: JudgeServer) -> Counter[int]:
    """How often each question was answered by the endpoint, by its seed."""
    seeds = {digest(body): int(body["seed"]) for body in server.bodies}
    return Counter({seeds[name]: count for name, count in server.accepted.items()})


def _noted(acknowledged: Path) -> set[int]:
    return {int(line) for line in acknowledged.read_text().split("\n")[:-1]}


def _lost(store: Path, acknowledged: Path, server: JudgeServer) -> int:
    noted = _noted(acknowledged)
    kept = ReplyStore(store).keys()
    keys = {question.seed: question_key(question, settings(server.url)) for question in questions()}
    return sum(keys[number] not in kept for number in noted)
