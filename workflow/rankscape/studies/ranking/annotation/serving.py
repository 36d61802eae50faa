"""Serving the annotation page on this machine alone: one port, one annotator, one secret address."""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from rankscape.foundation.errors import InputError, OrderError

HOST = "127.0.0.1"
_TOKEN = r"[A-Za-z0-9_-]{20,64}"


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Take a port of 127.0.0.1; 0 takes any free one.

    Raises:
        InputError: If the port is in use, or not for users.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        # A server that was killed leaves connections behind, which must not keep its successor waiting.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, port))
            taken.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"Port {port} of {HOST} is in use by another program: end that, or choose another with --port."
                ) from None
            if error.errno == errno.EACCES:
                raise InputError(
                    f"Port {port} of {HOST} is not for users: choose one above 1023 with --port."
                ) from None
            raise
        yield taken


@contextlib.contextmanager
def secret_of(annotator: str, folder: Path) -> Iterator[str]:
    """Hold an annotator's secret address while the page is served.

    The secret is kept in a hidden file that only the user can read, so that a page left open goes on when the server
    starts again; the file is locked meanwhile, so that one server at a time writes the draft.

    Args:
        annotator: Name.
        folder: Folder of the region's orders; made if it is missing.

    Raises:
        OrderError: If the annotator's page is being served already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{annotator}.secret"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OrderError(
                f"The page of annotator {annotator} is being served already: open its address, or end that server."
            ) from None
        # An older file may have been opened wider by hand.
        path.chmod(0o600)
        token = file.read().strip()
        if not re.fullmatch(_TOKEN, token):
            token = secrets.token_urlsafe(24)
            file.seek(0)
            file.truncate()
            file.write(f"{token}\n")
            file.flush()
        yield token


def serve(app: ASGIApp, taken: socket.socket) -> None:
    """Serve until the user ends it with Ctrl-C; the log shows no addresses, which hold the secret."""
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", ws="none", server_header=False)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[taken])
