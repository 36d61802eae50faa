"""Runs a judge's command so that nothing of it outlives the process that asked for it.

Started by its path, with the command as its only argument, and with a pipe as standard input that its parent alone
holds open: when the parent ends in any way, killed ones included, the pipe ends, and the command's processes are asked
to end, then killed. It imports the standard library only, so that it is there at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0
"""Time that the command's processes have to end by themselves."""
_LOOK_S = 0.05


def guard(command: str) -> int:
    """Run a command in a session of its own until it ends or standard input ends.

    Args:
        command: A line for /bin/sh.

    Returns:
        The command's exit status; 128 and the number for a signal, as shells have it.
    """
    child = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, start_new_session=True)

    def watch() -> None:
        parent_gone()
        end(child)

    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    end(child)
    return status if status >= 0 else 128 - status


def parent_gone() -> None:
    """Wait until standard input ends."""
    while os.read(0, 1024):
        pass


def end(child: "subprocess.Popen[bytes]", grace_s: float = GRACE_S) -> None:
    """Ask all processes of a child's group to end, and kill what is left after a while."""
    deadline = time.monotonic() + grace_s
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(_LOOK_S)
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    sys.exit(guard(sys.argv[1]))
