"""A server on loopback as far away and as narrow as a real one: latency, a limit a connection, a limit in total.

It is a process of its own, so that its processor time is not the client's, and serves one file under every path, with
ranges and an ETag. It prints its port.

    .venv/bin/python benchmarks/slow_server.py FILE --latency-ms 80 --connection-mb-s 5 --total-mb-s 64
"""

import argparse
import asyncio
import mmap
import re
import time
from pathlib import Path

CHUNK_BYTES = 128 << 10
LATE_S = 0.2
MB = 1e6


class Bucket:
    """A limit in bytes a second, kept by handing out times at which bytes may leave; idle time is not saved up.

    Only what a late timer cost is made up for, or a busy machine would lower the limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = 0.0

    def begin(self) -> None:
        """Start an answer, for which nothing is saved up."""
        self._free_at = max(self._free_at, time.monotonic())

    def delay(self, count_bytes: int) -> float:
        """Book so many bytes; return the seconds until they may leave."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - LATE_S) + count_bytes / self._rate
        return self._free_at - now


class Server:
    """Answers GET and HEAD on connections that stay open."""

    def __init__(self, content: memoryview, latency_s: float, connection_rate: float, total_rate: float) -> None:
        self._content = content
        self._latency_s = latency_s
        self._connection_rate = connection_rate
        self._total = Bucket(total_rate)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client ends it."""
        bucket = Bucket(self._connection_rate)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await asyncio.sleep(self._latency_s)
                await self._answer(head, writer, bucket)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter, bucket: Bucket) -> None:
        size = len(self._content)
        wanted = re.search(r"(?im)^range: bytes=(\d+)-(\d*)", head)
        first = int(wanted[1]) if wanted else 0
        stop = min(int(wanted[2]) + 1 if wanted and wanted[2] else size, size)
        lines = ["HTTP/1.1 206 Partial Content" if wanted else "HTTP/1.1 200 OK", f"Content-Length: {stop - first}"]
        lines += ['ETag: "1"', "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "Accept-Ranges: bytes"]
        lines += [f"Content-Range: bytes {first}-{stop - 1}/{size}"] if wanted else []
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if head.startswith("HEAD"):
            return
        bucket.begin()
        for place in range(first, stop, CHUNK_BYTES):
            chunk = self._content[place : min(place + CHUNK_BYTES, stop)]
            await asyncio.sleep(max(bucket.delay(len(chunk)), self._total.delay(len(chunk))))
            writer.write(chunk)
            await writer.drain()


async def run(given: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    with given.file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as content:
        server = Server(memoryview(content), given.latency_ms / 1e3, given.connection_mb_s * MB, given.total_mb_s * MB)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        print(listener.sockets[0].getsockname()[1], flush=True)
        await listener.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--latency-ms", type=float, default=80)
    parser.add_argument("--connection-mb-s", type=float, default=5)
    parser.add_argument("--total-mb-s", type=float, default=64)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
