"""What changes an image and not its land: looks of other dates, symmetries, crops."""

import pytest
import torch
from rankscape.learning import augmentation
from rankscape.learning.augmentation import appearance, turn
from rankscape.learning.pretraining import crop


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(64, 4, 16, 16, generator=chance(9)) * 0.8


def test_no_strength_changes_nothing_and_more_changes_more(images):
    torch.testing.assert_close(appearance(images, chance(), 0), images, rtol=0, atol=1e-6)
    changes = [(appearance(images, chance(), s) - images).abs().mean().item() for s in (0.25, 0.5, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_the_same_chance_gives_the_same_looks(images):
    first, second, other = (appearance(images, chance(seed), 1) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_values_stay_in_range_and_pixels_without_data_stay_empty(images):
    images[0, :, 2:5] = torch.nan
    images[1, 0, 0, 0] = 1.7
    looks = appearance(images, chance(), 2)
    assert torch.equal(looks.isnan(), images.isnan())
    assert looks.nan_to_num().min() >= 0
    assert looks[2:].max() <= 1
    assert looks[1].max() <= 1.7


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_any_number_of_channels(channels):
    looks = appearance(torch.full((8, channels, 12, 10), 0.4), chance(), 1)
    assert looks.shape == (8, channels, 12, 10)
    assert looks.isfinite().all()


def only(monkeypatch, *kept):
    for name in {"SATURATION", "EXPOSURE", "TINT", "HAZE", "HAZE_COLOUR", "BLUR_PX"} - set(kept):
        monkeypatch.setattr(augmentation, name, 0.0)


def test_gain_multiplies_all_channels_alike_and_tint_each(images, monkeypatch):
    only(monkeypatch, "EXPOSURE")
    images = images * 0.5 + 0.05
    ratio = (appearance(images, chance(), 1) / images).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=1e-4)
    logarithms = ratio[:, 0].log()
    assert -0.5 <= logarithms.min() < -0.4
    assert 0.4 < logarithms.max() <= 0.5

    only(monkeypatch, "TINT")
    monkeypatch.setattr(augmentation, "TINT", 0.15)
    ratio = (appearance(images, chance(), 1) / images).flatten(2)
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-4, atol=1e-4)
    assert ratio[:, :, 0].std(1).min() > 0


def test_haze_draws_all_land_towards_its_own_light(monkeypatch):
    only(monkeypatch, "HAZE")
    land = torch.rand(64, 3, 8, 8, generator=chance(2))
    looks = appearance(land, chance(), 1)
    share = (looks - land) / (0.8 - land)
    torch.testing.assert_close(share, share[:, :1, :1, :1].expand_as(share), rtol=1e-2, atol=1e-3)
    assert share.min() >= 0
    assert 0.3 < share.max() <= 0.4 + 1e-3


def test_saturation_keeps_the_grey(images, monkeypatch):
    only(monkeypatch, "SATURATION")
    calm = 0.4 + 0.1 * (images - 0.4)
    looks = appearance(calm, chance(), 1)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((looks[:, :3] * weights).sum(1), (calm[:, :3] * weights).sum(1), rtol=1e-4, atol=1e-5)
    assert torch.equal(looks[:, 3], calm[:, 3])
    assert not torch.allclose(looks[:, :3], calm[:, :3])


def test_blur_smooths_about_half_of_the_images_and_keeps_their_mean_light(monkeypatch):
    only(monkeypatch, "BLUR_PX")
    spots = torch.zeros(200, 1, 15, 15)
    spots[:, 0, 7, 7] = 1
    looks = appearance(spots, chance(), 1)
    torch.testing.assert_close(looks.sum((1, 2, 3)), torch.ones(200), rtol=1e-4, atol=1e-4)
    blurred = (looks[:, 0, 7, 7] < 0.999).float().mean()
    assert 0.25 < blurred < 0.6
    assert looks[:, 0, 7, 7].min() == pytest.approx(0.16, abs=0.02)


def test_turning_shows_all_eight_symmetries_about_equally_often():
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    shown = [tuple(view.flatten().tolist()) for view in turn(image.expand(800, 1, 3, 3), chance())]
    counts = {view: shown.count(view) for view in set(shown)}
    assert len(counts) == 8
    assert min(counts.values()) > 60


def test_crops_show_the_asked_share_at_any_place():
    """An image of coordinates tells what each crop shows."""
    rows, cols = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    images = torch.stack([rows, cols]).expand(300, 2, 64, 64)
    cut = crop(images, 0.25, 32, chance())
    assert cut.shape == (300, 2, 32, 32)
    tall, wide = ((cut[:, axis].flatten(1).amax(1) - cut[:, axis].flatten(1).amin(1)) for axis in (0, 1))
    assert (tall * wide).min() > 0.2
    assert (tall * wide).max() > 0.85
    assert (tall / wide).min() > 0.7
    assert (tall / wide).max() < 1.45
    centre = cut.mean((2, 3))
    torch.testing.assert_close(centre.mean(0), torch.tensor([0.5, 0.5]), rtol=0, atol=0.03)
    assert centre.std(0).min() > 0.05
    assert torch.equal(cut, crop(images, 0.25, 32, chance()))


def test_a_whole_crop_is_the_image():
    images = torch.rand(2, 3, 16, 16, generator=chance())
    whole = crop(images, 1.0, 16, chance(1))
    assert whole.shape == images.shape
    narrow = crop(torch.rand(2, 3, 1, 9, generator=chance()), 0.01, 4, chance())
    assert narrow.shape == (2, 3, 4, 4)
    assert narrow.isfinite().all()
