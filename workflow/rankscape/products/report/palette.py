"""The colour ramp of the page: viridis, as on the map, from dark violet (low) to yellow (high).

Viridis grows evenly lighter from end to end and is readable with every common colour blindness and in grey print
(van der Walt & Smith, SciPy 2015).
"""

from matplotlib import colormaps
from matplotlib.colors import to_hex

RAMP = "viridis"
"""Matplotlib's name of the ramp."""
DOUBT, REFERENCE, DIFFERENCE = "magma", "cividis", "PuOr_r"
"""Ramps of uncertainty, of references and of differences, each readable with the common colour blindnesses: Nuñez,
Anderton & Renslow, PLOS ONE 2018 (cividis); Harrower & Brewer, The Cartographic Journal 2003 (purple to orange)."""
_DARK_TEXT, _LIGHT_TEXT = "#000000", "#ffffff"


def colour_of(score: float) -> str:
    """Return the ramp's colour of a score in [0, 1] as `#rrggbb`; scores outside are clipped."""
    return str(to_hex(colormaps[RAMP](min(max(float(score), 0.0), 1.0))))


def text_on(colour: str) -> str:
    """Return black or white, whichever stands out more from a colour (contrast ratio of WCAG 2.2)."""
    light = _luminance(colour)
    on_white = 1.05 / (light + 0.05)
    on_dark = (light + 0.05) / (_luminance(_DARK_TEXT) + 0.05)
    return _LIGHT_TEXT if on_white >= on_dark else _DARK_TEXT


def ramp_css(steps: int = 9, ramp: str = RAMP) -> str:
    """Return a ramp from low to high as a CSS gradient."""
    return f"linear-gradient(to right, {', '.join(ramp_colours(ramp, steps))})"


def ramp_colours(ramp: str, steps: int = 64) -> list[str]:
    """Return evenly spaced colours of a ramp as `#rrggbb`, from low to high."""
    return [str(to_hex(colormaps[ramp](i / (steps - 1)))) for i in range(steps)]


def _luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2 of an sRGB colour `#rrggbb`."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
