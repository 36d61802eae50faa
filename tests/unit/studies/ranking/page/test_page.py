"""The page as a reader, a browser and an archive meet it."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from rankscape.studies.ranking.clusters.artifacts import SUMMARY
from rankscape.studies.ranking.judges.artifacts import ROUND
from rankscape.studies.ranking.orders.artifacts import PERSON_ORDER

VOID = {"meta", "link", "img", "br", "hr", "input", "source"}


class Checker(HTMLParser):
    """Checks nesting and collects what a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"attribute twice in {tag}: {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_says_all_that_it_should(page):
    text = Checker(page).text
    headings = (
        "The map", "How to read and use the map", "Key figures", "How far to trust it", "The order of the clusters",
        "Clusters from least to most developed", "Who ranked the clusters", "How many clusters",
        "How the score was learned", "Uncertainty", "What the score is, and what it is not", "How to cite",
        "Settings and versions", "The cost of the run",
    )  # fmt: skip
    for heading in headings:
        assert heading in text
    assert "Development map of Synthetic Land" in text
    assert "synthetic-land" in text
    assert "Spearman with Night lights (nW) 0.86" in text
    assert "gradient of brightness reaches 0.60" in text
    assert "Patches scored 107 of 108 cut" in text
    assert "Granules 3 2 learned from, 1 only scored" in text
    assert "Effective orders 5.0" in text


def test_opens_without_network_and_runs_its_own_scripts_alone(page):
    checker = Checker(page)
    assert [script.get("type") for script in checker.all("script")] == ["application/json", None, None]
    assert not any("src" in script for script in checker.all("script"))
    for tag, attributes in checker.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")) or value == "index.html", (tag, name, value)
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page
    policy = next(m for m in checker.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    wanted = f"default-src 'none'; img-src data:; script-src {allowed}; style-src 'unsafe-inline'"
    assert policy["content"] == wanted


def test_ids_are_unique_and_links_lead_somewhere(page):
    checker = Checker(page)
    ids = [attributes["id"] for _, attributes in checker.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in checker.all("a") if a["href"] != "index.html"] + re.findall(
        r"url\(#([^)]+)\)", page.partition('id="map-data"')[0]
    )
    targets += [u["href"][1:] for u in checker.all("use")]
    labelled = [a.get("aria-labelledby", "").split() for _, a in checker.tags if a.get("aria-labelledby")]
    assert set(targets) | {name for names in labelled for name in names} <= set(ids)


def test_can_be_read_without_seeing_it(page):
    checker = Checker(page)
    assert checker.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in checker.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-labelledby") for svg in checker.all("svg"))
    assert all(cell.get("scope") in ("col", "row", "colgroup") for cell in checker.all("th"))
    assert len(checker.all("caption")) == len(checker.all("table"))
    levels = [int(tag[1]) for tag, _ in checker.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 2 for before, after in pairwise(levels))


def test_names_the_truth_and_the_stand_in(page):
    text = Checker(page).text
    assert "Synthetic region." in text
    assert "known truth of a synthetic region" in text
    assert text.index("Against the known truth of the synthetic region") > text.index("A pixel statistic does as well")
    assert "2 of 6 orders come from a stand-in, no vision model" in text
    assert text.count("stand-in, no vision model") == 2
    assert "this reference also voted on the order" in text
    assert "A pixel statistic does as well" in text


def test_lists_every_cluster_from_poor_to_rich(page):
    checker = Checker(page)
    shown = [a["aria-label"] for a in checker.all("article") if a.get("class") == "cluster"]
    assert sorted(shown) == [f"Cluster {c}" for c in range(7)]
    assert shown[0] == "Cluster 6"
    levels = [int(level) for level in re.findall(r"Level (\d) of 5", checker.text)]
    assert levels == sorted(levels, reverse=True)
    assert len(levels) == 7
    pictures = [image for image in checker.all("img") if image.get("class") == "crisp"]
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in pictures)
    assert len(pictures) > 7


def test_a_region_without_coordinates_has_a_page_without_a_map(region, run):
    made = region(references={}, granules=("towns",))
    made.names["located"] = []
    status, said = run(made.arguments())
    assert status == 0, said
    page = Checker(made.page.read_text(encoding="utf-8"))
    ids = {attributes["id"] for _, attributes in page.tags if attributes.get("id")}
    targets = {str(link["href"])[1:] for link in page.all("a") if str(link["href"]).startswith("#")}
    assert "map" not in ids
    assert not page.all("script")
    assert targets <= ids
    assert "Nobody knows where these patches are" in page.text
    assert "there is no map" in page.text


def test_carries_its_provenance(page):
    content = next(m["content"] for m in Checker(page).all("meta") if m.get("name") == "rankscape")
    record = json.loads(content)
    assert record["stage"] == "report"
    inputs = {"order.json", "rounds/seer/expert/1.json", "evaluation/truth.json", "evaluation/truth.parquet"}
    assert {"samples/seasons/03TUF.parquet", *(f"ranking/{name}" for name in inputs)} <= set(record["inputs"])
    text = Checker(page).text
    for stage in (
        "cluster",
        "rate",
        "import-order",
        "order-from-reference",
        "ensemble",
        "train",
        "predict",
        "evaluate",
        "report",
    ):
        assert stage in text
    assert "cluster_key: 1" in html.unescape(page)


def test_what_people_wrote_does_not_run(region, run):
    evil = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
    made = region(references={"lights": {"title": evil}}, granules=("03TUF",), rounds=1)
    made.change(PERSON_ORDER, {"annotator": "ada"}, text=evil, levels=None)
    summary = made.document(SUMMARY)
    for entry in summary["clusters"]:
        entry["category"] = evil
    summary["categories"] = {evil: {"k": 2, "silhouettes": {"2": 0.1, "3": 0.2}}}
    made.change(SUMMARY, **summary)
    first = {"judge": "seer", "prompt": "expert", "round": "1"}
    rounds = made.document(ROUND, **first)
    rounds["questions"][0]["replies"] = [{"text": evil, "answer": None, "missing": evil}]
    made.change(ROUND, first, **rounds)
    assert run(made.arguments(title=evil, note=evil))[0] == 0
    checker = Checker(made.page.read_text())
    assert len(checker.all("script")) == 3, "the page's own"
    assert all("onerror" not in attributes for _, attributes in checker.tags)
    assert all(image["src"].startswith("data:") for image in checker.all("img"))
    assert evil in checker.text


def test_same_inputs_give_the_same_bytes(region, run):
    made = region(granules=("03TUF", "03TVF"))
    assert run(made.arguments())[0] == 0
    first = made.page.read_bytes()
    made.page.unlink()
    assert run(made.arguments())[0] == 0
    assert made.page.read_bytes() == first
    assert run(made.arguments(seed=1))[0] == 0
    assert made.page.read_bytes() != first


def test_large_patches_of_reflectance_stay_small(region, run):
    made = region(patch_px=200, side=2, granules=("03TUF",), floats=True, references={})
    assert run(made.arguments())[0] == 0
    pictures = [i for i in Checker(made.page.read_text()).all("img") if (i.get("alt") or "").startswith("Patch")]
    assert pictures
    assert all(picture["src"].startswith("data:image/jpeg") for picture in pictures)
    assert made.page.stat().st_size < 1_000_000


@pytest.mark.parametrize("count", [3, 17])
def test_shows_as_many_samples_as_asked(region, run, count):
    made = region(per_category={"urban": 1}, levels=1, granules=("03TUF",), references={}, uninhabited=False)
    assert run(made.arguments(samples_per_cluster=count, uncertain_patches=0))[0] == 0
    assert len([i for i in Checker(made.page.read_text()).all("img") if "crisp" in (i.get("class") or "")]) == count
