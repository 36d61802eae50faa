"""What an endpoint sent back: a chat completion, or why there is none; without the key that was sent to it."""

import email.utils
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx2

RETRIED = frozenset({408, 409, 429})
"""Answers after which the same request can succeed, besides 5xx."""
CONGESTED = frozenset({429, 503})
"""Answers that say that requests come too fast."""
REFUSING_KEY = frozenset({401, 403})
"""Answers that say that no request with this key will succeed."""
LONGEST_RETRY_AFTER_S = 600.0
"""A server that asks for a longer pause is not waited for; the reply is missing."""
_PAYMENT_REQUIRED = 402
_BILLING = frozenset({400, 403, 429})
_NO_MONEY = re.compile(
    r"(?i)insufficient_(quota|balance|funds|credits)|insufficient (balance|funds|credits)|billing details"
)
_SHORTEST_SECRET = 6
_LONGEST_REASON = 200
_KEY_LIKE = re.compile(r"(?i)\b(sk-[\w*.-]{4,}|bearer\s+[\w*.~+/=-]{4,})|(?<=[?&](?:key|sig)=)[^&\s]+")
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[a-z!/][^>]*>")
_NO_SUCH_MODEL = re.compile(
    r"(?i)model.{0,200}(not exist|not found|not available|unknown|not supported)|(no such|unknown) model"
)


_LONGEST_PAGE = 4000
_CLOCK_S, _CLOCK_MS = 1e9, 1e12
"""Larger numbers are no spans but seconds or milliseconds since 1970."""
_SPANS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART_OF_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_REFUSING_FORM = frozenset({400, 415, 422})
_REFUSING_ADDRESS = frozenset({404, 405})
_FILTERED = re.compile(r"(?i)content.?(filter|policy|management)|responsible.?ai|safety|moderation")
_RETRY_DELAY = re.compile(r'"retryDelay": "([0-9]{1,6}(?:\.[0-9]{1,9})?)s"')
_OWN_PARTS = re.compile(r"[0-9a-fA-F-]*[0-9][\w-]*")
_HELPING = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), setting)
    for pattern, setting in (
        (r"max_tokens\b.*max_completion_tokens", "tokens_key: max_completion_tokens"),
        (r"max_completion_tokens.*\b(not|un|extra)|\bun.*max_completion_tokens", "tokens_key: max_tokens"),
        (r"max_(completion_)?tokens.*(large|exceed|at most|less than|maximum|range)", "a smaller max_tokens"),
        (r"(context (length|window)|too many tokens)", "a smaller max_tokens, or fewer or smaller images"),
        (r"max_tokens.*(small|at least|minimum|greater|larger|higher)", "a larger max_tokens"),
        (r"\bmax_tokens\b.*(not|extra)|\bun.*\bmax_tokens\b", "tokens_key: max_completion_tokens"),
        (r"\bseed\b", "omit: [seed]"),
        (r"\btemperature\b", "omit: [temperature]"),
        (r"\bstrict\b", "omit: [strict]"),
        (r"json_object|must contain the word .?json", "answer_form: text"),
        (r"response_?format|json.?schema|structured.?output|guided|grammar", "answer_form: json_object, or text"),
        (r"image_url.*\bdetail\b|\bdetail\b.*image_url|[\"'`.]detail\b", "omit: [detail]"),
        (r"image.*(not|un)|not.*(image|vision|multi-?modal)|content.*string", "a model that reads images (model)"),
    )
)
"""What a message of an endpoint speaks of, and the setting that would help; the first that fits counts."""


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer."""

    reason: str
    """In a few words, without the key."""
    again: bool = False
    """Whether another try can help."""
    closed: str | None = None
    """What is wrong, where no request can succeed: `connection`, `certificate`, `address`, `key`, `model`, `account`;
    `request` where the form of requests is refused, if others are refused alike."""
    mend: str = ""
    """What would help, where the refusal says it."""
    congested: bool = False
    """Whether requests came too fast."""
    counts: bool = True
    """Whether the try counts; one that met congestion does not, while requests that were sent earlier are under way."""
    wait_s: float | None = None
    """Pause that the server asked for."""
    seconds: float = 0.0
    """Time of the last try, in seconds."""
    attempts: int = 0
    """Requests sent."""


@dataclass(frozen=True)
class Completion:
    """What a judge answered."""

    text: str
    """The answer; empty where there is none."""
    finish_reason: str
    """Why the judge stopped, as the endpoint says."""
    prompt_tokens: int
    """Tokens of the question; 0 where the endpoint does not count."""
    completion_tokens: int
    """Tokens of the answer."""
    refusal: str | None
    """Why the judge did not answer, if it says so itself."""
    body: dict[str, Any]
    """Everything that was received, but for the key."""
    pause_s: float = 0.0
    """Pause after which the endpoint has room for another such request, as its headers say."""


class Secret:
    """A key that must be in no file and no message."""

    def __init__(self, key: str | None) -> None:
        # A key shorter than any real one is a word, not a secret.
        self._key = key if key is not None and len(key) >= _SHORTEST_SECRET else None

    def blank(self, text: str) -> str:
        """Return a text without the key: a server may repeat the request's headers."""
        return text if self._key is None else text.replace(self._key, "[redacted]")

    def blank_all(self, value: Any) -> Any:
        """Return a JSON value whose texts are without the key, and can be written as UTF-8."""
        if isinstance(value, str):
            return self.blank(value).encode("utf-8", "replace").decode()
        if isinstance(value, list):
            return [self.blank_all(one) for one in value]
        if isinstance(value, dict):
            return {self.blank_all(name): self.blank_all(one) for name, one in value.items()}
        return value

    def reason(self, text: str) -> str:
        """Return a short text for a message: one line, no key, nothing that looks like one."""
        line = " ".join(_KEY_LIKE.sub("[redacted]", self.blank_all(text)).split())
        return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def read_completion(content: bytes, secret: Secret, headers: httpx2.Headers | None = None) -> Completion | Failure:
    """Read the body of an answer with status 200; whatever it holds, nothing is raised.

    Args:
        content: The body.
        secret: The key, which is blanked.
        headers: Headers of the answer: what the endpoint's limits leave.
    """
    if content.lstrip().startswith(b"<"):
        said = secret.reason(_said(content[:_LONGEST_PAGE].decode("utf-8", "replace")))
        return Failure(f"the reply is no chat completion but a page of the web: {said}", closed="address")
    try:
        body = secret.blank_all(json.loads(content))
    except (ValueError, RecursionError) as error:
        return Failure(secret.reason(f"the reply is no chat completion: {error}"))
    if not isinstance(body, dict):
        return Failure("the reply is no chat completion")
    choices = body.get("choices")
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        return _without_choices(body, secret)
    message, usage = _mapping(choices[0].get("message")), _mapping(body.get("usage"))
    asked, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    # Some endpoints leave thoughts out of the answer's tokens, and charge for them: the total has them.
    answered = max(answered, _count(usage.get("total_tokens")) - asked) if answered else answered
    return Completion(
        text=_answer(message.get("content")),
        finish_reason=_text(choices[0].get("finish_reason")),
        prompt_tokens=asked,
        completion_tokens=answered,
        refusal=secret.reason(_text(message.get("refusal"))) or None,
        body=body,
        pause_s=min(allowance_pause_s(headers or httpx2.Headers(), asked + answered), LONGEST_RETRY_AFTER_S),
    )


def _without_choices(body: dict[str, Any], secret: Secret) -> Failure:
    """Some gateways pass an error on with status 200, and say in the body what it was."""
    code = _mapping(body.get("error")).get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return read_refusal(code, httpx2.Headers(), body, secret)
    said = _said(body)
    return Failure(secret.reason(f"the reply is no chat completion: {said or 'it has no choices'}"))


def read_refusal(status: int, headers: httpx2.Headers, body: Any, secret: Secret) -> Failure:
    """Read an answer with an error status.

    Args:
        status: HTTP status.
        headers: Headers of the answer.
        body: The answer's JSON value, or its text.
        secret: The key, which is blanked.
    """
    said = _said(body)
    reason = secret.reason(f"HTTP {status}: {said}" if said else f"HTTP {status}")
    # A limit that names its end passes, whatever else the message speaks of.
    broke = (
        status in _BILLING and _NO_MONEY.search(f"{said} {json.dumps(body)}") and retry_after_s(headers, body) is None
    )
    if status == _PAYMENT_REQUIRED or broke:
        return Failure(reason, closed="account")
    wait_s = retry_after_s(headers, body)
    if wait_s is None and status in CONGESTED:
        wait_s = allowance_pause_s(headers, 1) or None
    if wait_s is not None and wait_s > LONGEST_RETRY_AFTER_S:
        return Failure(f"{reason}; the server asks to wait {wait_s:.0f} s")
    return Failure(
        reason,
        again=status in RETRIED or status >= 500,
        closed=_what_to_mend(status, said, body),
        mend=helping_setting(f"{said} {_mapping(_mapping(body).get('error')).get('param') or ''}"),
        congested=status in CONGESTED,
        wait_s=wait_s,
    )


def _said(body: Any) -> str:
    """The message of an error, in the forms in which endpoints give it; the text where it is no JSON."""
    if isinstance(body, str):
        return _MARKUP.sub(" ", body)
    if isinstance(body, list):
        return "; ".join(filter(None, map(_said, body)))
    if not isinstance(body, dict):
        return ""
    if isinstance(body.get("loc"), list) and _text(body.get("msg")):
        # The place of a key begins with `body`, which says nothing.
        place = ".".join(str(part) for part in body["loc"] if part != "body")
        return f"{place}: {body['msg']}"
    return next(filter(None, (_said(body.get(key)) for key in ("error", "message", "detail", "msg"))), "")


def _what_to_mend(status: int, said: str, body: Any) -> str | None:
    if status in REFUSING_KEY:
        return "key"
    if _FILTERED.search(f"{said} {json.dumps(body)}"):
        return None
    if status in _REFUSING_FORM and helping_setting(said):
        return "request"
    code = _mapping(_mapping(body).get("error", body)).get("code")
    unknown_model = code == "model_not_found" or _NO_SUCH_MODEL.search(said) is not None
    if status in {400, 404} and unknown_model:
        return "model"
    if status in _REFUSING_FORM:
        return "request"
    return "address" if status in _REFUSING_ADDRESS or 300 <= status < 400 else None


def helping_setting(said: str) -> str:
    """Return the setting that would help where an endpoint refuses a request; empty where its message names none.

    Args:
        said: The message, and the parameter that it is about.
    """
    return next((setting for pattern, setting in _HELPING if pattern.search(said)), "")


def same_refusal(one: str, other: str) -> bool:
    """Return whether two messages say the same, but for numbers and names of requests."""
    return _OWN_PARTS.sub("", one) == _OWN_PARTS.sub("", other)


def retry_after_s(headers: httpx2.Headers, body: Any = None) -> float | None:
    """Return the seconds that a server asks to wait.

    They are in `retry-after-ms`, in `Retry-After` (seconds or a date), or in the body: Google's `retryDelay`.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            return float(text) * scale
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, when.timestamp() - time.time())
    except (ValueError, OverflowError):
        delay = _RETRY_DELAY.search(json.dumps(body))
        return float(delay[1]) if delay else None


def allowance_pause_s(headers: httpx2.Headers, tokens: int) -> float:
    """Return the seconds until an endpoint's limits have room for another request; 0 where they have, or are unknown.

    Args:
        headers: Headers of an answer: `x-ratelimit-remaining-requests`, `x-ratelimit-reset-requests`, the same for
            tokens, or `x-ratelimit-remaining` alone.
        tokens: Tokens that the next request may take.
    """
    pauses = [0.0]
    for kind, needed in (("-requests", 1), ("-tokens", tokens), ("", 1)):
        left = headers.get(f"x-ratelimit-remaining{kind}", "").strip()
        if re.fullmatch(r"-?[0-9]{1,15}", left) and int(left) < needed:
            pauses.append(_span_s(headers.get(f"x-ratelimit-reset{kind}", "")))
    return max(pauses)


def _span_s(text: str) -> float:
    """Seconds of a span such as `6m0s`, `20ms` or `1.5`, or until a moment of the clock; 0 for anything else."""
    text = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text):
        number = float(text)
        moment_s = number / 1000 if number >= _CLOCK_MS else number
        return max(0.0, moment_s - time.time()) if number >= _CLOCK_S else number
    if _PART_OF_SPAN.sub("", text):
        return 0.0
    return sum(float(number) * _SPANS_S[unit] for number, unit in _PART_OF_SPAN.findall(text))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _answer(content: Any) -> str:
    """The text of an answer; of one in parts, its parts of text, without those of a model that thinks."""
    if not isinstance(content, list):
        return _text(content)
    parts = map(_mapping, content)
    return "".join(_text(part.get("text")) for part in parts if part.get("type") in {"text", "output_text"})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else 0
