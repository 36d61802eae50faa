"""Bringing assets of the HTTP peer as fetch does, with little retries."""

from pathlib import Path
from typing import Any

from asset_server import AssetServer
from rankscape.scenes.addresses import Hosts
from rankscape.scenes.downloading import Result, download_assets
from rankscape.scenes.servers import NoSigner, RetryPolicy, Signer
from rankscape.scenes.wanted_assets import Asset
from unit.scenes.synthetic_scenes import QUICK

HREF = "http://account.blob.core.windows.net/container/B04.tif"


def asset(server: AssetServer, folder: Path, name: str = "B04.tif", **stated: Any) -> Asset:
    """An asset of the peer, to be brought to the folder `assets`."""
    return Asset(f"03TVF, item S2A_01, asset {name}", f"{server.address}/{name}", folder / "assets" / name, **stated)


def fetch(
    *assets: Asset,
    signer: Signer | None = None,
    local: bool = False,
    retries: RetryPolicy = QUICK,
    threads: int = 2,
) -> list[Result]:
    """Bring assets of loopback and of the synthetic blob store."""
    hosts = Hosts(["127.0.0.1", "account.blob.core.windows.net"])
    return download_assets(assets, signer or NoSigner(), hosts=hosts, local=local, retries=retries, threads=threads)
