"""The fonts that names are drawn with: a chain that covers what a name needs, or one warning that says what is missing.

The first font is the one that the drawing asks for, so that Latin text looks the same on every machine. Fonts that are
installed follow for Chinese, Japanese, Korean, Arabic, Devanagari and the other scripts of the world.
"""

import io
import unicodedata
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from matplotlib import get_data_path
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from PIL import ImageDraw, ImageFont

from rankscape.foundation.progress import say

FIRST = "DejaVu Sans"
"""Comes with Matplotlib: Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, and the letters of Arabic."""
FAMILIES = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "Noto Sans CJK KR",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari",
    "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu", "Noto Sans Thai", "Noto Sans Lao", "Noto Sans Khmer",
    "Noto Sans Myanmar", "Noto Sans Ethiopic", "Nirmala UI", "Leelawadee UI", "Ebrima", "Arial Unicode MS",
)  # fmt: skip
"""Families in the order in which they are tried; any other font that is installed comes after them."""
_NEVER = ("lastresort", "last resort", "adobe blank", "emoji")
"""Fonts that have boxes for all characters, or colours that Matplotlib cannot draw."""
_SCRIPTS = {
    "CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "BOPOMOFO": "Chinese",
    "LATIN": "Latin", "ORIYA": "Odia", "GURMUKHI": "Gurmukhi (Punjabi)", "MYANMAR": "Myanmar (Burmese)",
    "ETHIOPIC": "Ethiopic (Amharic)",
}  # fmt: skip
_EAST_ASIAN = frozenset({"Chinese", "Japanese", "Korean"})
_REGULAR = 400
_SAMPLE = 8
"""So many characters of a script are shown in the warning."""


@cache
def _installed() -> tuple[FontEntry, ...]:
    """The fonts of this machine, best first; those that were installed after Matplotlib made its list count too."""
    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError, NotImplementedError, ValueError):
            continue  # broken, or of bitmaps
    fitting = [entry for entry in fontManager.ttflist if not any(word in entry.name.lower() for word in _NEVER)]
    return tuple(sorted(fitting, key=_preference))


def _preference(entry: FontEntry) -> tuple[int, int, bool, bool, str, str, int]:
    order = (FIRST, *FAMILIES)
    place = order.index(entry.name) if entry.name in order else len(order)
    weight = entry.weight if isinstance(entry.weight, int) else _REGULAR
    slanted = entry.style != "normal" or entry.stretch != "normal"
    return (
        place, abs(weight - _REGULAR), slanted, "sans" not in entry.name.lower(), entry.name, entry.fname, entry.index,
    )  # fmt: skip


@cache
def _characters(file: str, face: int) -> frozenset[int]:
    """The code points that a font draws; none where it cannot be read."""
    try:
        return frozenset(FT2Font(file, face_index=face).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _needed(text: str, have: Collection[int] = ()) -> tuple[int, ...]:
    """The code points of a text that need a glyph that is not there: no spaces, marks of direction or of variants."""
    points = (ord(one) for one in text if unicodedata.category(one)[0] not in "CZ" and not "\ufe00" <= one <= "\ufe0f")
    return tuple(dict.fromkeys(point for point in points if point not in have))


def _chain(needed: Sequence[int]) -> tuple[FontEntry, ...]:
    """The fonts that draw what is needed, best first; what none of them has is warned of, once."""
    missing, chain = set(needed), []
    for entry in _installed():
        if not missing:
            break
        drawn = missing & _characters(entry.fname, entry.index)
        if drawn:
            chain.append(entry)
            missing -= drawn
    if missing:
        _warn([one for one in needed if one in missing])
    return tuple(chain)


def _script(point: int) -> str:
    """The script of a character by the first word of its name: Chinese, Devanagari."""
    if unicodedata.category(chr(point))[0] in "SP":
        return "special"
    word = unicodedata.name(chr(point), "special").split()[0].split("-")[0]
    return _SCRIPTS.get(word, word.capitalize())


_warned: set[str] = set()
"""Scripts that this run has warned of."""


def _warn(missing: Sequence[int]) -> None:
    samples: dict[str, str] = {}
    for point in missing:
        samples[_script(point)] = (samples.get(_script(point), "") + chr(point))[:_SAMPLE]
    new = {script: sample for script, sample in samples.items() if script not in _warned}
    _warned.update(new)
    if not new:
        return
    packages = sorted({"fonts-noto-cjk" if script in _EAST_ASIAN else "fonts-noto-core" for script in new})
    say(
        f"Warning: no installed font has the characters of {' and '.join(f'{one} ({new[one]})' for one in new)}: "
        "images show boxes in their place. Install fonts that have them, on Debian and Ubuntu with "
        f"`apt-get install {' '.join(packages)}`, elsewhere the Noto fonts, and run again."
    )


def figure_png(figure: Figure, title: str | None = None, **style: Any) -> bytes:
    """Return a figure as PNG with letters that its texts need, without a time or the names of programs.

    Args:
        figure: What is drawn; text that the first font covers stays as it is.
        title: Title to write into the file.
        style: More of what `savefig` takes.
    """
    _fit_fonts(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the run has one warning, of the script
        titled = {} if title is None else {"Title": title}
        figure.savefig(buffer, format="png", metadata={"Software": None, **titled}, **style)
    return buffer.getvalue()


def _fit_fonts(figure: Figure) -> None:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()  # writes the words of the ticks
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    beyond = _needed("".join(text.get_text() for text in texts), _first())
    if not beyond:
        return
    families = [FIRST, *dict.fromkeys(entry.name for entry in _chain(beyond))]
    for text in texts:
        text.set_fontfamily(families)
    for axes in figure.axes:
        axes.tick_params(labelfontfamily=families)


@cache
def _first() -> frozenset[int]:
    return _characters(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), 0)


@dataclass(frozen=True)
class Lettering:
    """Letters of one size on images of pixels; of a text, each part is drawn by the first font that has it."""

    size_px: int
    """Height of the letters."""

    @cached_property
    def _own(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(self.size_px)

    def _parts(self, text: str) -> Iterator[tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]]:
        beyond = _needed(text, _of_pillow())
        if not beyond:
            yield text, self._own
            return
        chain = _chain(beyond)
        part, last = "", self._own
        for one in text:
            font = last if not _needed(one) else self._font(ord(one), chain)
            if font is not last and part:
                yield part, last
                part = ""
            part, last = part + one, font
        yield part, last

    def _font(self, point: int, chain: Sequence[FontEntry]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if point in _of_pillow():
            return self._own
        found = next((entry for entry in chain if point in _characters(entry.fname, entry.index)), None)
        return self._own if found is None else _sized(found.fname, found.index, self.size_px)

    def getlength(self, text: str) -> float:
        """Return the width of a line of text in pixels."""
        return float(sum(font.getlength(part) for part, font in self._parts(text)))

    def write(
        self,
        draw: ImageDraw.ImageDraw,
        place: tuple[float, float],
        text: str,
        ink: tuple[int, int, int] | int,
        anchor: str = "la",
    ) -> None:
        """Draw a line of text; `anchor` as in Pillow: left, middle or right of the ascender line."""
        parts = list(self._parts(text))
        if len(parts) == 1 and parts[0][1] is self._own:
            draw.text(place, text, ink, self._own, anchor=anchor)
            return
        x = place[0] - self.getlength(text) * {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]]
        baseline = place[1] + (self._own.getmetrics()[0] if isinstance(self._own, ImageFont.FreeTypeFont) else 0)
        for part, font in parts:
            draw.text((x, baseline), part, ink, font, anchor="ls")
            x += font.getlength(part)


@cache
def _of_pillow() -> frozenset[int]:
    """The code points of Pillow's own font."""
    font = ImageFont.load_default(12)
    return frozenset(FT2Font(font.path).get_charmap() if isinstance(font, ImageFont.FreeTypeFont) else range(128))


@cache
def _sized(file: str, face: int, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size_px, face)
