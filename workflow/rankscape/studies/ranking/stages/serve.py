"""Start a user-supplied judge, wait until it answers, and publish its address while it runs.

The judge's command runs until this process is asked to end, or the process that started it is gone; then all of the
command's processes end.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

from cyclopts import Parameter

from rankscape.foundation.errors import JudgeError
from rankscape.foundation.progress import say
from rankscape.studies.ranking.judges.client import read_key
from rankscape.studies.ranking.judges.services import LOOK_S, Address, running
from rankscape.studies.ranking.judges.settings import JudgeSettings


def serve(
    *,
    judge: Annotated[str, Parameter(help="Name of the judge.")],
    judge_settings: Annotated[str, Parameter(help="The judge's settings, its command among them: a JSON object.")],
    command_log: Annotated[Path, Parameter(help="File for what the command writes.")],
    out: Annotated[Path, Parameter(help="File that says whether and where the judge answers (JSON).")],
) -> None:
    """Start a user-supplied judge, wait until it answers, and publish its address while it runs."""
    about = JudgeSettings.from_text(judge_settings, f"ranking.judges.{judge}")
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    Address("starting", os.getpid()).write(out)
    try:
        with running(judge, about, command_log, read_key(judge, about)) as service:
            service.wait_until_ready(about)
            say(f"Judge {judge} answers at {service.base_url}.")
            Address("ready", os.getpid(), service.base_url).write(out)
            while True:
                service.raise_if_ended()
                time.sleep(LOOK_S)
    except JudgeError as error:
        Address("failed", os.getpid(), reason=str(error)).write(out)
        raise
    except (SystemExit, KeyboardInterrupt):
        out.unlink(missing_ok=True)
        raise


def _end_with(parent: int) -> None:
    """Ask this process to end when the one that started it is gone, killed ones included."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Leave through the blocks that end the command; being asked to end is how a service ends well."""
    sys.exit(0)
