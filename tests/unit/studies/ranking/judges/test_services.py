"""Judges that the workflow starts: a real command on loopback that answers, dies, is silent, or will not end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rankscape.foundation.errors import InputError, JudgeError, SettingsError
from rankscape.studies.ranking.judges import command_guard as guard
from rankscape.studies.ranking.judges import services
from rankscape.studies.ranking.judges.services import (
    Address,
    command_line,
    free_port,
    list_models,
    read_address,
    running,
    wait_for_address,
)
from rankscape.studies.ranking.judges.settings import JudgeSettings
from workflow_copy import PATIENCE_S

ROOT = Path(__file__).parents[5]
SERVER = ROOT / "tests/served_judge.py"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_S", 0.05)


def judge(*options: str, model: str = "tester/bright", **changes: Any) -> JudgeSettings:
    line = f"exec {sys.executable} {SERVER} {{port}} {{model}} {' '.join(options)}"
    return JudgeSettings(model=model, command=line, **{"start_timeout_s": 20.0, **changes})


def in_session(leader: int) -> list[int]:
    """Processes of a session that run, dead ones that nobody has buried left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def until(condition: Callable[[], bool], longest_s: float = PATIENCE_S) -> bool:
    deadline = time.monotonic() + longest_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_judge_is_started_answers_and_ends_with_the_block(tmp_path: Path) -> None:
    with running("anna", judge(), tmp_path / "logs/anna.log") as service:
        service.wait_until_ready(judge())
        assert list_models(JudgeSettings(model="m", base_url=service.base_url), None) == ["tester/bright"]
        service.raise_if_ended()

    with pytest.raises(JudgeError, match="no connection"):
        list_models(JudgeSettings(model="m", base_url=service.base_url), None)
    with pytest.raises(JudgeError, match="ended with status 143"):
        service.raise_if_ended()
    assert "serving tester/bright" in (tmp_path / "logs/anna.log").read_text()


def test_a_command_that_dies_is_quoted(tmp_path: Path) -> None:
    with (
        running("anna", judge("--misbehave die"), tmp_path / "anna.log") as service,
        pytest.raises(
            JudgeError, match=r"judge anna ended with status 1\. Its last words: serving.* / no such weights"
        ),
    ):
        service.wait_until_ready(judge())


def test_a_command_that_says_nothing(tmp_path: Path) -> None:
    settings = JudgeSettings(model="m", command="true {port}")
    with (
        running("anna", settings, tmp_path / "anna.log") as service,
        pytest.raises(JudgeError, match=r"ended with status 0\. It wrote nothing to .*anna\.log"),
    ):
        service.wait_until_ready(settings)


def test_a_command_that_never_answers(tmp_path: Path) -> None:
    settings = judge("--misbehave silent", start_timeout_s=0.6)
    with (
        running("anna", settings, tmp_path / "anna.log") as service,
        pytest.raises(JudgeError, match=r"did not answer http://127.0.0.1:\d+/v1/models within 0.6 s \(no connection"),
    ):
        service.wait_until_ready(settings)


def test_another_model_is_refused(tmp_path: Path) -> None:
    settings = judge()
    with (
        running("anna", settings, tmp_path / "anna.log") as service,
        pytest.raises(JudgeError, match=r"Judge anna: http.* has no model 'other'; it has: tester/bright"),
    ):
        service.wait_until_ready(settings.model_copy(update={"model": "other"}))


def test_a_key_is_blanked_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVED_KEY", "sk-canary-0815")
    log = tmp_path / "anna.log"
    with running("anna", judge(), log, "sk-canary-0815") as service:
        service.wait_until_ready(judge())
    assert "key [redacted]" in log.read_text()


def test_processes_that_will_not_end_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "guard.py"
    copy.write_text(Path(guard.__file__).read_text().replace("GRACE_S = 10.0", "GRACE_S = 0.3"))
    monkeypatch.setattr(services.guard, "__file__", str(copy))
    pidfile = tmp_path / "pid"
    settings = judge("--misbehave stubborn")
    settings = settings.model_copy(update={"command": f"echo $$ > {pidfile}; {settings.command}"})
    with running("anna", settings, tmp_path / "anna.log") as service:
        service.wait_until_ready(settings)
        leader = int(pidfile.read_text())
        assert len(in_session(leader)) == 2
    assert until(lambda: in_session(leader) == [])


@pytest.mark.parametrize(
    ("line", "status"), [("exit 3", 3), ("true", 0), ("kill -9 $$", 137), ("sleep 600 & exit 4", 4)]
)
def test_the_guard_passes_a_status_on(monkeypatch: pytest.MonkeyPatch, line: str, status: int) -> None:
    monkeypatch.setattr(guard, "parent_gone", threading.Event().wait)
    assert guard.guard(line) == status


def test_the_guard_ends_a_command_whose_parent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(guard.os, "read", lambda handle, count, read=os.read: read(reading, count))
    threading.Timer(0.2, os.close, [writing]).start()
    begin = time.monotonic()
    assert guard.guard("sleep 600") == 143
    assert time.monotonic() - begin < 10
    os.close(reading)


def test_the_guard_kills_what_ignores_being_asked() -> None:
    ignores = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", ignores], start_new_session=True, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    guard.end(child, grace_s=0.2)
    assert child.wait(5) == -signal.SIGKILL
    child.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_one_who_asked(tmp_path: Path, how: signal.Signals) -> None:
    pidfile, out = tmp_path / "pid", tmp_path / "anna.json"
    command = f"echo $$ > {pidfile}; {judge().command}"
    words = [sys.executable, "-m", "rankscape", "ranking", "serve", "--judge", "anna", "--judge-settings"]
    words += [json.dumps({"model": "tester/bright", "command": command})]
    words += ["--command-log", str(tmp_path / "anna.log"), "--out", str(out)]
    serve = subprocess.Popen(words, start_new_session=True)
    assert until(lambda: out.exists() and read_address(out).state == "ready")
    leader = int(pidfile.read_text())
    assert read_address(out).pid == serve.pid

    os.kill(serve.pid, how)

    serve.wait(20)
    assert until(lambda: in_session(leader) == [])
    assert out.exists() == (how == signal.SIGKILL)
    if out.exists():
        with pytest.raises(JudgeError, match="Judge anna is gone: `serve` was killed"):
            services.raise_if_failed(read_address(out), "anna")


def test_serve_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    """Snakemake, killed, cannot tell its jobs."""
    pidfile, out = tmp_path / "pid", tmp_path / "anna.json"
    command = f"echo $$ > {pidfile}; {judge().command}"
    words = [sys.executable, "-m", "rankscape", "ranking", "serve", "--judge", "anna", "--judge-settings"]
    words += [json.dumps({"model": "tester/bright", "command": command})]
    words += ["--command-log", str(tmp_path / "anna.log"), "--out", str(out)]
    script = f"import subprocess, sys, time; subprocess.Popen({words!r}, start_new_session=True); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", script])
    assert until(lambda: out.exists() and read_address(out).state == "ready")
    leader, keeper = int(pidfile.read_text()), read_address(out).pid

    parent.kill()
    parent.wait()

    assert until(lambda: in_session(leader) == [] and in_session(keeper) == [])
    assert not out.exists()


def test_serve_says_why_it_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "anna.json"
    words = [sys.executable, "-m", "rankscape", "ranking", "serve", "--judge", "anna", "--judge-settings"]
    words += [judge("--misbehave die").canonical(), "--command-log", str(tmp_path / "anna.log"), "--out", str(out)]

    run = subprocess.run(words, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert run.stderr.startswith("rankscape: The command of judge anna ended with status 1. Its last words: ")
    with pytest.raises(JudgeError, match="no such weights"):
        wait_for_address(out, "anna", 5)


def test_waiting_for_an_address(tmp_path: Path) -> None:
    path = tmp_path / "anna.json"
    Address("starting", os.getpid()).write(path)
    with pytest.raises(JudgeError, match=r"Judge anna did not answer within 0\.2 s"):
        wait_for_address(path, "anna", 0.2)
    Address("ready", os.getpid(), "http://127.0.0.1:9/v1").write(path)
    assert wait_for_address(path, "anna", 0.2) == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("content", ["{}", '{"state": "ready", "pid": "x"}'])
def test_a_file_that_is_no_address(tmp_path: Path, content: str) -> None:
    (tmp_path / "anna.json").write_text(content)
    with pytest.raises(InputError, match="is no address of a judge"):
        read_address(tmp_path / "anna.json")


def test_words_of_the_command() -> None:
    settings = JudgeSettings(model="a b", command="""serve {model} --port {port} --limit '{"image": 2}'""")
    assert command_line(settings, 81) == """serve 'a b' --port 81 --limit '{"image": 2}'"""
    with pytest.raises(InputError, match="model m has no command"):
        command_line(JudgeSettings(model="m"), 81)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "m", "command": "vllm serve m"}, "has no {port}"),
        ({"model": "m", "kind": "stand-in", "command": "x {port}"}, "a stand-in answers in process"),
    ],
)
def test_commands_that_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        JudgeSettings.checked(values, "config.yaml", "judges.anna")


def test_ports_are_free() -> None:
    assert 1024 < free_port() < 65536
