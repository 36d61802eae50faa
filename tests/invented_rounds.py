"""Invented rounds, as `rate` writes them, of judges whose faults are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

FINGERPRINT = "f" * 64


@dataclass(frozen=True)
class Temper:
    """How an invented judge is wrong."""

    noise: float = 4.0
    """Standard deviation of a reply, in points."""
    leaning: float = 0.0
    """Added to the strength of what is shown first."""
    drift: float = 0.0
    """Points that all scores rise by from round to round."""
    lost: float = 0.0
    """Share of replies that are refused."""
    repaired: float = 0.0
    """Share of replies whose form had to be mended."""
    price: float | None = None
    """Money a reply; None where the judge has no price."""
    seconds: float = 1.5
    """Time of a reply."""
    stand_in: bool = False


def invented_round(
    judge: str, prompt: str, number: int, truth: Mapping[int, float], mode: str = "scores",
    temper: Temper = Temper(), replies: int = 3, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return a round's document; `truth` is the development of each cluster, 0 to 100."""
    chance = np.random.default_rng([seed, number, *judge.encode(), *prompt.encode()])
    questions = {"scores": _scores, "pairs": _pairs, "tiers": _tiers}[mode](chance, truth, temper, replies, number)
    heard = [reply for question in questions for reply in question["replies"]]
    usable = sum(reply["answer"] is not None for reply in heard)
    return {
        "judge": judge, "model": f"{judge}-72b", "endpoint": "http://127.0.0.1:1/v1", "mode": mode, "temperature": 1.0,
        "detail": "high", "max_tokens": 256, "stand_in": temper.stand_in, "prompt": prompt, "prompt_sha256": "0" * 64,
        "language": "en", "round": number, "fingerprint": FINGERPRINT, "images_sha256": "1" * 64,
        "questions": questions, "scores": _cluster_scores(chance, truth, temper, mode, number),
        "usage": {
            "questions": len(questions), "replies": len(heard), "usable": usable, "missing": len(heard) - usable,
            "repaired": sum(reply["repairs"] > 0 for reply in heard), "prompt_tokens": 900 * len(heard),
            "completion_tokens": 12 * len(heard), "seconds": temper.seconds * len(heard),
            "cost": None if temper.price is None else temper.price * len(heard), "currency": "USD",
        },
        "provenance": {"package": "0.1.0", "stage": "ranking rate", "code": "0123456789abcdef",
                       "settings": {"rate_key": 1}, "settings_sha256": "9" * 64, "inputs": {}, "seed": 0,
                       "backend": "cpu"},
    }  # fmt: skip


def _cluster_scores(
    chance: np.random.Generator, truth: Mapping[int, float], temper: Temper, mode: str, number: int
) -> dict[str, float]:
    risen = temper.drift * number if mode == "scores" else 0.0
    return {str(c): float(np.clip(v + risen + chance.normal(0, temper.noise / 2), 0, 100)) for c, v in truth.items()}


def _reply(chance: np.random.Generator, temper: Temper, answer: Any) -> dict[str, Any]:
    lost = chance.random() < temper.lost
    return {
        "text": "" if lost else str(answer), "answer": None if lost else answer,
        "missing": "refused" if lost else None, "finish_reason": "stop", "prompt_tokens": 900, "completion_tokens": 12,
        "repairs": int(chance.random() < temper.repaired), "key": "k",
    }  # fmt: skip


def _question(
    chance: np.random.Generator, temper: Temper, clusters: Sequence[int], answers: Sequence[Any]
) -> dict[str, Any]:
    patches = [[f"p{cluster}"] for cluster in clusters]
    replies = [_reply(chance, temper, answer) for answer in answers]
    return {"clusters": list(clusters), "patches": patches, "replies": replies}


def _scores(
    chance: np.random.Generator, truth: Mapping[int, float], temper: Temper, replies: int, number: int
) -> list[dict[str, Any]]:
    def score(value: float) -> float:
        return float(np.clip(round(value + temper.drift * number + chance.normal(0, temper.noise)), 0, 100))

    return [
        _question(chance, temper, [cluster], [score(value) for _ in range(replies)])
        for cluster, value in truth.items()
        for _ in range(3)
    ]


def _pairs(
    chance: np.random.Generator, truth: Mapping[int, float], temper: Temper, replies: int, number: int
) -> list[dict[str, Any]]:
    def answer(first: int, second: int) -> str:
        ahead = truth[first] + temper.leaning - truth[second] + chance.normal(0, temper.noise)
        return "tie" if abs(ahead) < 2 else "first" if ahead > 0 else "second"

    shown = [both for a, b in combinations(truth, 2) for both in ((a, b), (b, a))]
    return [_question(chance, temper, pair, [answer(*pair) for _ in range(replies)]) for pair in shown]


def _tiers(
    chance: np.random.Generator, truth: Mapping[int, float], temper: Temper, replies: int, number: int
) -> list[dict[str, Any]]:
    questions = []
    for _ in range(replies):
        shown = [int(cluster) for cluster in chance.permutation(list(truth))]
        seen = {c: truth[c] - temper.leaning * place + chance.normal(0, temper.noise) for place, c in enumerate(shown)}
        best = sorted(shown, key=lambda cluster: -seen[cluster])
        tiers = [list(part) for part in np.array_split(best, 4) if len(part)]
        questions.append(_question(chance, temper, shown, [[[int(c) for c in tier] for tier in tiers]]))
    return questions
