"""What reruns in the study of embeddings: what is added brings its own jobs, and what follows from them."""

import pytest
from workflow_copy import Project

DEMO = "config/embeddings-demo.yaml"
ARGUMENTS = ("--configfile", DEMO)
TASKS = ("built", "farmed", "invisible", "people", "roads", "smooth", "water")
SETS = ("convolutions", "statistics", "both", "coordinates", "smoothing")
GRANULES = ("03TVG", "03TWG", "03TXG", "03TVF", "03TWF", "03TXF")
PAGES = {"report report/index.html", "publish catalog.json"}


def downstream(tasks, sets):
    return {f"downstream embeddings/downstream/{task}/{name}.json" for task in tasks for name in sets}


def contrasts(tasks):
    return {f"contrast embeddings/contrasts/{task}.json" for task in tasks}


@pytest.fixture
def made(fresh: Project) -> Project:
    """The demo of the study with every file made."""
    fresh.pretend(*ARGUMENTS)
    assert fresh.planned(*ARGUMENTS) == set()
    return fresh


def test_each_change_reruns_its_own_jobs_and_what_follows(made: Project) -> None:
    made.configure(DEMO, embeddings={"tasks": {"wet": {"reference": "water", "transform": "log1p"}}})
    own = {"label embeddings/labels/wet.parquet"} | downstream(["wet"], SETS) | contrasts(["wet"])
    assert made.planned(*ARGUMENTS) == own | PAGES

    made.configure(DEMO, embeddings={"tasks": {"wet": {"reference": "water", "lowest": 0.0}}})
    made.pretend(*ARGUMENTS)
    made.configure(DEMO, embeddings={"embedders": {"wide": {"architecture": "random-convolutions-7px-32"}}})
    new = {"fit embeddings/models/wide.safetensors"}
    new |= {f"embed embeddings/features/wide/{granule}.npy" for granule in GRANULES}
    every = [*TASKS, "wet"]
    assert made.planned(*ARGUMENTS) == new | downstream(every, ["wide"]) | contrasts(every) | PAGES


def test_the_bootstrap_makes_no_embedding_again(made: Project) -> None:
    made.configure(DEMO, embeddings={"downstream": {"draws": 200}})
    assert made.planned(*ARGUMENTS) == downstream(TASKS, SETS) | contrasts(TASKS) | PAGES
