"""Names in any script: drawn where a font is installed, warned of once where none is."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from PIL import Image, ImageDraw, ImageFont
from rankscape.products import fonts
from rankscape.products.fonts import FAMILIES, FIRST, Lettering, figure_png
from rankscape.products.maps.canvas import Canvas

CITY = "成都"


def make_font(path: Path, characters: str, family: str = "Synthetic Sans") -> Path:
    """Write a font that draws each of the characters as a square of half its height."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 500), (600, 500), (600, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [f"uni{ord(one):04X}" for one in characters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(one): name for one, name in zip(characters, names, strict=True)})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), **{name: pen.glyph() for name in names}})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (700, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": family, "styleName": "Regular", "fullName": family})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def install(monkeypatch):
    """Lets a machine have these fonts besides Matplotlib's own, and forget what it has warned of."""
    own = [entry for entry in fontManager.ttflist if entry.name == FIRST and "mpl-data" in entry.fname]

    def put(*files: Path) -> None:
        monkeypatch.setattr(fontManager, "ttflist", list(own))
        monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(file) for file in files])
        monkeypatch.setattr(fonts, "_warned", set())
        fonts._installed.cache_clear()

    put()
    yield put
    fonts._installed.cache_clear()


def drawn(words: str) -> np.ndarray:
    canvas = Canvas(300, 60, 10)
    canvas.text(10, 10, words, 2.4)
    return np.asarray(Image.open(io.BytesIO(canvas.png("title"))))


def lettered(words: str) -> np.ndarray:
    image = Image.new("L", (300, 60))
    Lettering(24).write(ImageDraw.Draw(image), (10, 10), words, 255)
    return np.asarray(image)


@pytest.mark.parametrize("draw", [drawn, lettered])
def test_a_script_that_no_font_has_is_warned_of_once(install, draw, capsys, recwarn):
    draw(f"{CITY} दिल्ली")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no installed font has the characters of Chinese (成都) and Devanagari (दिल्ी)" in said
    assert "apt-get install fonts-noto-cjk fonts-noto-core" in said
    draw(CITY)
    assert capsys.readouterr().err == ""
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


@pytest.mark.parametrize("draw", [drawn, lettered])
def test_a_font_that_is_installed_later_is_used_and_nothing_is_said(install, draw, tmp_path, capsys):
    boxes = draw(CITY)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    install(make_font(tmp_path / "city.ttf", CITY), tmp_path / "broken.ttf")
    capsys.readouterr()
    squares = draw(CITY)
    assert capsys.readouterr().err == ""
    assert not np.array_equal(boxes, squares)


def test_a_font_of_boxes_for_everything_is_not_taken(install, tmp_path, capsys):
    install(make_font(tmp_path / "last.ttf", CITY, "Last Resort"))
    drawn(CITY)
    assert "Chinese" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["Москва, Huế, Côte d’Ivoire, Ελλάδα, ירושלים, القاهرة", "a\u200b\ufe0f b"])
def test_what_comes_with_matplotlib_needs_no_other_font(install, words, capsys):
    drawn(words)
    lettered(words)
    assert capsys.readouterr().err == ""


def test_latin_letters_are_those_of_before(install):
    image = Image.new("L", (300, 60))
    ImageDraw.Draw(image).text((10, 10), "Cluster 3: town", 255, ImageFont.load_default(24))
    assert np.array_equal(lettered("Cluster 3: town"), np.asarray(image))


def test_accents_that_the_first_font_lacks_are_drawn(install):
    assert not np.array_equal(lettered("São"), lettered("Säo")), "boxes are all alike"


def test_mixed_text_is_as_wide_as_its_parts(install, tmp_path):
    install(make_font(tmp_path / "city.ttf", CITY))
    font = Lettering(20)
    assert font.getlength(f"Chengdu {CITY}") == pytest.approx(font.getlength("Chengdu ") + 2 * 14, abs=1)


def test_ticks_have_the_fonts_of_their_words(install, tmp_path, capsys):
    install(make_font(tmp_path / "city.ttf", CITY))
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_yticks([0, 1], [CITY, "b"])
    figure_png(figure)
    assert axes.get_yticklabels()[0].get_fontfamily() == [FIRST, "Synthetic Sans"]
    assert capsys.readouterr().err == ""


def test_dollars_in_a_name_are_letters(install):
    assert not np.array_equal(drawn("$x$"), drawn("x"))
    drawn("$_^ and $")


@pytest.mark.parametrize("sheet", ["products/report/page.css", "studies/ranking/annotation/page.css"])
def test_pages_name_families_of_the_chain(sheet):
    text = (Path(fonts.__file__).parents[1] / sheet).read_text(encoding="utf-8")
    stacks = [stack for stack in re.findall(r"system-ui[^;]*", text) if "Noto" in stack]
    assert stacks
    for stack in stacks:
        named = [family for family in re.findall(r'"([^"]+)"', stack) if family in FAMILIES]
        assert {"Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Ethiopic"} <= set(named)
