"""Signing right before each read, and signatures that show nowhere."""

import logging
import threading

import pytest
from asset_server import (
    status,
)
from planetary_computer.settings import Settings
from rankscape.foundation.errors import DownloadError
from rankscape.scenes.servers import NoSigner, PlanetaryComputerSigner, signer_of
from rankscape.scenes.wanted_assets import Asset
from unit.scenes.bringing_assets import HREF, fetch
from unit.scenes.synthetic_scenes import QUICK, write_tif

# Signing


def test_signed_right_before_reading_and_never_written(azure, tmp_path, noise):
    source = write_tif(azure.folder / "container/B04.tif", noise((1, 300, 300)))
    (result,) = fetch(Asset("x", HREF, tmp_path / "assets/B04.tif"), signer=signer_of("planetary-computer", QUICK))
    assert result.path.read_bytes() == source.read_bytes()
    assert azure.requests[0][2] == "se=2099-01-01&sig=secret0"
    assert all(b"secret" not in path.read_bytes() for path in (tmp_path / "assets").iterdir())


def test_an_expired_token_is_signed_anew_and_the_download_goes_on(azure, tmp_path, noise):
    source = write_tif(azure.folder / "container/B04.tif", noise((1, 300, 300)))
    signer = PlanetaryComputerSigner(QUICK)
    signer.sign(HREF)
    azure.tokens.append("rotated on the server")
    (result,) = fetch(Asset("x", HREF, tmp_path / "assets/B04.tif"), signer=signer)
    assert result.path.read_bytes() == source.read_bytes()
    assert [query.rpartition("=")[2] for _, _, query in azure.requests] == ["secret0", "secret2"]


def test_a_refusal_that_no_signature_mends_is_one_line(azure, tmp_path, noise):
    write_tif(azure.folder / "container/B04.tif", noise((1, 30, 30)))
    azure.faults["/container/B04.tif"] = [status(403)] * 9
    with pytest.raises(DownloadError, match=r"\(HTTP 403: the server refuses access\)") as caught:
        fetch(Asset("x", HREF, tmp_path / "assets/B04.tif"), signer=PlanetaryComputerSigner(QUICK))
    assert "secret" not in str(caught.value)
    assert len(azure.tokens) == 3


def test_one_token_serves_all_threads(azure):
    signer = PlanetaryComputerSigner(QUICK)
    threads = [threading.Thread(target=signer.sign, args=(HREF,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(azure.tokens) == 1
    signed = signer.sign(HREF)
    assert signer.renew(signed)
    assert signer.renew(signed)
    assert signer.sign(HREF) != signed
    assert signer.renew(signed)
    assert len(azure.tokens) == 2


def test_other_addresses_are_not_signed(azure):
    signer = PlanetaryComputerSigner(QUICK)
    for href in (f"{azure.address}/B04.tif", "https://host/B04.tif", "https://account.blob.core.windows.net/B04.tif"):
        assert signer.sign(href) == href
        assert not signer.renew(href)
    assert NoSigner().sign(HREF) == HREF
    assert not signer_of("none").renew(HREF)
    assert azure.tokens == []


def test_a_token_endpoint_in_trouble(azure):
    azure.token_faults = [503, 500]
    assert "sig=secret0" in PlanetaryComputerSigner(QUICK).sign(HREF)
    azure.token_faults = [503] * 9
    with pytest.raises(DownloadError, match=r"gave no token \(HTTP 503\)"):
        PlanetaryComputerSigner(QUICK).sign(HREF)
    azure.token_faults = [404]
    with pytest.raises(DownloadError, match=r"/token/account/container gave no token \(HTTP 404\)"):
        PlanetaryComputerSigner(QUICK).sign(HREF)


def test_a_token_endpoint_that_gives_no_token(azure, monkeypatch):
    (azure.folder / "account").mkdir()
    (azure.folder / "account/container").write_text("<html>hello</html>")
    monkeypatch.setenv("PC_SDK_SAS_URL", azure.address)
    azure.signed = False
    Settings.get.cache_clear()
    with pytest.raises(DownloadError, match="something that is no token"):
        PlanetaryComputerSigner(QUICK).sign(HREF)


def test_no_log_holds_a_signature_however_loud(azure, tmp_path, noise, caplog):
    write_tif(azure.folder / "container/B04.tif", noise((1, 30, 30)))
    caplog.set_level(logging.DEBUG)
    fetch(Asset("x", HREF, tmp_path / "assets/B04.tif"), signer=PlanetaryComputerSigner(QUICK))
    assert "secret" not in caplog.text
    assert "sig=" not in caplog.text
