"""A server that fails in every way that has been met, and one that leads elsewhere: no fault becomes a file."""

import base64
import hashlib
import shutil
import threading
import time

import pytest
from asset_server import (
    cut,
    elsewhere,
    etag_of,
    flipped,
    instead,
    reset,
    shorter,
    silent,
    slow_loris,
    status,
)
from rankscape.foundation.errors import DownloadError
from rankscape.scenes.addresses import ForeignHostError, hosts_of
from rankscape.scenes.downloading import Delivery
from rankscape.scenes.sensors.sentinel2 import SENSOR
from rankscape.scenes.servers import RetryPolicy
from rankscape.scenes.wanted_assets import Asset
from unit.scenes.bringing_assets import asset, fetch
from unit.scenes.synthetic_scenes import write_tif

# Faults of the server


@pytest.mark.parametrize(
    "fault",
    [
        reset(0.3), cut(0.3), status(429, Retry_After="0"), status(503, Retry_After="0"), status(500), shorter(2000),
        flipped(0.5), slow_loris(0.5, 0.05), silent(0.6), instead(b"<html>later</html>"), instead(b""),
    ],
    ids=["drop", "truncation", "429", "503", "500", "wrong length", "flipped bit", "slow loris", "silence",
         "wrong content", "nothing"],
)  # fmt: skip
@pytest.mark.parametrize("which", ["the opening request", "a later piece"])
def test_each_fault_costs_an_attempt_and_no_file(server, tmp_path, monkeypatch, noise, fault, which):
    monkeypatch.setattr("rankscape.scenes.transfers.PIECE_BYTES", 30_000)
    # Blocks that check themselves: ZSTD with a checksum is not what TIFF writes, but DEFLATE's Adler-32 is.
    whole = write_tif(server.folder / "B04.tif", noise((1, 300, 400)), compress="deflate").read_bytes()
    server.extra = {"x-ms-blob-content-md5": base64.b64encode(hashlib.md5(whole).digest()).decode()}
    good = [lambda handler, content: handler.serve(content)] if which == "a later piece" else []
    server.faults["/B04.tif"] = [*good, fault]
    retries = RetryPolicy(attempts=3, base_s=0.01, longest_s=2.0, stall_s=0.3, slowest_bytes_s=10_000)
    (result,) = fetch(asset(server, tmp_path), retries=retries)
    assert result.path.read_bytes() == whole
    assert server.faults["/B04.tif"] == []


def test_a_whole_connection_may_be_slow_as_long_as_bytes_come(server, tmp_path, noise):
    whole = write_tif(server.folder / "B04.tif", noise((1, 3, 30))).read_bytes()
    server.faults["/B04.tif"] = [slow_loris(0.9, 0.01)]
    (result,) = fetch(asset(server, tmp_path), retries=RetryPolicy(attempts=1, stall_s=0.2, slowest_bytes_s=10))
    assert result.path.read_bytes() == whole
    assert len(server.requests) == 1


def test_a_busy_server_is_left_alone_by_all_connections(server, tmp_path, noise):
    names = [f"{place}.tif" for place in range(4)]
    for name in names:
        write_tif(server.folder / name, noise((1, 20, 20)))
    times = []
    both_asked = threading.Barrier(2, timeout=30)

    def timed(handler, content):
        times.append(time.monotonic())
        handler.serve(content)

    def busy(handler, content):
        both_asked.wait()
        times.append(time.monotonic())
        handler.answer(429, b"", {"Retry-After": "1"})

    server.faults = {"/0.tif": [busy, timed], "/1.tif": [busy, timed]}
    fetch(*(asset(server, tmp_path, name) for name in names[:2]))
    assert min(times[2:]) - max(times[:2]) >= 0.9


@pytest.mark.parametrize(
    ("header", "encode"),
    [
        ("x-ms-blob-content-md5", lambda body: base64.b64encode(hashlib.md5(body).digest()).decode()),
        ("x-goog-hash", lambda body: "crc32c=AAAAAA==,md5=" + base64.b64encode(hashlib.md5(body).digest()).decode()),
        ("Repr-Digest", lambda body: f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"),
        ("Server", lambda _: "AmazonS3"),
    ],
)
def test_a_flipped_bit_that_decodes_is_caught_by_what_the_server_states(server, tmp_path, noise, header, encode):
    whole = write_tif(server.folder / "B04.tif", noise((1, 100, 100))).read_bytes()
    server.extra = {header: encode(whole)}
    server.name = server.extra.pop("Server", server.name)
    server.faults["/B04.tif"] = [bad_piece(0.9)] * 2
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == whole
    server.faults["/B04.tif"] = [bad_piece(0.9)] * 3
    with pytest.raises(DownloadError, match=r"(MD5|SHA-256) is not the one"):
        fetch(Asset("again", f"{server.address}/B04.tif", tmp_path / "assets/again.tif"))


def bad_piece(share):
    """Serve well, headers included, with one bit flipped."""

    def fault(handler, content):
        body = bytearray(content)
        body[int(len(body) * share)] ^= 1
        handler.serve(bytes(body), etag_of(content))

    return fault


def test_an_etag_elsewhere_is_no_checksum(server, tmp_path, noise):
    write_tif(server.folder / "B04.tif", noise((1, 100, 100)))
    for name, extra in (("other", {}), ("AmazonS3", {"x-amz-server-side-encryption": "aws:kms"})):
        server.name, server.extra = name, extra
        server.faults["/B04.tif"] = [lambda handler, content: handler.serve(content, '"' + "0" * 32 + '"')]
        path = tmp_path / f"assets/{len(extra)}.tif"
        assert isinstance(fetch(Asset("x", f"{server.address}/B04.tif", path))[0], Delivery)


@pytest.mark.parametrize(("stated", "good"), [(0.0, False), (24.2, True), (26.5, False), (None, True)])
def test_pixels_that_are_not_what_the_item_says(server, tmp_path, noise, stated, good):
    pixels = noise((3, 40, 40))
    pixels[:, :10] = 0
    pixels[0, 10:] = 0
    write_tif(server.folder / "B04.tif", pixels)
    (result,) = fetch(asset(server, tmp_path, empty_percent=stated))
    assert isinstance(result, Delivery) is good
    if not good:
        assert str(result) == (
            f"03TVF, item S2A_01, asset B04.tif: 25.0 % of its pixels have no data, where the item states {stated} %."
        )
        # The same bytes came twice: they are what the server has.
        assert len(server.requests) == 2
        assert not list((tmp_path / "assets").iterdir())
    local = Asset("x", str(server.folder / "B04.tif"), tmp_path / "assets/local.tif", empty_percent=stated)
    assert isinstance(fetch(local, local=True)[0], Delivery) is good


# Hosts


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://evil.example/B04.tif?sig=secret", "redirects to the host 'evil.example', which is none of those"),
        ("http://169.254.169.254/latest/", "redirects to the host '169.254.169.254'"),
        ("ftp:///etc/hosts", "by 'ftp', which is not trusted"),
        ("http://127.0.0.1@evil.example/", "redirects to the host 'evil.example'"),
    ],
)
def test_no_redirect_leads_elsewhere(server, big, tmp_path, target, words):
    server.faults["/B04.tif"] = [elsewhere(target)]
    with pytest.raises(ForeignHostError) as caught:
        fetch(asset(server, tmp_path))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_redirect_to_a_host_that_may_be_asked_is_followed(server, big, tmp_path):
    shutil.copy(big, server.folder / "moved.tif")
    server.faults["/B04.tif"] = [elsewhere(f"{server.address}/moved.tif")] * 9
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    assert server.spans("/moved.tif") == ["bytes=0-4194303"]


def test_a_foreign_address_is_not_asked(server, big, tmp_path):
    for href in ("http://evil.example/B04.tif", "http://127.0.0.1.evil.example/B04.tif", "http:///B04.tif"):
        with pytest.raises(ForeignHostError, match="its address leads to the host"):
            fetch(asset(server, tmp_path), Asset("x", href, tmp_path / "assets/x.tif"))
    assert server.requests == []


def test_hosts_of_catalogues():
    api = {"href": "https://planetarycomputer.microsoft.com/api/stac/v1", "signing": "planetary-computer"}
    hosts_of(api, SENSOR.asset_hosts).check("x", "https://sentinel2l2a01.blob.core.windows.net/a.tif")
    search = {"href": "https://earth-search.aws.element84.com/v1", "signing": "none"}
    hosts_of(search, SENSOR.asset_hosts).check("x", "https://SENTINEL-cogs.s3.us-west-2.amazonaws.com/a.tif")
    disk = {"href": "catalogue/catalog.json", "signing": "none"}
    hosts_of(disk, SENSOR.asset_hosts, ["*.example.org"]).check("x", "https://a.example.org/a.tif")
    for foreign in ("https://example.org/a.tif", "https://aexample.org/a.tif"):
        with pytest.raises(ForeignHostError, match=r"none of those that may be asked \(\*\.example\.org\)"):
            hosts_of(disk, SENSOR.asset_hosts, ["*.example.org"]).check("x", foreign)
    with pytest.raises(ForeignHostError, match="by 'http', which is not trusted"):
        hosts_of(disk, SENSOR.asset_hosts, ["h"]).check("x", "http://h/a.tif", redirected_from="https://h/a.tif")
