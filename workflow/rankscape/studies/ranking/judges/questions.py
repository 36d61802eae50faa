"""Questions to a judge: the request, its name in the store, the reply, and how many tokens it may take.

Endpoints bill by their own count of tokens. Estimates here are from public descriptions, good to a factor of about two
between models; once replies are stored, their counted tokens take the place of these.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from rankscape.studies.ranking.judges.settings import JudgeSettings

PIXELS_A_TOKEN = 28
"""Qwen2-VL makes one token of a square of 28 pixels: 14-pixel patches, merged 2 by 2 (Wang et al. 2024, 2.1)."""
IMAGE_ENDS = 2
"""Tokens that begin and end an image there: 66 tokens for 224 x 224 pixels."""
CHARACTERS_A_TOKEN = 4
"""Characters of English, digits and JSON that make one token."""
CHAT_TOKENS = 20
"""What the form of a chat adds: roles, separators."""


def image_tokens(width_px: int, height_px: int) -> int:
    """Estimate the tokens of one image, after Qwen2-VL: sides are rounded to whole squares of 28 pixels.

    Args:
        width_px: Width, in pixels.
        height_px: Height, in pixels.
    """
    squares = (max(1, round(side / PIXELS_A_TOKEN)) for side in (width_px, height_px))
    return next(squares) * next(squares) + IMAGE_ENDS


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text: four ASCII characters make one, any other character is one by itself."""
    ascii_characters = sum(character.isascii() for character in text)
    return -(-ascii_characters // CHARACTERS_A_TOKEN) + len(text) - ascii_characters


def question_tokens(text: str, schema: str, sizes_px: Iterable[tuple[int, int]]) -> int:
    """Estimate the tokens of a question: its text, its schema and its images.

    Args:
        text: The prompt.
        schema: JSON schema of the answer, as text.
        sizes_px: Width and height of every image, in pixels.
    """
    images = sum(image_tokens(*size) for size in sizes_px)
    return CHAT_TOKENS + text_tokens(text) + text_tokens(schema) + images


STAND_IN_ENDPOINT = "the demo's own application"
SERVED_ENDPOINT = "started by the workflow"
_LONGEST_QUOTE = 2000
_PNG_HEADER_BYTES = 24
_UNKNOWN_SIZE_PX = (512, 512)


@dataclass(frozen=True)
class Question:
    """One question to a judge; two that are alike in everything are the same question and are paid once."""

    images: tuple[bytes, ...]
    """Images, PNG, in the order shown."""
    prompt: str
    """The question's text."""
    schema: dict[str, Any]
    """JSON schema of the answer."""
    number: tuple[int, ...]
    """Which of several replies to the same images this is, such as (round, reply)."""
    seed: int
    """Sampling seed, for endpoints that know one."""
    labels: tuple[str, ...] = ()
    """Text before each image, where there are several to tell apart; empty, or as many as images."""


@dataclass(frozen=True)
class Reply:
    """What a judge answered to one question, as received."""

    text: str
    """The answer; empty where there is none."""
    finish_reason: str
    """Why the judge stopped, as the endpoint says: `stop`, `length`, `content_filter`; empty where it says nothing."""
    prompt_tokens: int
    """Tokens of the question, as the endpoint counts them; with repairs, of all that was asked."""
    completion_tokens: int
    """Tokens of the answer; with repairs, of all answers."""
    seconds: float
    """Time of the last try, in seconds; with repairs, of the last try of each."""
    error: str | None
    """Why there is no usable answer; None where the endpoint answered. Whether the text makes sense is not judged."""
    attempts: int = 1
    """Requests sent until there was an answer."""
    repairs: int = 0
    """Times that the judge was asked to mend its answer."""
    stored: bool = False
    """Whether nothing was asked, because the store had the reply."""
    cost: float | None = None
    """What it cost, in the judge's currency; None without prices."""


def endpoint_name(settings: JudgeSettings) -> str:
    """Return the address of a judge without user, password and query, for messages and keys.

    A judge that the workflow starts has another port each time; its name in keys stays the same.
    """
    if settings.kind == "stand-in":
        return STAND_IN_ENDPOINT
    if settings.command is not None:
        return SERVED_ENDPOINT
    return str(httpx2.URL(settings.base_url).copy_with(username=None, password=None, query=None))


def question_key(question: Question, settings: JudgeSettings) -> str:
    """Return the name of a question to a judge, 64 hex digits: what the answer depends on, and nothing else.

    Args:
        question: The question.
        settings: The judge's; of these count model, address, temperature, longest reply, detail, and the form of
            requests.
    """
    content = {
        "pictures": [hashlib.sha256(image).hexdigest() for image in question.images],
        "labels": question.labels,
        "prompt": question.prompt,
        "schema": question.schema,
        "number": question.number,
        "seed": question.seed,
        "model": settings.model,
        "endpoint": endpoint_name(settings),
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "detail": settings.detail,
    }
    # A judge of the usual form keeps the names that its replies always had.
    return _digest(content | ({"form": settings.form} if settings.form else {}))


def repair_key(key: str, answer: str, reason: str) -> str:
    """Return the name of the question that asks to mend an answer."""
    return _digest({"repair of": key, "answer": answer, "reason": reason})


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def first_messages(question: Question, settings: JudgeSettings) -> list[dict[str, Any]]:
    """Return the conversation that asks a question: its text, then its images at full size."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": question.prompt}]
    labels = question.labels or ("",) * len(question.images)
    for label, image in zip(labels, question.images, strict=True):
        url = "data:image/png;base64," + base64.b64encode(image).decode()
        parts += [{"type": "text", "text": label}] if label else []
        detail = {} if "detail" in settings.omit else {"detail": settings.detail}
        parts += [{"type": "image_url", "image_url": {"url": url, **detail}}]
    if settings.answer_form != "json_schema" or "response_format" in settings.omit:
        parts += [{"type": "text", "text": f"Answer with one JSON object, after this JSON schema: {_schema(question)}"}]
    return [{"role": "user", "content": parts}]


def repair_messages(question: Question, answer: str, reason: str) -> list[dict[str, Any]]:
    """Return how the conversation goes on after an answer that cannot be read."""
    wish = (
        f"That answer cannot be used: {reason}. Answer the question again with one JSON object and nothing else, "
        f"after this JSON schema: {_schema(question)}"
    )
    said = answer[:_LONGEST_QUOTE] if answer.strip() else "(no answer)"
    return [{"role": "assistant", "content": said}, {"role": "user", "content": wish}]


def _schema(question: Question) -> str:
    return json.dumps(question.schema, sort_keys=True, ensure_ascii=False)


def request_body(messages: list[dict[str, Any]], question: Question, settings: JudgeSettings) -> dict[str, Any]:
    """Return a request of OpenAI's chat protocol, in the form that the settings choose."""
    omitted = {settings.tokens_key if key == "max_tokens" else key for key in settings.omit}
    body = {
        "model": settings.model,
        "messages": messages,
        "temperature": settings.temperature,
        settings.tokens_key: settings.max_tokens,
        "seed": question.seed,
        **_response_format(question, settings),
    }
    return {key: value for key, value in body.items() if key not in omitted} | settings.extra


def _response_format(question: Question, settings: JudgeSettings) -> dict[str, Any]:
    if settings.answer_form == "text":
        return {}
    if settings.answer_form == "json_object":
        return {"response_format": {"type": "json_object"}}
    strict = {} if "strict" in settings.omit else {"strict": True}
    schema = {"name": "answer", **strict, "schema": question.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def estimated_prompt_tokens(question: Question, more: Sequence[dict[str, Any]] = ()) -> int:
    """Estimate the tokens of a question before it is asked; endpoints count in their own way.

    Args:
        question: The question.
        more: How the conversation goes on after it: messages of text.
    """
    sizes = [image_size_px(image) for image in question.images]
    text = question.prompt + "".join(question.labels) + "".join(message["content"] for message in more)
    return question_tokens(text, json.dumps(question.schema), sizes)


def image_size_px(image: bytes) -> tuple[int, int]:
    """Return width and height from the header of a PNG; a middling size for what is none."""
    if len(image) < _PNG_HEADER_BYTES or not image.startswith(b"\x89PNG\r\n\x1a\n"):
        return _UNKNOWN_SIZE_PX
    return int.from_bytes(image[16:20]), int.from_bytes(image[20:24])
