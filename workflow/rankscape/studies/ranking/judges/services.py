"""Judges' endpoints: what they offer, and those that the workflow starts itself by a command."""

import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2

from rankscape.foundation.errors import InputError, JudgeError
from rankscape.foundation.files import read_json, write_json
from rankscape.studies.ranking.judges import command_guard as guard
from rankscape.studies.ranking.judges.client import CERTIFICATE_ADVICE, key_headers, read_key
from rankscape.studies.ranking.judges.completions import Secret
from rankscape.studies.ranking.judges.questions import endpoint_name
from rankscape.studies.ranking.judges.settings import JudgeSettings

State = Literal["starting", "ready", "failed"]

LOOK_S = 0.5
"""Pause between two looks at a service that is starting."""
_ANSWER_S = 10.0
_TAIL_LINES = 3
_LONGEST_TAIL = 300


@dataclass(frozen=True)
class Address:
    """What the file of a served judge says; it holds an address only while the judge answers."""

    state: State
    """Whether the judge can be asked."""
    pid: int
    """Process that looks after the judge; 0 where it is not known."""
    base_url: str | None = None
    """Address of the endpoint."""
    reason: str | None = None
    """Why the judge cannot be asked."""

    def write(self, path: Path) -> None:
        """Write the file."""
        write_json(path, {"state": self.state, "pid": self.pid, "base_url": self.base_url, "reason": self.reason})


def read_address(path: Path) -> Address:
    """Read the file of a served judge.

    Raises:
        InputError: If it is missing or no such file.
    """
    document = read_json(path)
    try:
        return Address(document["state"], int(document["pid"]), document.get("base_url"), document.get("reason"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no address of a judge ({error!r}): `serve` writes it.") from None


def wait_for_address(path: Path, name: str, longest_s: float) -> str:
    """Wait until a served judge answers.

    Args:
        path: File that `serve` keeps.
        name: Name of the judge, for messages.
        longest_s: Longest wait, in seconds.

    Returns:
        Address of the endpoint.

    Raises:
        JudgeError: If the judge failed, its process is gone, or the time is over.
    """
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        found = read_address(path)
        if found.state == "ready" and found.base_url is not None:
            return found.base_url
        raise_if_failed(found, name)
        time.sleep(LOOK_S)
    raise JudgeError(f"Judge {name} did not answer within {longest_s:g} s: see the log of `serve`.")


def raise_if_failed(found: Address, name: str) -> None:
    """Raise where a judge's command has ended, or the process that looks after it is gone.

    Raises:
        JudgeError: With the reason.
    """
    if found.state == "failed":
        raise JudgeError(found.reason or f"Judge {name} failed: see the log of `serve`.")
    if found.pid and not _runs(found.pid):
        raise JudgeError(f"Judge {name} is gone: `serve` was killed before it could say why; see its log.")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command_line(settings: JudgeSettings, port: int) -> str:
    """Fill in a judge's command; braces of other words, such as JSON, stay as they are.

    Raises:
        InputError: If the judge has no command.
    """
    if settings.command is None:
        raise InputError(f"The judge of model {settings.model} has no command: it is not started by the workflow.")
    return settings.command.replace("{port}", str(port)).replace("{model}", shlex.quote(settings.model))


class Service:
    """A command that runs until the block ends; see `running`."""

    def __init__(self, name: str, port: int, process: "subprocess.Popen[str]", log: Path, key: str | None) -> None:
        self.name = name
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._process = process
        self._log = log
        self._key = key
        self._last: deque[str] = deque(maxlen=_TAIL_LINES)
        self._copier = threading.Thread(target=self._copy, daemon=True)
        self._copier.start()

    def _copy(self) -> None:
        """Write the command's output to its log; a key that it repeats is blanked."""
        with self._log.open("w", encoding="utf-8") as log:
            for line in self._process.stdout or ():
                shown = Secret(self._key).blank(line)
                log.write(shown)
                log.flush()
                if shown.strip():
                    self._last.append(shown.strip())

    def wait_until_ready(self, settings: JudgeSettings) -> None:
        """Wait until the command's endpoint lists its models.

        Raises:
            JudgeError: If the command ends first, the time is over, or the endpoint has no such model.
        """
        deadline = time.monotonic() + settings.start_timeout_s
        said = "no connection"
        while time.monotonic() < deadline:
            self.raise_if_ended()
            try:
                models = list_models(settings.model_copy(update={"base_url": self.base_url}), self._key)
            except JudgeError as error:
                said = str(error)
            else:
                check_model(settings.model, models, self.name, self.base_url)
                return
            time.sleep(LOOK_S)
        raise JudgeError(
            f"The command of judge {self.name} did not answer {self.base_url}/models within "
            f"{settings.start_timeout_s:g} s ({said}): mend the command or raise start_timeout_s. {self._tail()}"
        )

    def raise_if_ended(self) -> None:
        """Raise when the command has ended.

        Raises:
            JudgeError: With its exit status and the last lines that it wrote.
        """
        status = self._process.poll()
        if status is not None:
            self._copier.join(_ANSWER_S)
            raise JudgeError(f"The command of judge {self.name} ended with status {status}. {self._tail()}")

    def _tail(self) -> str:
        if not self._last:
            return f"It wrote nothing to {self._log}."
        return f"Its last words: {' / '.join(self._last)[-_LONGEST_TAIL:]} (all in {self._log})"

    def end(self) -> None:
        """End the command and all of its processes."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._copier.join(_ANSWER_S)


@contextmanager
def running(name: str, settings: JudgeSettings, log: Path, key: str | None = None) -> Iterator[Service]:
    """Run a judge's command until the block ends; all of its processes end with the block or with this process.

    Args:
        name: Name of the judge.
        settings: Command and model.
        log: File for what the command writes.
        key: Key of its endpoint; it is blanked in the log.
    """
    port = free_port()
    line = command_line(settings, port)
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    service = Service(name, port, process, log, key)
    try:
        yield service
    finally:
        service.end()


def list_models(settings: JudgeSettings, key: str | None) -> list[str]:
    """Ask an endpoint which models it has; nothing is spent.

    Args:
        settings: Address of the endpoint, and the header of its key.
        key: Its key.

    Raises:
        JudgeError: If it does not answer, or not with a list of models; the message is the reason alone.
    """
    headers = {name: value for name, value in key_headers(settings, key).items() if isinstance(value, str)}
    url = httpx2.URL(settings.base_url)
    local, models = url.host in {"127.0.0.1", "localhost", "::1"}, url.copy_with(path=f"{url.path.rstrip('/')}/models")
    try:
        # Proxies of the environment are not for this machine; authorities that it names are.
        verify = ssl.create_default_context() if local else True
        answer = httpx2.get(models, headers=headers, timeout=_ANSWER_S, trust_env=not local, verify=verify)
        document: Any = answer.json() if answer.status_code == httpx2.codes.OK else None
    except (httpx2.HTTPError, ValueError) as error:
        reason = Secret(key).reason(f"no connection: {error}")
        advice = f". {CERTIFICATE_ADVICE}" if "CERTIFICATE_VERIFY_FAILED" in reason else ""
        raise JudgeError(reason + advice) from None
    if document is None:
        raise JudgeError(f"HTTP {answer.status_code}")
    listed = document.get("data") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise JudgeError("the answer is no list of models")
    return [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]


def check_model(model: str, models: list[str], name: str, base_url: str) -> None:
    """Refuse a model that an endpoint does not list.

    Raises:
        JudgeError: With the models that it has.
    """
    if model not in models:
        shown = ", ".join(models[:10]) or "none"
        raise JudgeError(f"Judge {name}: {base_url} has no model {model!r}; it has: {shown}.")


def check_judge(name: str, settings: JudgeSettings) -> str:
    """Ask a judge's endpoint which models it has; no question is asked.

    Args:
        name: Name of the judge.
        settings: Address, model, key variable or command.

    Returns:
        What was found, in a few words.

    Raises:
        JudgeError: If the endpoint does not answer, refuses the key, or has no such model.
        SecretError: If the key variable is not set.
    """
    key = read_key(name, settings)
    if settings.kind == "stand-in":
        return "answers in process; nothing to check"
    if settings.command is not None:
        return _command_found(name, settings.command)
    if "/deployments/" in settings.base_url:
        return f"{endpoint_name(settings)} is one model's own address, without a list of models; nothing was checked"
    try:
        models = list_models(settings, key)
    except JudgeError as error:
        said = f", key from {settings.key_variable}" if settings.key_variable else ", no key_variable"
        raise JudgeError(f"Judge {name} at {endpoint_name(settings)}{said}: {error}.") from None
    check_model(settings.model, models, name, endpoint_name(settings))
    return f"{endpoint_name(settings)} has {settings.model}"


def _command_found(name: str, command: str) -> str:
    words = [word for word in shlex.split(command) if "=" not in word and word != "exec"]
    if words and shutil.which(words[0]):
        return f"is started by the workflow: {words[0]} is on this machine"
    raise JudgeError(
        f"Judge {name} is started by the workflow, but {words[0] if words else 'its program'} is not on this machine: "
        "install it, or check on the node that runs the job."
    )
