"""How large the report's page of a large region is, and how soon it can be seen; prints a table.

`.venv/bin/python benchmarks/page.py` (some two minutes; needs Chromium)

A synthetic region of 60 granules of 1,024 patches of 32 px with two references, districts, change and, in each patch,
5 x 5 places that the network responded to. Its images are noise on squares, which packs worse than land does. The
page is opened from disk in headless Chromium, each time in a browser that has never seen it; first paint is the
browser's own measure, and the map is ready when a patch can be chosen. The first row is the same page without
`report.imagery_mb`, the second with the default.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import find_browser  # noqa: E402
from rankscape.__main__ import main as rankscape  # noqa: E402

from tests.unit.studies.ranking.page.conftest import Region, make_region  # noqa: E402
from tests.unit.studies.ranking.page.synthetic_products import add_change, add_districts, add_responses  # noqa: E402


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--granules", type=int, default=60)
    parser.add_argument("--openings", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        region = synthetic(Path(place), given.granules)
        print("| images | written in, s | page, MB | first paint, ms | slowest | map ready, ms |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, imagery_mb in (("none", 0.0), ("8 MB", 8.0)):
            start = time.perf_counter()
            with contextlib.suppress(SystemExit):
                rankscape(region.arguments(imagery_mb=imagery_mb))
            taken = time.perf_counter() - start
            size_mb = region.page.stat().st_size / 1e6
            paints, ready = opened(region.page, given.openings)
            cells = f"{name} | {taken:.0f} | {size_mb:.1f} | {median(paints):.0f} | {max(paints):.0f}"
            print(f"| {cells} | {median(ready):.0f} |", flush=True)


def synthetic(folder: Path, granules: int) -> Region:
    """The region, with districts, change and responses."""
    names = tuple(f"48R{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(granules))
    references = {"lights": {"title": "Night lights (nW)"}, "population": {"title": "Population"}}
    region = make_region(folder, granules=names, side=32, patch_px=32, references=references)
    add_districts(region)
    add_change(region)
    add_responses(region, 5)
    return region


def opened(page: Path, openings: int) -> tuple[Sequence[float], Sequence[float]]:
    """First paint and the time until the map can be used, in milliseconds, of each opening."""
    paints, ready = [], []
    with sync_playwright() as playwright:
        for _ in range(openings):
            browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
            window = browser.new_page(viewport={"width": 1280, "height": 860})
            start = time.perf_counter()
            window.goto(page.as_uri(), wait_until="commit")
            window.wait_for_selector("#map-app[data-ready]", timeout=60_000)
            ready.append(1000 * (time.perf_counter() - start))
            paints.append(window.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            browser.close()
    return paints, ready


if __name__ == "__main__":
    main()
