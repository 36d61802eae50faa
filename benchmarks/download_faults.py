"""A thousand faults at random over many small assets: how many files come to be corrupt.

The fault server of the tests drops connections, answers 403, 429, 503 and error pages, cuts answers short, states wrong
lengths, flips bits, sends slowly or not at all, and gives pieces of other versions. Assets are brought again until all
are there, as a workflow does with its retries; then every file is compared with its source. Once the server states the
MD5 of what it has, as Azure does, and once nothing but an ETag, so that only the file's own structure tells.

    .venv/bin/python benchmarks/download_faults.py
"""

import argparse
import base64
import hashlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rankscape.foundation.errors import DownloadError
from rankscape.scenes import transfers
from rankscape.scenes.addresses import Hosts
from rankscape.scenes.downloading import Delivery, download_assets
from rankscape.scenes.servers import RetryPolicy
from rankscape.scenes.wanted_assets import Asset
from rasterio.transform import from_origin

TESTS = Path(__file__).parents[1] / "tests"
PATIENCE = RetryPolicy(attempts=4, base_s=0.005, longest_s=0.05, stall_s=0.2, slowest_bytes_s=20_000)
PIECE_BYTES = 8_000
FAULTS = 6
"""Faults laid in the way of an asset; the last may not be met."""
MD5 = "x-ms-blob-content-md5"


class Renewing:
    """Signs with nothing, and says that a new signature may help."""

    def sign(self, href: str) -> str:
        """Return the address as it is."""
        return href

    def renew(self, signed: str) -> bool:
        """Say that another attempt may help."""
        return bool(signed)


def faults_by_name() -> dict[str, Callable[[random.Random], Any]]:
    sys.path.insert(0, str(TESTS))
    import asset_server as peer

    def flip(draw: random.Random) -> Callable[[Any, bytes], None]:
        share, bit = draw.random(), 1 << draw.randrange(8)

        def fault(handler: Any, content: bytes) -> None:
            body = bytearray(content)
            body[int(len(body) * share)] ^= bit
            handler.serve(bytes(body), peer.etag_of(content))

        return fault

    return {
        "drop": lambda draw: peer.reset(draw.random()),
        "truncation": lambda draw: peer.cut(draw.random()),
        "wrong length": lambda draw: peer.shorter(draw.randrange(1, 4000)),
        "403": lambda _: peer.status(403),
        "429": lambda _: peer.status(429, Retry_After="0"),
        "503": lambda _: peer.status(503, Retry_After="0"),
        "flipped bit": flip,
        "slow loris": lambda draw: peer.slow_loris(draw.random(), 0.02),
        "silence": lambda _: peer.silent(0.3),
        "error page": lambda _: peer.instead(b"<html>try later</html>"),
        "nothing": lambda _: peer.instead(b""),
        "another version": lambda _: peer.part_of_another('"other"'),
    }


def write_asset(path: Path, seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=96, width=96, dtype="uint8", crs="EPSG:32648", tiled=True,
        blockxsize=32, blockysize=32, compress="deflate", transform=from_origin(4e5, 4e6, 10, 10),
    ) as dataset:  # fmt: skip
        dataset.write(generator.integers(1, 255, (3, 96, 96), dtype=np.uint8))
    return path.read_bytes()


def campaign(count: int, seed: int, *, md5: bool) -> tuple[int, int, int, int]:
    """Bring assets until so many faults were met; return faults, runs that failed, files, corrupt files."""
    kinds = faults_by_name()
    import asset_server as peer

    draw, met, failed, files, corrupt = random.Random(seed), Counter[str](), 0, 0, 0
    transfers.PIECE_BYTES = PIECE_BYTES

    def counted(kind: str) -> Callable[[Any, bytes], None]:
        fault = kinds[kind](draw)

        def answer(handler: Any, content: bytes) -> None:
            met[kind] += 1
            fault(handler, content)

        return answer

    with tempfile.TemporaryDirectory() as name, peer.running(Path(name)) as server:
        while met.total() < count:
            whole = write_asset(Path(name) / f"{files}.tif", files)
            server.extra = {MD5: base64.b64encode(hashlib.md5(whole).digest()).decode()} if md5 else {}
            server.faults[f"/{files}.tif"] = [
                step
                for kind in draw.choices(list(kinds), k=FAULTS)
                for step in (counted(kind), *[peer.Handler.serve] * draw.choice((0, 0, 3)))
            ]
            asset = Asset(f"asset {files}", f"{server.address}/{files}.tif", Path(name) / f"to/{files}.tif")
            while (result := attempt(asset)) is None:
                failed += 1
            corrupt += result.path.read_bytes() != whole
            files += 1
    return met.total(), failed, files, corrupt


def attempt(asset: Asset) -> Delivery | None:
    try:
        (result,) = download_assets([asset], Renewing(), hosts=Hosts(["127.0.0.1"]), local=False, retries=PATIENCE)
    except DownloadError:
        return None
    return result if isinstance(result, Delivery) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print("| the server states | faults | runs that ended in an error | files | corrupt files |")
    print("|---|---|---|---|---|")
    for words, md5 in (("MD5", True), ("no checksum", False)):
        met, refused, files, corrupt = campaign(chosen.faults, chosen.seed, md5=md5)
        print(f"| {words} | {met:,} | {refused} | {files} | {corrupt} |", flush=True)


if __name__ == "__main__":
    main()
