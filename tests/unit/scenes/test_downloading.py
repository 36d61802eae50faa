"""Bringing assets over a real connection that fails in every way that has been met."""

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections import namedtuple

import numpy as np
import pytest
from asset_server import (
    cut,
    elsewhere,
    etag_of,
    instead,
    part_of_another,
    reset,
    shorter,
    status,
)
from rankscape.foundation.errors import DiskError, DownloadError, RasterError
from rankscape.scenes.addresses import is_safe_name, local_path, redacted, unsigned
from rankscape.scenes.downloading import Delivery, lock_folder
from rankscape.scenes.servers import RetryPolicy
from rankscape.scenes.wanted_assets import Asset, MissingAssetError, catalogue_checksum
from unit.scenes.bringing_assets import asset, fetch
from unit.scenes.synthetic_scenes import write_tif


def test_assets_come_whole_with_size_and_hash(server, big, tmp_path, noise):
    write_tif(server.folder / "SCL.tif", noise((1, 50, 60)))
    results = fetch(asset(server, tmp_path), asset(server, tmp_path, "SCL.tif"))
    for name, result in zip(("B04.tif", "SCL.tif"), results, strict=True):
        content = (server.folder / name).read_bytes()
        path = tmp_path / "assets" / name
        assert path.read_bytes() == content
        assert result == Delivery(path, len(content), hashlib.sha256(content).hexdigest())
    names = sorted(path.name for path in (tmp_path / "assets").iterdir())
    assert names == ["B04.tif", "B04.tif.json", "SCL.tif", "SCL.tif.json"]


def test_a_second_run_brings_nothing(server, big, tmp_path):
    first = fetch(asset(server, tmp_path))
    assert fetch(asset(server, tmp_path)) == first
    assert server.fetched("/B04.tif") == 1


@pytest.mark.parametrize("harm", ["bytes", "gone", "note", "href"])
def test_what_changed_since_is_brought_again(server, big, tmp_path, harm):
    fetch(asset(server, tmp_path))
    path = tmp_path / "assets/B04.tif"
    if harm == "bytes":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif harm == "gone":
        path.unlink()
    elif harm == "note":
        path.with_name("B04.tif.json").write_text("{")
    else:
        shutil.copy(big, server.folder / "new.tif")
    new = asset(server, tmp_path, "new.tif") if harm == "href" else asset(server, tmp_path)
    fetch(Asset(new.label, new.href, path))
    assert len(server.requests) == 2
    assert path.read_bytes() == big.read_bytes()


def test_an_interrupted_download_goes_on_where_it_stopped(server, big, tmp_path):
    server.faults["/B04.tif"] = [cut(0.4)]
    (result,) = fetch(asset(server, tmp_path))
    content = big.read_bytes()
    assert result.path.read_bytes() == content
    assert server.spans("/B04.tif") == ["bytes=0-4194303", f"bytes={int(len(content) * 0.4)}-{len(content) - 1}"]
    assert server.requests[1][1]["if-range"] == server.requests[1][1]["if-match"] == etag_of(content)


def test_a_large_asset_comes_in_pieces_that_are_asked_for_once(server, big, tmp_path, monkeypatch):
    monkeypatch.setattr("rankscape.scenes.transfers.PIECE_BYTES", 50_000)
    server.faults["/B04.tif"] = [cut(1.0), reset(0.5), status(503), cut(0.3)]
    (result,) = fetch(asset(server, tmp_path))
    size = len(big.read_bytes())
    assert result.path.read_bytes() == big.read_bytes()
    asked = sorted(tuple(map(int, span.removeprefix("bytes=").split("-"))) for span in server.spans("/B04.tif"))
    assert {first for first, _ in asked} >= set(range(0, size, 50_000))
    assert len(asked) == -(-size // 50_000) + 3


@pytest.mark.parametrize("fault", [reset(0.0), reset(0.5), cut(0.5)])
def test_an_opening_that_breaks_off_loses_no_piece_that_is_under_way(server, big, tmp_path, monkeypatch, fault):
    monkeypatch.setattr("rankscape.scenes.transfers.PIECE_BYTES", 50_000)
    size = big.stat().st_size

    def late(handler, content):
        time.sleep(0.3)
        handler.serve(content)

    server.faults["/B04.tif"] = [fault, *[late] * 4]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    asked = [int(span.removeprefix("bytes=").partition("-")[0]) for span in server.spans("/B04.tif")]
    # Nothing of the later pieces is asked for twice, and of the first only what did not come.
    assert all(asked.count(first) == 1 for first in range(50_000, size, 50_000))
    assert len(asked) == -(-size // 50_000) + 1


def test_a_server_that_gives_no_parts_is_read_in_one_go(server, big, tmp_path):
    server.ranges = False
    server.faults["/B04.tif"] = [cut(0.4)]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    assert server.fetched("/B04.tif") == 3


def test_a_reset_connection_is_tried_again(server, big, tmp_path):
    server.faults["/B04.tif"] = [reset(0.5), reset(0.1)]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()


def test_the_next_run_goes_on_from_the_part_of_a_killed_one(server, big, tmp_path):
    server.faults["/B04.tif"] = [cut(0.6), status(503)]
    with pytest.raises(DownloadError, match="HTTP 503"):
        fetch(asset(server, tmp_path), retries=RetryPolicy(attempts=1))
    part = tmp_path / "assets/B04.tif.part"
    assert part.stat().st_size == int(len(big.read_bytes()) * 0.6)
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    assert "range" in server.requests[-1][1]
    assert not part.exists()


def note_all(part, size):
    """Write into a part's ledger that all has come."""
    with part.with_name(part.name + ".ledger").open("a") as ledger:
        ledger.write(f"[0, {size}]\n")


def test_a_whole_part_needs_no_further_request(server, big, tmp_path):
    server.faults["/B04.tif"] = [cut(0.6), status(503)]
    with pytest.raises(DownloadError):
        fetch(asset(server, tmp_path), retries=RetryPolicy(attempts=1))
    part = tmp_path / "assets/B04.tif.part"
    shutil.copy(big, part)
    note_all(part, big.stat().st_size)
    (result,) = fetch(asset(server, tmp_path))
    assert isinstance(result, Delivery)
    assert len(server.requests) == 2


@pytest.mark.parametrize("harm", ["half a line", "nonsense", "beyond the part", "backwards"])
def test_a_ledger_that_a_kill_has_hurt_costs_bytes_and_no_more(server, big, tmp_path, harm):
    server.faults["/B04.tif"] = [cut(0.6), status(503)]
    with pytest.raises(DownloadError):
        fetch(asset(server, tmp_path), retries=RetryPolicy(attempts=1))
    lines = {"half a line": "[500000, 5", "nonsense": "{}\n[1]\n[true, 5]\n", "beyond the part": "[0, 9000000]\n"}
    with (tmp_path / "assets/B04.tif.part.ledger").open("a") as ledger:
        ledger.write(lines.get(harm, "[9, 2]\n"))
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    assert len(server.requests) == 3
    assert sorted(path.name for path in (tmp_path / "assets").iterdir()) == ["B04.tif", "B04.tif.json"]


def test_another_version_on_the_server_starts_anew(server, big, tmp_path, noise):
    server.faults["/B04.tif"] = [cut(0.4, etag='"old"')]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    # A server that ignores If-Range would have glued two versions together.
    server.faults["/B04.tif"] = [cut(0.4), part_of_another('"new"')]
    (result,) = fetch(Asset("again", f"{server.address}/B04.tif", tmp_path / "assets/again.tif"))
    assert result.path.read_bytes() == big.read_bytes()


def test_a_part_that_is_longer_than_the_asset_is_thrown_away(server, big, tmp_path):
    server.faults["/B04.tif"] = [cut(0.9), status(503)]
    with pytest.raises(DownloadError):
        fetch(asset(server, tmp_path), retries=RetryPolicy(attempts=1))
    with (tmp_path / "assets/B04.tif.part").open("ab") as handle:
        handle.write(bytes(10**6))
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()


def test_without_any_validator_a_download_starts_anew(server, big, tmp_path, monkeypatch):
    monkeypatch.setattr("rankscape.scenes.transfers.PIECE_BYTES", 50_000)
    server.etags = False
    server.faults["/B04.tif"] = [cut(0.4), cut(0.5)]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()
    # Pieces of a file without a version may be of two versions, so the whole is asked for.
    assert server.spans("/B04.tif") == ["bytes=0-49999", "", "bytes=0-49999", ""]


def test_a_busy_server_is_given_the_time_it_asks_for(server, big, tmp_path):
    server.faults["/B04.tif"] = [status(429, Retry_After="1"), status(503)]
    begin = time.monotonic()
    (result,) = fetch(asset(server, tmp_path))
    assert isinstance(result, Delivery)
    assert time.monotonic() - begin >= 1


def test_retry_after_may_be_a_date_and_has_a_limit():
    retries = RetryPolicy(base_s=0.001, longest_s=30)
    assert retries.wait_s(1, "Wed, 21 Oct 2065 07:28:00 GMT") == 30
    assert retries.wait_s(1, "Wed, 21 Oct 2015 07:28:00 GMT") < 0.01
    assert retries.wait_s(1, "Wed, 21 Oct 2065 07:28:00 -0000") == 30
    assert retries.wait_s(1, "soon") < 0.01
    waits = [RetryPolicy(base_s=1).wait_s(3) for _ in range(50)]
    assert 2 <= min(waits) < max(waits) <= 6


def test_an_asset_that_is_gone_is_told_apart_and_stops_no_other(server, big, tmp_path):
    gone, came = fetch(asset(server, tmp_path, "none.tif"), asset(server, tmp_path))
    assert isinstance(gone, MissingAssetError)
    assert str(gone) == (
        f"03TVF, item S2A_01, asset none.tif: HTTP 404, {server.address}/none.tif is not there any more."
    )
    assert isinstance(came, Delivery)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (status(500), "HTTP 500, 3 times in a row"),
        (status(400), "HTTP 400"),
        (status(403), "the server refuses access"),
        (instead(b"<html>error</html>"), "starts with b'<htm'"),
        (shorter(2000), "broke off 2000 bytes too early"),
        (elsewhere("/B04.tif"), "too many redirects"),
        (elsewhere("http://127.0.0.1:port/"), "HTTP 302 leads nowhere"),
        (reset(0.0), "the connection failed"),
    ],
)
def test_a_lasting_fault_is_one_line_that_names_the_asset(server, big, tmp_path, fault, words):
    server.faults["/B04.tif"] = [fault] * 9
    with pytest.raises(DownloadError) as caught:
        fetch(Asset("03TVF, item X, asset B04", f"{server.address}/B04.tif?sig=secret", tmp_path / "a/B04.tif"))
    line = str(caught.value)
    assert line.startswith(f"03TVF, item X, asset B04: {server.address}/B04.tif could not be downloaded (")
    assert words in line
    assert "secret" not in line
    assert "\n" not in line
    assert not (tmp_path / "a/B04.tif").exists()


def test_an_error_page_saved_as_a_raster_is_brought_again(server, big, tmp_path):
    server.faults["/B04.tif"] = [instead(b"<html>try later</html>"), instead(big.read_bytes()[:-5000])]
    (result,) = fetch(asset(server, tmp_path))
    assert result.path.read_bytes() == big.read_bytes()


def test_size_and_hash_that_the_catalogue_states_are_held(server, big, tmp_path):
    content = big.read_bytes()
    checksum = catalogue_checksum("1220" + hashlib.sha256(content).hexdigest())
    good = {"size_bytes": len(content), "checksum": checksum}
    with pytest.raises(DownloadError, match=f"the server has {len(content)} bytes, the catalogue states 7"):
        fetch(asset(server, tmp_path, size_bytes=7))
    with pytest.raises(DownloadError, match="SHA-256 is not the one that the catalogue states, 3 times in a row"):
        fetch(asset(server, tmp_path, checksum=catalogue_checksum("1220" + "0" * 64)))
    assert isinstance(fetch(asset(server, tmp_path, **good))[0], Delivery)


def test_one_broken_asset_stops_the_others_and_keeps_what_came(server, big, tmp_path):
    def refuse_late(handler, content):
        time.sleep(0.5)
        handler.answer(400, b"no")

    server.faults["/bad.tif"] = [refuse_late]
    server.faults["/B04.tif"] = [cut(0.4), status(503, Retry_After="120")]
    with pytest.raises(DownloadError, match=r"bad\.tif"):
        fetch(asset(server, tmp_path, "bad.tif"), asset(server, tmp_path))
    assert not (tmp_path / "assets/B04.tif").exists()
    server.faults.clear()
    shutil.copy(big, server.folder / "bad.tif")
    fetch(asset(server, tmp_path, "bad.tif"), asset(server, tmp_path))
    assert server.spans("/B04.tif").count("bytes=0-4194303") == 1


def test_a_full_disk_is_noticed_before_the_bytes_come(server, big, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("rankscape.scenes.part_files.shutil.disk_usage", lambda _: usage(1, 1, 64 << 20))
    with pytest.raises(DiskError, match="has 64 MiB free, but 64 MiB are needed"):
        fetch(asset(server, tmp_path))
    with pytest.raises(DiskError, match="make room"):
        fetch(Asset("local", str(big), tmp_path / "assets/local.tif"), local=True)
    assert not list((tmp_path / "assets").glob("*.tif"))


def test_a_disk_that_fills_up_while_writing_is_one_line(server, big, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rankscape.scenes.transfers.os.pwrite", full)
    with pytest.raises(DiskError, match="No disk space left"):
        fetch(asset(server, tmp_path))


def test_room_for_all_assets_is_asked_for_before_the_first_byte(server, big, tmp_path, monkeypatch):
    write_tif(server.folder / "small.tif", np.ones((1, 20, 20), np.uint8))
    server.claimed["/small.tif"] = 900 << 20
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("rankscape.scenes.part_files.shutil.disk_usage", lambda _: usage(1, 1, 800 << 20))
    with pytest.raises(DiskError, match="has 800 MiB free, but 964 MiB are needed"):
        fetch(asset(server, tmp_path), asset(server, tmp_path, "small.tif"))
    assert server.requests == []
    # A size that the catalogue states needs no question; what is there already needs no room.
    server.claimed.clear()
    fetch(asset(server, tmp_path))
    with pytest.raises(DiskError, match="964 MiB are needed"):
        fetch(asset(server, tmp_path), asset(server, tmp_path, "small.tif", size_bytes=900 << 20))
    assert sorted(server.heads) == ["/B04.tif", "/B04.tif", "/small.tif"]


# Local assets


def test_local_assets_are_copied_and_verified(tmp_path, noise):
    source = write_tif(tmp_path / "source.tif", noise((1, 60, 70)))
    wanted = [Asset("local", href, tmp_path / "assets" / name) for name, href in
              (("a.tif", str(source)), ("b.tif", source.as_uri()))]  # fmt: skip
    for result in fetch(*wanted, local=True):
        assert result.path.read_bytes() == source.read_bytes()
    stamp = (tmp_path / "assets/a.tif").stat().st_mtime_ns
    fetch(*wanted, local=True)
    assert (tmp_path / "assets/a.tif").stat().st_mtime_ns == stamp
    write_tif(source, noise((1, 60, 70)))
    fetch(*wanted, local=True)
    assert (tmp_path / "assets/a.tif").read_bytes() == source.read_bytes()


def test_broken_and_missing_local_assets(tmp_path, noise):
    source = write_tif(tmp_path / "source.tif", noise((1, 60, 70)))
    source.write_bytes(source.read_bytes()[:2000])
    with pytest.raises(RasterError, match=r"local: .*source\.tif is no whole GeoTIFF") as caught:
        fetch(Asset("local", str(source), tmp_path / "assets/a.tif"), local=True)
    assert ".part" not in str(caught.value)
    (missing,) = fetch(Asset("local", str(tmp_path / "none.tif"), tmp_path / "assets/a.tif"), local=True)
    assert isinstance(missing, MissingAssetError)
    assert not list((tmp_path / "assets").glob("*.tif*"))


@pytest.mark.parametrize("href", ["/etc/hosts", "ftp:///etc/hosts", "s3://bucket/B04.tif", "/vsicurl/http://h/B04.tif"])
def test_a_remote_catalogue_reads_no_local_files(tmp_path, href):
    with pytest.raises(DownloadError, match="neither over HTTP nor as a path of a local catalogue"):
        fetch(Asset("x", href, tmp_path / "assets/a.tif"))


# Addresses and folders


def test_addresses_are_stripped_of_secrets():
    assert unsigned("https://h/a.tif?se=1&sig=x") == "https://h/a.tif"
    assert unsigned("https://h/a.tif?X-Amz-Signature=x") == "https://h/a.tif"
    assert unsigned("https://h/a.tif?version=2") == "https://h/a.tif?version=2"
    assert unsigned("a?sig=b.tif") == "a?sig=b.tif"
    assert redacted("https://user:pass@h:8/a.tif?sig=x#y") == "https://h:8/a.tif"
    assert redacted("data/a.tif") == "data/a.tif"
    assert str(local_path("file:///a%20b/c.tif")) == "/a b/c.tif"
    assert local_path("s3://b/c.tif") is None


@pytest.mark.parametrize(
    ("name", "safe"),
    [("S2A_01.v2-x", True), ("a" * 128, True), ("a" * 129, False), ("", False), (".", False), ("..", False),
     ("a..b", False), ("a/b", False), ("a\\b", False), ("a b", False), ("é", False), ("a\n", False)],
)  # fmt: skip
def test_names_that_may_be_folders(name, safe):
    assert is_safe_name(name) is safe


def test_a_second_run_waits_for_the_first(tmp_path, capsys):
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    order = []

    def second():
        with lock_folder(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    time.sleep(0.1)
    order.append("first")
    os.close(handle)
    thread.join()
    assert order == ["first", "second"]
    assert "waiting" in capsys.readouterr().err
