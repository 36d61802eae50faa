"""search and fetch against a real STAC API server with real items of the Planetary Computer, all on loopback.

The server is rustac's: it pages, and knows neither `query` nor `sortby`. Assets are tiny invented rasters at their
real addresses, reached through a proxy on loopback, which lets in only who carries the newest token.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from asset_server import AssetServer, Handler, reset, running
from rasterio.transform import from_origin

pytestmark = pytest.mark.shared

GRANULE, EPSG = "13TDE", 32613
ORIGIN_M = (399_960.0, 4_500_000.0)
WINDOW = {"granule": GRANULE, "start": "2024-07-10", "end": "2024-08-20", "max_cloud_percent": 30}
COLLECTION = "sentinel-2-l2a"
_STEPS = {"SCL": 1, "visual": 20}
"""Invented values are 4 to 6 times this: clear classes, dark colours; raw numbers of 2,000 to 3,000 elsewhere."""


@dataclass
class Place:
    """Where the servers are."""

    api: str
    blobs: AssetServer
    env: dict[str, str]
    items: dict[str, dict]


@pytest.fixture(scope="module")
def items(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The 1,000 real items, with addresses that a proxy without certificates can stand in for."""
    path = tmp_path_factory.mktemp("items") / "items.json"
    source = shared / "data/stac/scripts/fixtures/1000-sentinel-2-items.parquet"
    subprocess.run([_script("rustac"), "translate", str(source), str(path)], check=True, capture_output=True)
    features = json.loads(path.read_text())["features"]
    for item in features:
        item["assets"] = {key: item["assets"][key] for key in ("visual", "SCL", "B04", "B03", "B02")}
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("https://", "http://")
    return features


@pytest.fixture
def place(shared: Path, items: list[dict], tmp_path: Path) -> Iterator[Place]:
    """The STAC server, and the peer that is token endpoint, proxy and blob store."""
    documents = tmp_path / "stac"
    documents.mkdir()
    collection = shared / "data/stac/tests/data/sentinel-2-l2a.collection.json"
    shutil.copy(collection, documents / "collection.json")
    (documents / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    blobs_folder = tmp_path / "blobs"
    blobs_folder.mkdir()
    port = _free_port()
    command = [_script("rustac"), "serve", "--addr", f"127.0.0.1:{port}", "collection.json", "items.json"]
    with running(blobs_folder) as blobs:
        server = subprocess.Popen(command, cwd=documents, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(f"http://127.0.0.1:{port}/", server)
            blobs.signed = True
            env = {
                **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
                "HTTP_PROXY": blobs.address,
                "NO_PROXY": "127.0.0.1",
                "PC_SDK_SAS_URL": f"{blobs.address}/token",
                "PC_SDK_SUBSCRIPTION_KEY": "",
            }
            yield Place(f"http://127.0.0.1:{port}/", blobs, env, {item["id"]: item for item in items})
        finally:
            server.terminate()
            server.wait(timeout=10)


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: subprocess.Popen) -> None:
    for _ in range(300):
        assert server.poll() is None, "rustac ended"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("rustac does not answer")


def _rankscape(place: Place, work: Path, *arguments: str) -> str:
    """Run a verb as a user does; return its log."""
    command = [sys.executable, "-m", "rankscape", *arguments]
    done = subprocess.run(command, cwd=work, env=place.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _search(place: Place, work: Path) -> str:
    settings = {"kind": "stac-api", "href": place.api, "collection": COLLECTION, "signing": "planetary-computer"}
    return _rankscape(
        place, work, "search", "--settings", json.dumps(settings), "--window", json.dumps(WINDOW),
        "--out", "candidates.json",
    )  # fmt: skip


def _fetch(place: Place, work: Path, **settings: object) -> str:
    return _rankscape(
        place, work, "fetch", "--settings", json.dumps(settings), "--candidates", "candidates.json",
        "--out", "download.json", "--threads", "2",
    )  # fmt: skip


def _expected(shared: Path) -> list[str]:
    """What the search must give, computed from the table of items in another way."""
    table = gpd.read_parquet(shared / "data/stac/scripts/fixtures/1000-sentinel-2-items.parquet")
    days = table["datetime"].dt.strftime("%Y-%m-%d")
    fits = (table["s2:mgrs_tile"] == GRANULE) & (days >= WINDOW["start"]) & (days <= WINDOW["end"])
    fits &= (table["eo:cloud_cover"] <= WINDOW["max_cloud_percent"]) & (table["s2:nodata_pixel_percentage"] <= 60)
    left = table[fits].assign(holes=np.floor(table["s2:nodata_pixel_percentage"] + 0.5))
    left = left.sort_values(["s2:processing_baseline", "s2:generation_time"])
    left = left.drop_duplicates(["platform", "datetime", "sat:relative_orbit"], keep="last")
    by = ["holes", "eo:cloud_cover", "datetime", "id"]
    return left.sort_values(by, ascending=[True, True, False, True])["id"].tolist()


def _put(place: Place, item: dict, keys: tuple[str, ...]) -> None:
    """Lay invented rasters where the real assets of an item would be."""
    generator = np.random.default_rng(len(item["id"]) + item["properties"]["sat:relative_orbit"])
    for key in keys:
        path = place.blobs.folder / urlsplit(item["assets"][key]["href"]).path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        count, kind, side_px = {"visual": (3, "uint8", 60), "SCL": (1, "uint8", 30)}.get(key, (1, "uint16", 60))
        pixels = generator.integers(4, 7, (count, side_px, side_px)).astype(kind) * _STEPS.get(key, 500)
        gsd_m = 600.0 / side_px
        with rasterio.open(
            path, "w", driver="COG", count=count, height=side_px, width=side_px, dtype=kind, crs=f"EPSG:{EPSG}",
            transform=from_origin(*ORIGIN_M, gsd_m, gsd_m),
        ) as dataset:  # fmt: skip
            dataset.write(pixels)


def _expire(handler: Handler, content: bytes) -> None:
    """The token's life ends, whatever its expiry said."""
    handler.peer.tokens.append("known to the server alone")
    handler.answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>")


def _assert_no_secret(work: Path, *logs: str) -> None:
    files = [path for path in work.rglob("*") if path.is_file()]
    assert files
    for content in (*(path.read_bytes() for path in files), *(log.encode() for log in logs)):
        assert b"secret" not in content
        assert b"sig=" not in content


def test_search_filters_and_orders_what_the_server_did_not(place: Place, shared: Path, tmp_path: Path):
    log = _search(place, tmp_path)
    document = json.loads((tmp_path / "candidates.json").read_text())
    ids = [item["id"] for item in document["items"]]
    assert ids == _expected(shared)
    assert len(ids) >= 3
    left_out = document["left_out"]
    # The server knows no query, so neighbours, clouds and slivers of other orbits all came.
    assert left_out["of another granule"] > 50
    assert left_out["cloud above 30 %"] >= 1
    assert left_out["pixels without data above 60 %"] >= 1
    assert f"13TDE: {len(ids)} candidates" in log
    real = place.items[ids[0]]
    assert document["items"][0]["properties"]["s2:product_uri"] == real["properties"]["s2:product_uri"]
    assert document["items"][0]["assets"]["visual"]["href"] == real["assets"]["visual"]["href"]


def test_expired_token_missing_asset_and_broken_connection_on_the_way_to_an_image(place: Place, tmp_path: Path):
    logs = [_search(place, tmp_path)]
    first, second = (item["id"] for item in json.loads((tmp_path / "candidates.json").read_text())["items"][:2])
    # The best candidate has lost its picture; the next one is whole, but the token expires on the way.
    _put(place, place.items[first], ("SCL",))
    _put(place, place.items[second], ("visual", "SCL"))
    picture = urlsplit(place.items[second]["assets"]["visual"]["href"]).path
    place.blobs.faults[picture] = [_expire]
    classes = urlsplit(place.items[second]["assets"]["SCL"]["href"]).path
    place.blobs.faults[classes] = [reset(0.5)]
    logs.append(_fetch(place, tmp_path, product="visual", max_scenes=1))
    record = json.loads((tmp_path / "download.json").read_text())
    assert [scene["item_id"] for scene in record["scenes"]] == [second]
    assert f"item {first}, asset visual: HTTP 404" in logs[1]
    assert place.blobs.fetched(picture) == 2
    assert len(place.blobs.tokens) >= 3
    delivered = tmp_path / "assets" / record["scenes"][0]["assets"]["visual"]["path"]
    assert delivered.read_bytes() == (place.blobs.folder / picture.lstrip("/")).read_bytes()
    _assert_no_secret(tmp_path, *logs)

    before = len(place.blobs.requests)
    logs.append(_fetch(place, tmp_path, product="visual", max_scenes=1))
    assert place.blobs.fetched(picture) == 2
    assert len(place.blobs.requests) <= before + 1
    assert json.loads((tmp_path / "download.json").read_text()) == record


def test_reflectance_of_two_scenes_composes(place: Place, tmp_path: Path):
    logs = [_search(place, tmp_path)]
    best = [item["id"] for item in json.loads((tmp_path / "candidates.json").read_text())["items"][:2]]
    for name in best:
        _put(place, place.items[name], ("B04", "B03", "B02", "SCL"))
    logs.append(_fetch(place, tmp_path, product="reflectance", max_scenes=2))
    logs.append(
        _rankscape(
            place, tmp_path, "compose", "--settings", '{"composite":"median"}', "--download", "download.json",
            "--scene", "scene.tif", "--quality", "quality.tif",
        )
    )  # fmt: skip
    record = json.loads((tmp_path / "download.json").read_text())
    assert [scene["item_id"] for scene in record["scenes"]] == best
    assert {scene["offset_dn"] for scene in record["scenes"]} == {-1000}
    assert {scene["processing_baseline"] for scene in record["scenes"]} == {"05.11"}
    with rasterio.open(tmp_path / "scene.tif") as image:
        assert image.crs.to_epsg() == EPSG
        red = image.read(1)
        assert np.all(image.dataset_mask() == 255)
    seen = []
    for scene in record["scenes"]:
        with rasterio.open(tmp_path / "assets" / scene["assets"]["B04"]["path"]) as band:
            seen.append((band.read(1).astype(np.float32) - 1000) / 10_000)
    np.testing.assert_allclose(red, np.mean(seen, axis=0), atol=1e-6)
    _assert_no_secret(tmp_path, *logs)
