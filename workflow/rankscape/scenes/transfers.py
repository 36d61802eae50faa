"""One asset over HTTP: its bytes brought, then held against all that is said of it before it counts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rankscape.foundation.errors import RasterError
from rankscape.scenes.assets import Asset, ContradictedAssetError, SpoiltError, StoppedError, failure
from rankscape.scenes.checksums import Checksum, digests
from rankscape.scenes.connections import Connections
from rankscape.scenes.parts import Part
from rankscape.scenes.pieces import Pull
from rankscape.scenes.rasters import check_whole
from rankscape.scenes.room import Meter, Room


@dataclass(frozen=True)
class Transfer:
    """How assets come; threads share it."""

    connections: Connections
    pool: ThreadPoolExecutor
    """Runs the requests of all assets."""
    decoders: ThreadPoolExecutor
    """Verifies assets; few threads, since each keeps the memory that decoding once took."""
    room: Room
    meter: Meter

    def pull(self, asset: Asset) -> tuple[Part, str]:
        """Bring an asset to its part file and verify it.

        Returns:
            The part file, and the SHA-256 of its bytes.

        Raises:
            MissingAssetError: If the server has no such asset.
            ContradictedAssetError: If its pixels are not what the item says.
            DownloadError: If the server refuses, or all attempts failed.
            DiskError: If the disk is too full.
            StoppedError: If another asset failed.
        """
        part, failures, seen = Part(asset.path), 0, ""
        while True:
            try:
                Pull(asset, part, self.connections, self.pool, self.room, self.meter).complete()
                digest, empty_percent = self.decoders.submit(verify, asset, part).result()
                if not contradicts(asset, empty_percent):
                    return part, digest
                if digest == seen or _is_confirmed(asset, part):
                    raise contradiction(asset, empty_percent)
                seen = digest
                raise SpoiltError(_blame(asset, empty_percent))
            except ContradictedAssetError:
                part.discard()
                raise
            except SpoiltError as spoilt:
                part.discard()
                failures += 1
                patience = self.connections.patience
                if failures >= patience.attempts:
                    raise failure(asset, f"{spoilt}, {failures} times in a row") from None
                if self.connections.stop.wait(patience.wait_s(failures)):
                    raise StoppedError from None


def verify(asset: Asset, part: Part) -> tuple[str, float]:
    """Hold a part file that has come whole against its checksums and its own structure.

    Returns:
        SHA-256 of the file, and the share of its pixels that are 0 in all bands, in percent.

    Raises:
        SpoiltError: If it is damaged.
    """
    stated = _checksums(asset, part)
    found = digests(part.path, {"sha256", *(checksum.algorithm for checksum in stated)})
    for checksum in stated:
        if found[checksum.algorithm] != checksum.hex:
            name = checksum.algorithm.upper().replace("SHA", "SHA-")
            raise SpoiltError(f"its {name} is not the one that {checksum.source} states")
    try:
        return found["sha256"], 100 * check_whole(part.path)
    except RasterError as error:
        raise SpoiltError(plain(error, part.path)) from None


def plain(error: RasterError, path: Path, name: str = "the file") -> str:
    """Return an error's line with a name that says more than the path of a part file."""
    return str(error).replace(str(path), name)


def contradicts(asset: Asset, empty_percent: float) -> bool:
    """Whether the share of pixels without data is another than the item states."""
    stated = asset.empty_percent
    return stated is not None and abs(empty_percent - stated) > asset.empty_tolerance_percent


def contradiction(asset: Asset, empty_percent: float) -> ContradictedAssetError:
    """Return the error that says what the pixels are instead."""
    return ContradictedAssetError(f"{asset.label}: {_blame(asset, empty_percent)}.")


def _blame(asset: Asset, empty_percent: float) -> str:
    return f"{empty_percent:.1f} % of its pixels have no data, where the item states {asset.empty_percent:.1f} %"


def _checksums(asset: Asset, part: Part) -> tuple[Checksum, ...]:
    origin = part.origin_now
    return (*((asset.checksum,) if asset.checksum else ()), *origin.checksums)


def _is_confirmed(asset: Asset, part: Part) -> bool:
    """Whether a checksum says that the bytes are the server's own, so that they would come the same again."""
    return bool(_checksums(asset, part))
