"""A judge as a command, in the place of vLLM: `python served_judge.py PORT MODEL [--asked FILE] [--misbehave HOW]`.

It lists one model and scores a picture by its brightness; `--asked` gets a line a question. Misbehaving, it dies at
once, dies while it is asked, never answers, or leaves a process of its own that ignores being asked to end.
"""

import argparse
import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image, ImageStat


def brightness(url: str) -> float:
    """Score of a picture given as data URI."""
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return round(100 * ImageStat.Stat(picture.convert("L")).mean[0] / 255, 2)


class Handler(BaseHTTPRequestHandler):
    """Two addresses of OpenAI's protocol."""

    model = ""
    asked: Path | None = None
    dies_after = -1
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": self.model, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.asked is not None:
            with self.asked.open("a") as lines:
                lines.write(f"{os.getpid()}\n")
            if 0 <= self.dies_after < len(self.asked.read_text().splitlines()):
                print("out of memory", flush=True)
                os._exit(7)
        parts = [part for message in body["messages"] for part in message["content"] if isinstance(part, dict)]
        scores = [brightness(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
        text = json.dumps({"score": scores[0]})
        message = {"role": "assistant", "content": text}
        self._answer(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": self.model,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 150, "completion_tokens": 7, "total_tokens": 157},
            }
        )

    def _answer(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("model")
    parser.add_argument("--asked", type=Path)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--misbehave", choices=["die", "silent", "stubborn", "die-asked"])
    given = parser.parse_args()
    print(f"serving {given.model} on {given.port}, key {os.environ.get('SERVED_KEY', '')}", flush=True)
    if given.misbehave == "die":
        sys.exit("no such weights")
    if given.misbehave == "silent":
        time.sleep(600)
    if given.misbehave == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(
            [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        )
    if given.misbehave == "die-asked":
        Handler.dies_after = 5
    time.sleep(given.delay)
    Handler.model, Handler.asked = given.model, given.asked
    ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
