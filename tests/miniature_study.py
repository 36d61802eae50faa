"""A whole study in one folder, as anyone would add it: settings, a stage, a rule, a page, a synthetic sample."""

from pathlib import Path

import numpy as np
from PIL import Image

FILES = {
    "mini_study/__init__.py": '''"""How bright does a place look?"""

from rankscape.foundation.studies import Study

STUDY = Study(
    name="mini",
    title="Miniature",
    question="How bright does a place look?",
    verbs={"weigh": "mini_study.weigh"},
    settings="mini_study.settings:MiniSettings",
    sections="mini_study.page",
    artifacts="mini_study.artifacts",
)
''',
    "mini_study/settings.py": '''"""The section `mini`."""

from rankscape.stages.region import StudySettings

from mini_study.weigh import WeighSettings


class MiniSettings(StudySettings):
    """The miniature study."""

    weigh: WeighSettings = WeighSettings()
''',
    "mini_study/artifacts.py": '''"""Files of the miniature study."""

from rankscape.artifacts import Document, DocumentKeys


class WeightKeys(DocumentKeys):
    """How bright a granule is."""

    granule: str
    """Granule."""
    brightness: float
    """Mean of all pixels."""


WEIGHT = Document("mini/weights/{granule}.json", "mini weigh", "How bright a granule is", model=WeightKeys)
''',
    "mini_study/weigh.py": '''"""Measure how bright the patches of a granule are."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rankscape.foundation.progress import say
from rankscape.foundation.provenance import provenance
from rankscape.foundation.settings import Section
from rankscape.samples.patches import index_of, open_patches
from rankscape.stages.options import PatchArray, settings_of

from mini_study.artifacts import WEIGHT


class WeighSettings(Section):
    """How brightness is measured."""

    factor: float = 1.0
    """Brightness is multiplied by this."""


def weigh(
    *,
    settings: Annotated[str, settings_of(WeighSettings)],
    patches: PatchArray,
    out: Annotated[Path, Parameter(help="Document to write (JSON).")],
) -> None:
    """Measure how bright the patches of a granule are."""
    chosen = WeighSettings.from_text(settings, "mini.weigh")
    store = open_patches(patches)
    brightness = float(store.array.mean()) * chosen.factor
    record = provenance("mini weigh", chosen, {"patches": patches, "index": index_of(patches)})
    WEIGHT.write(out, {"granule": out.stem, "brightness": brightness}, record)
    say(f"{out.stem}: {brightness:.1f}")
''',
    "mini_study/page.py": '''"""The page of the miniature study."""

from markupsafe import Markup
from rankscape.foundation.package_files import assets
from rankscape.products.report.section_registry import KeyFigure, Overview, PageSection, Read
from rankscape.products.report.templates import fill

from mini_study.artifacts import WEIGHT

ASSETS = assets(__file__, "weights.html.j2")


def overview(run):
    """Key figures."""
    found = run.read_all(WEIGHT).values()
    return Overview((KeyFigure("Mean brightness", f"{sum(one.brightness for one in found) / len(found):.1f}"),))


def draw(run) -> Markup:
    """Draw the brightness of every granule."""
    return fill(ASSETS, "weights.html.j2", weights=run.read_all(WEIGHT))


READS = (Read("mini/weights/{granule}.json", "granules"),)
SECTIONS = (
    PageSection("figures", "Key figures", overview, READS, "overview"),
    PageSection("weights", "Brightness of granules", draw, READS, "open"),
)
''',
    "mini_study/weights.html.j2": """<ul>
{% for name, one in weights.items() %}
<li>{{ name }} has a brightness of {{ one.brightness|round(1) }}.</li>
{% endfor %}
</ul>
""",
    "mini_study/rules/mini.smk": """# In: patches of every granule. Out: how bright each granule is.

MINI_PATCHES = acquired(rules.tile.output.patches, CONFIG.acquisition(CONFIG.mini.acquisition, "mini.acquisition"))


rule mini_weigh:
    input:
        patches=MINI_PATCHES,
    output:
        weight="<results>/mini/weights/{granule}.json",
    log:
        "<logs>/mini_weigh/{granule}.log",
    benchmark:
        "<benchmarks>/mini_weigh/{granule}.tsv"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        settings=settings("mini.weigh"),
        code=code("mini weigh"),
    message:
        "Weighing granule {wildcards.granule}"
    shell:
        "python -m rankscape mini weigh --settings {params.settings:q} --patches {input.patches:q}"
        " --out {output.weight:q} > {log:q} 2>&1"


PAGE_NAMES["mini"] = {"granules": GRANULES}
TARGETS += expand(rules.mini_weigh.output.weight, granule=own(GRANULES))
add_names(granule=GRANULES)
PUBLISHED["mini"] = expand(rules.mini_weigh.output.weight, granule=GRANULES)
""",
    "mini-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: mini\nVersion: 0.1\n",
    "mini-0.1.dist-info/entry_points.txt": "[rankscape.studies]\nmini = mini_study:STUDY\n",
}
CONFIG = """
region: small
granules: small.tsv
studies: [mini]
tile: {patch_px: 32}
"""
TABLE = "granule\trole\ttiles\nnorth\tfit\ttiles/north\nsouth\tapply\ttiles/south\n"
GREY = {"north": 60, "south": 180}
"""Grey of the pixels of the synthetic tiles, by granule: the truth."""


def write_study(folder: Path) -> Path:
    """Write the study as an installed distribution; return the folder for `PYTHONPATH`."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def write_synthetic_region(folder: Path) -> None:
    """Write its synthetic region: two granules of four web-mercator tiles, whose brightness is known."""
    (folder / "small.yaml").write_text(CONFIG)
    (folder / "small.tsv").write_text(TABLE)
    for place, (name, grey) in enumerate(GREY.items()):
        (folder / "tiles" / name).mkdir(parents=True)
        for row, col in np.ndindex(2, 2):
            image = Image.fromarray(np.full((32, 32, 3), grey, np.uint8))
            image.save(folder / "tiles" / name / f"{6500 + 10 * place + row}_{13_000 + col}.png")
