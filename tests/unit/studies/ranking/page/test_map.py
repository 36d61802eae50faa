"""The page's map in headless Chromium: pointer, keyboard, telephone, no network, no script, and axe-core."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import launched
from playwright.sync_api import Browser, BrowserContext, Page

from .conftest import Region, make_region, write_region_page
from .synthetic_products import everything

WAIT_MS = 20_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Region:
    """A region of three granules with districts, change, regressions and responses."""
    references = {
        "lights": {"title": "Night lights (nW)"}, "truth": {"title": "True development", "truth": True},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("map")
    region = make_region(folder / "synthetic-land", references=references)
    everything(region)
    write_region_page(region)
    return region


class Visit:
    """One reader on the page; every request and every fault is noted."""

    def __init__(self, browser: Browser, page_file: Path, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **options}
        )
        self.context.set_offline(True)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = page_file.as_uri()
        self.page.goto(self.address)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.faults == []
        assert [url for url in self.requests if not url.startswith("data:")] == [self.address]

    def state(self) -> dict[str, Any]:
        return self.page.evaluate(
            """() => { const event = new CustomEvent('rankscape:state', { detail: {} });
            document.querySelector('#map-app').dispatchEvent(event); return event.detail.state; }"""
        )

    def colours(self) -> list[list[int]]:
        """What each granule's canvas shows."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll('canvas.values')].map((canvas) => [...canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data])"""
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_timeout(60)


@pytest.fixture
def visit(browser: Browser, made: Region) -> Iterator[Visit]:
    with Visit(browser, made.page) as visit:
        yield visit


def test_every_layer_shows_itself_and_its_legend(visit: Visit) -> None:
    seen = []
    keys = visit.page.eval_on_selector_all("input[name='map-layer']", "all => all.map((one) => one.value)")
    wanted = {"score", "uncertainty", "districts", "reference-0", "residual-0", "residual-1", "change-0", ""}
    assert wanted <= set(keys)
    for key in keys:
        visit.page.check(f"input[name='map-layer'][value='{key}']")
        legend = visit.page.text_content("#map-legend")
        seen.append((legend, str(visit.colours()) if key != "districts" else key))
        assert visit.state()["layer"] == (key or None)
    assert len({legend for legend, _ in seen}) == len(keys)
    assert len({colours for _, colours in seen}) == len(keys), "each layer has colours of its own"


def test_the_score_has_the_ramps_colours_patch_by_patch(visit: Visit, made: Region) -> None:
    from rankscape.foundation.tables import read_table
    from rankscape.products.report.palette import RAMP, ramp_colours
    from rankscape.studies.ranking.scoring.artifacts import SCORES

    scores = read_table(made.file(SCORES, granule=made.names["current"][0]))["score"].to_numpy()
    shown = np.array(visit.colours()[0]).reshape(-1, 4)
    ramp = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in ramp_colours(RAMP)])
    known = np.isfinite(scores)
    assert (shown[known, :3] == ramp[np.rint(scores[known] * 63).astype(int)]).mean() > 0.95
    assert (shown[known, 3] == 255).all()
    assert (shown[~known, 3] == 0).all()


def test_a_click_tells_of_the_patch(visit: Visit) -> None:
    visit.page.locator("#map-canvas").click(position={"x": 200, "y": 200})
    heading = visit.page.text_content("#map-panel h3") or ""
    patch = re.fullmatch(r"Patch (03T\w{2}_\d+_\d+)", heading)
    assert patch
    assert visit.state()["chosen"] == patch[1]
    text = visit.page.text_content("#map-panel") or ""
    for word in ("Score", "±", "about 95 %", "Cluster", "level", "Night lights (nW)", "Change, 2016 to 2019", "°"):
        assert word in text
    visit.page.wait_for_selector("#map-panel .images canvas")
    drawn = visit.page.evaluate(
        """() => { const canvas = document.querySelector('#map-panel canvas');
        return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]; }"""
    )
    assert len(set(drawn)) > 3, "the patch's own pixels"


def test_what_the_network_responded_to_is_shown_or_said_to_be_missing(visit: Visit) -> None:
    texts = []
    for x in range(150, 420, 20):
        visit.page.locator("#map-canvas").click(position={"x": x, "y": 220})
        visit.page.wait_for_timeout(80)
        texts.append(visit.page.text_content("#map-panel .images") or "")
    assert any("Occlusion: orange raised the score" in text for text in texts)
    assert any("Occlusion: none of this patch. Only some were covered." in text for text in texts)


def test_the_map_by_keyboard_alone(visit: Visit) -> None:
    visit.page.focus("#map-canvas")
    before = visit.state()
    visit.press("ArrowRight", "ArrowDown")
    moved = visit.state()
    assert moved["center"]["lng"] > before["center"]["lng"]
    assert moved["center"]["lat"] < before["center"]["lat"]
    visit.press("+")
    assert visit.state()["zoom"] > moved["zoom"]
    visit.press("-", "Home")
    assert visit.state()["zoom"] == pytest.approx(before["zoom"])
    visit.press("Enter")
    assert visit.state()["chosen"]
    assert (visit.page.text_content("#map-panel h3") or "").endswith(visit.state()["chosen"])
    visit.press("Escape")
    assert visit.state()["chosen"] is None
    visit.page.focus("input[name='map-layer'][value='score']")
    visit.press("ArrowDown")
    assert visit.state()["layer"] == "uncertainty"
    visit.page.focus("#map-opacity")
    visit.press("ArrowLeft", "ArrowLeft")
    assert visit.page.evaluate("document.querySelector('.leaflet-values-pane').style.opacity") == "0.7"


def test_districts_lie_on_the_map_and_their_borders_can_be_hidden(visit: Visit) -> None:
    assert visit.page.locator("path.district").count() == 3
    visit.page.check("input[value='districts']")
    fills = visit.page.eval_on_selector_all("path.district", "all => all.map((p) => p.getAttribute('fill-opacity'))")
    assert sorted(fills) == ["0", "0.8", "0.8"], "a district without a score stays without colour"
    visit.page.check("input[value='score']")
    visit.page.uncheck("#map-borders")
    assert visit.page.locator("path.district").count() == 0


def test_fits_a_telephone(browser: Browser, made: Region) -> None:
    with Visit(browser, made.page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
        box = visit.page.locator("#map-canvas").bounding_box()
        assert box is not None
        assert box["width"] > 340
        visit.page.locator("#map-canvas").scroll_into_view_if_needed()
        visit.page.locator("#map-canvas").tap(position={"x": 150, "y": 150})
        assert visit.state()["chosen"]


def test_without_scripts_the_map_is_an_image(browser: Browser, made: Region) -> None:
    with Visit(browser, made.page, java_script_enabled=False) as visit:
        assert visit.page.locator("#map-static img").is_visible()
        assert not visit.page.locator("#map-app").is_visible()


def test_prints_the_still_map(visit: Visit) -> None:
    visit.page.emulate_media(media="print")
    assert visit.page.locator("#map-static img").is_visible()
    assert not visit.page.locator("#map-app").is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_no_fault(browser: Browser, made: Region, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    screen = {"width": width, "height": 860}
    with Visit(browser, made.page, color_scheme=scheme, viewport=screen, bypass_csp=True) as visit:
        visit.page.locator("#map-canvas").click(position={"x": 200, "y": 200})
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = axe.Axe().run(visit.page).response
        assert len(found["passes"]) > 20, "axe looked at the page"
        assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]] == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_no_fault_on_the_page_over_all_studies(
    browser: Browser, made: Region, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    screen = {"width": width, "height": 860}
    with Visit(browser, made.index, color_scheme=scheme, viewport=screen, bypass_csp=True) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = axe.Axe().run(visit.page).response
        assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in found["violations"]] == []


def test_the_first_screen_answers_and_the_rest_is_folded(browser: Browser, made: Region) -> None:
    with Visit(browser, made.page, viewport={"width": 1300, "height": 900}) as visit:
        for part in ("#figures dd", "#map-canvas"):
            box = visit.page.locator(part).first.bounding_box()
            assert box is not None
            assert box["y"] + min(box["height"], 300) < 900
        assert visit.page.evaluate("document.documentElement.scrollHeight") < 6000


def test_tables_fit_at_1300_pixels(browser: Browser, made: Region) -> None:
    with Visit(browser, made.page, viewport={"width": 1300, "height": 900}) as visit:
        visit.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        wide = """() => [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth + 1)
            .map((one) => one.getAttribute('aria-label'))"""
        assert visit.page.evaluate(wide) == []


def test_a_link_opens_the_section_that_it_leads_to(visit: Visit) -> None:
    assert not visit.page.locator("#methods").is_visible()
    visit.page.click("nav a[href='#methods']")
    visit.page.wait_for_timeout(200)
    assert visit.page.locator("#methods").is_visible()
