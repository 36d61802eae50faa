"""Galileo's encoder against values that its authors' code gives."""

import numpy as np
import pytest
import rasterio
import torch
from rankscape.foundation.errors import WeightsError
from rankscape.models.backbones import create_backbone
from rankscape.models.galileo import GROUPS, Galileo, used_weights
from rankscape.models.weights import read_safetensors

S2 = tuple(name for name in GROUPS if name != "S1")
TERRAMESH = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")


@pytest.fixture(scope="module")
def weights(shared):
    return shared / "data/embeddings/galileo-nano/encoder.safetensors"


@pytest.fixture(scope="module")
def golden(shared):
    return np.load(shared / "golden/embeddings/galileo_nano.npz")


def far(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "groups", "token_px"),
    [
        ("s2_patch2", S2, 2),
        ("s2_patch4", S2, 4),
        ("s2_patch8", S2, 8),
        ("s1s2_patch4", tuple(GROUPS), 4),
        ("rgb_patch4", ("S2_RGB",), 4),
    ],
)
def test_it_encodes_as_its_authors_do(weights, golden, name, groups, token_px):
    network = Galileo(128, 4).eval()
    network.load_state_dict(used_weights(read_safetensors(weights)[0]))
    h, w, t, c = np.ogrid[:8, :8, :2, :13]
    pixels = 0.5 + 0.2 * np.sin(0.7 * h + 0.4 * w + 0.9 * t + 0.5 * c) + 0.1 * np.cos(0.3 * h * w / 4 - c)
    with torch.inference_mode():
        found = network(torch.from_numpy(pixels[None]).float(), torch.tensor([5, 8]), token_px, groups)[0]
    assert far(found.numpy(), golden[f"{name}_per_patch"]) < 1e-4
    assert far(found.mean(0).numpy(), golden[f"{name}_pooled"]) < 1e-4


def cells(folder, place, radar):
    """Cells 0, 97 and 195 of 16 px as patches hold them: reflectance and dB, shape (3, 16, 16, bands)."""
    with rasterio.open(folder / f"{place}.s2l2a.tif") as image:
        bands = image.read().astype(np.float32) / 10_000
    if radar:
        with rasterio.open(folder / f"{place}.s1rtc.tif") as image:
            bands = np.concatenate([bands, image.read()])
    corners = [divmod(cell, 14) for cell in (0, 97, 195)]
    return np.stack([bands[:, 16 * r : 16 * r + 16, 16 * c : 16 * c + 16].transpose(1, 2, 0) for r, c in corners])


@pytest.mark.shared
@pytest.mark.parametrize("radar", [False, True])
@pytest.mark.parametrize("place", ["38D_378R_2_3", "637U_59R_1_3", "282D_485L_3_3"])
def test_it_encodes_patches_of_real_places(shared, weights, golden, place, radar):
    pixels = cells(shared / "data/embeddings/terramesh", place, radar)
    names = (*TERRAMESH, *(("VV", "VH") if radar else ()))
    network = create_backbone("galileo-nano-8px", str(weights), len(names), 0, bands=names)
    with torch.inference_mode():
        found = network(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 0.3).numpy()
    assert far(found, golden[f"terramesh_{place}{'_s1' if radar else ''}"]) < 1e-4


def test_bands_that_it_does_not_know_are_refused():
    with pytest.raises(WeightsError, match="none is among \\['red', 'green'\\]"):
        create_backbone("galileo-nano-8px", "random", 2, 0, bands=("red", "green"))
    with pytest.raises(WeightsError, match="write galileo-nano-8px"):
        create_backbone("galileo-huge", "random", 2, 0, bands=("B02",))


@pytest.mark.shared
def test_weights_of_another_size_are_refused(weights):
    with pytest.raises(WeightsError, match="holds no weights of galileo-tiny-8px"):
        create_backbone("galileo-tiny-8px", str(weights), 3, 0, bands=("B04", "B03", "B02"))
