"""Galileo's encoder (Tseng et al., "Learning Global & Local Features of Many Remote Sensing Modalities", ICML 2025).

A transformer over tokens: one for each square of pixels, date and group of bands. Groups whose bands are absent have no
token; they are left out, not filled with zeros. Here are its groups of Sentinel-1, Sentinel-2 and NDVI.
"""

import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rankscape.foundation.errors import WeightsError
from rankscape.samples.rendering import WHITE_REFLECTANCE

FAMILY = "galileo"
"""First part of the names of such architectures."""
GROUPS = {
    "S1": ("VV", "VH"), "S2_RGB": ("B02", "B03", "B04"), "S2_Red_Edge": ("B05", "B06", "B07"), "S2_NIR_10m": ("B08",),
    "S2_NIR_20m": ("B8A",), "S2_SWIR": ("B11", "B12"), "NDVI": ("NDVI",),
}  # fmt: skip
"""Bands of each group, in the order of its channel embeddings; backscatter in dB, digital numbers of reflectance."""
BANDS = tuple(band for bands in GROUPS.values() for band in bands)
_MEAN = (
    -11.728724389184965, -18.85558188024017, 1395.3408730676722, 1338.4026921784578, 1343.09883810357,
    1543.8607982512297, 2186.2022069512263, 2525.0932853316694, 2410.3377187373408, 2750.2854646886753,
    2234.911100061487, 1474.5311266077113,
)  # fmt: skip
_STD = (
    4.887145774840316, 5.730270320384293, 917.7041440370853, 913.2988423581528, 1092.678723527555, 1047.2206083460424,
    1048.0101611156767, 1143.6903026819996, 1098.979177731649, 1204.472755085893, 1145.9774063078878, 980.2429840007796,
)  # fmt: skip
"""Of every band but NDVI, as its authors publish them: x becomes (x - mean + 2 std)/(4 std)."""
_DN = 10_000.0
"""Digital numbers of a reflectance of 1."""
_HEADS = {128: 8, 192: 3, 768: 12}
"""Attention heads by the width of the published encoders: nano, tiny, base."""
_LARGEST_PX = 8
_DATES = 24
_SHAPE = re.compile(rf"{FAMILY}-(nano|tiny|base)-([1-8])px")
_SIZES = {"nano": (128, 4), "tiny": (192, 12), "base": (768, 12)}
"""Width and depth."""
_OTHER = ("space_embed.", "time_embed.", "static_embed.", "sp_channel_embed", "t_channel_embed", "st_channel_embed")
"""Weights of groups that are not used here."""


def galileo_of(architecture: str) -> tuple[int, int, int] | None:
    """Read the name of an architecture, such as `galileo-nano-8px` for tokens of 8 x 8 px; None for other families.

    Returns:
        Width, depth and side of a token in pixels.

    Raises:
        WeightsError: If the name begins with the family's and has another form.
    """
    if not architecture.startswith(FAMILY):
        return None
    found = _SHAPE.fullmatch(architecture)
    if found is None:
        raise WeightsError(
            f"architecture = {architecture!r} cannot be read: write galileo-nano-8px, for tokens of 8 px."
        )
    return (*_SIZES[found[1]], int(found[2]))


def used_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the published weights of groups that are not used here."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(_OTHER)}


class Galileo(nn.Module):
    """The encoder; names of its weights are those of the published file."""

    def __init__(self, width: int, depth: int) -> None:
        """Make one with weights of chance."""
        super().__init__()
        self.space_time_embed = nn.ModuleDict({name: _Projection(len(own), width) for name, own in GROUPS.items()})
        self.s_t_channel_embed = nn.Parameter(torch.zeros(len(GROUPS), width // 4))
        self.pos_embed = nn.Parameter(torch.zeros(_DATES, width // 4), requires_grad=False)
        self.month_embed = nn.Embedding(12, width // 4)
        self.blocks = nn.ModuleList(_Block(width, _HEADS[width]) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, pixels: Tensor, months: Tensor, token_px: int, groups: Sequence[str]) -> Tensor:
        """Encode images.

        Args:
            pixels: Normalised values of `BANDS`, float32, shape (n, side, side, dates, 13); those of bands outside the
                groups are not read.
            months: Month of every date, 0 to 11, int64, shape (dates,).
            token_px: Side of a token's square of pixels, 1 to 8.
            groups: Groups whose bands are present.

        Returns:
            float32, shape (n, squares, width): mean of the tokens of each square, row by row.
        """
        tokens = torch.stack([self._projected(pixels, name, token_px) for name in groups], 4)
        images, rows, cols, dates, kinds, width = tokens.shape
        numbers = [list(GROUPS).index(name) for name in groups]
        shape = (1, rows, cols, dates, kinds, width // 4)
        about = (
            self.s_t_channel_embed[numbers][None, None, None, None],
            self.pos_embed[:dates, None][None, None, None],
            self.month_embed(months)[:, None][None, None, None],
            _places(rows, cols, width // 4, token_px).to(pixels)[None, :, :, None, None],
        )
        x = (tokens + torch.cat([one.expand(shape) for one in about], -1)).reshape(images, -1, width)
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.norm(x).reshape(images, rows * cols, dates * kinds, width).mean(2)
        return found

    def _projected(self, pixels: Tensor, group: str, token_px: int) -> Tensor:
        """Tokens of one group before their place is added, shape (n, rows, cols, dates, width)."""
        first = BANDS.index(GROUPS[group][0])
        own = pixels[..., first : first + len(GROUPS[group])]
        projection = self.space_time_embed[group]
        seen = projection(own.permute(0, 3, 4, 1, 2).flatten(0, 1), token_px)
        folded: Tensor = seen.reshape(len(pixels), -1, *seen.shape[1:])
        return folded.permute(0, 3, 4, 1, 2)


class _Projection(nn.Module):
    """Squares of pixels to tokens; the kernel of 8 px is brought to smaller squares as FlexiViT does (2023)."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, width, _LARGEST_PX, _LARGEST_PX)

    def forward(self, x: Tensor, token_px: int) -> Tensor:
        weight = self.proj.weight
        if token_px != _LARGEST_PX:
            weight = (weight.flatten(2) @ _shrinking(token_px).T).reshape(*weight.shape[:2], token_px, token_px)
        return F.conv2d(x, weight, self.proj.bias, stride=token_px)


def _shrinking(token_px: int) -> Tensor:
    """Pseudo-inverse of resizing a square of 8 px, float32, shape (token_px², 64)."""
    basis = torch.eye(_LARGEST_PX**2).reshape(-1, 1, _LARGEST_PX, _LARGEST_PX)
    small = F.interpolate(basis, (token_px, token_px), mode="bicubic", antialias=True)
    inverse: Tensor = torch.linalg.pinv(small.flatten(1))
    return inverse


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))  # type: ignore[no-any-return]


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        parts = (part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v))
        return self.proj(F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _places(rows: int, cols: int, width: int, scale: float) -> Tensor:
    """Sines and cosines of column and row, in units of 10 m at 10 m a pixel, float32, shape (rows, cols, width)."""
    across, down = (_waves(torch.arange(side) * scale, width // 2) for side in (cols, rows))
    return torch.cat([across[None].expand(rows, -1, -1), down[:, None].expand(-1, cols, -1)], -1)


def _waves(place: Tensor, width: int) -> Tensor:
    # The published weights were trained with exponents up to 1/4, where others go up to 1.
    angles = place[:, None] / 10_000 ** (torch.arange(width // 2, dtype=torch.float64) / width / 2)
    return torch.cat([angles.sin(), angles.cos()], 1).float()


def normalised(values: Tensor, bands: Sequence[str]) -> Tensor:
    """Bring values to what the encoder was trained on: every band but NDVI to about 0 to 1.

    Args:
        values: Digital numbers and dB of some bands, on the last axis.
        bands: Their names.
    """
    place = [BANDS.index(band) for band in bands]
    mean = torch.tensor([*_MEAN, 0.5])[place].to(values)
    std = torch.tensor([*_STD, 0.25])[place].to(values)  # NDVI stays as it is
    return (values - mean + 2 * std) / (4 * std)


class GalileoPatches(nn.Module):
    """Patches as all networks here see them to one vector each: the mean of all tokens.

    Attributes:
        month: Month that the patches show, 0 to 11.
    """

    month: Tensor

    def __init__(self, architecture: str, bands: Sequence[str], month: int = 6) -> None:
        """Make one with weights of chance.

        Args:
            architecture: Name, such as `galileo-nano-8px`.
            bands: Bands of the patches: Sentinel-2's as reflectance, VV and VH in dB.
            month: Month, 0 to 11.

        Raises:
            WeightsError: If the bands make up none of the encoder's groups.
        """
        super().__init__()
        size = galileo_of(architecture)
        assert size is not None
        width, depth, self.token_px = size
        self.bands, self.num_features = tuple(bands), width
        has = {*bands, *(("NDVI",) if {"B08", "B04"} <= set(bands) else ())}
        self.groups = tuple(name for name, own in GROUPS.items() if set(own) <= has)
        if not self.groups:
            known = [list(own) for own in GROUPS.values()]
            raise WeightsError(f"{architecture} knows the groups of bands {known}, and none is among {list(bands)}.")
        self.network = Galileo(width, depth)
        self.register_buffer("month", torch.tensor([month]))

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: Values over 0.3 (`Preparation.values`), float32, shape (n, bands, side, side); what is left over at
                the right and the bottom of whole tokens is not seen.

        Returns:
            float32, shape (n, width).
        """
        side = min(images.shape[-2:]) // self.token_px * self.token_px
        values = images[..., :side, :side].permute(0, 2, 3, 1) * WHITE_REFLECTANCE
        seen = values.new_zeros(*values.shape[:3], len(BANDS))
        for place, band in enumerate(self.bands):
            if band in BANDS:
                radar = band in GROUPS["S1"]
                own = values[..., place : place + 1] * (1.0 if radar else _DN)
                # Pixels without data come as 0, which is dark for reflectance, and brighter than any land for decibels.
                own = torch.where(own == 0, _MEAN[BANDS.index(band)], own) if radar else own
                seen[..., BANDS.index(band)] = normalised(own, [band])[..., 0]
        if "NDVI" in self.groups:
            nir, red = (values[..., self.bands.index(band)] for band in ("B08", "B04"))
            seen[..., -1] = (nir - red) / (nir + red).clamp_min(1e-6)
        return self.network(seen[:, :, :, None], self.month, self.token_px, self.groups).mean(1)  # type: ignore[no-any-return]
