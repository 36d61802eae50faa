"""Units with features of their own beside the embedding of their place."""

import json

import numpy as np
import pandas as pd
import pytest
from rankscape.evaluation.regression import r2
from rankscape.learning.folds import group_folds, random_folds
from rankscape.learning.nested_ridge import fit_nested
from rankscape.samples.patches import read_index
from rankscape.spatial.geometry import WGS84
from rankscape.studies.embeddings.artifacts import UNIT_PREDICTIONS, UNITS
from rankscape.studies.embeddings.unit_tables import interactions

COLUMNS = {"label": "price", "features": ["size", "floor"], "group": "facility", "place": "facility", "year": "year"}
GROUPS, EACH = 30, 8


class Storage:
    """Units of facilities: a table, a table of embeddings, and the verb."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run
        chance = np.random.default_rng(5)
        group = np.repeat(np.arange(GROUPS), EACH)
        self.vectors = chance.normal(size=(GROUPS, 4))
        self.table = pd.DataFrame({
            "facility": [f"f{one:02d}" for one in group], "size": chance.normal(size=len(group)),
            "floor": chance.normal(size=len(group)), "year": 2010 + np.tile(np.arange(EACH), GROUPS) % 4,
        })  # fmt: skip
        self.noise = 0.3 * chance.normal(size=len(group))
        self.group, self.settings = group, dict(COLUMNS)
        self.set_price(lambda x, e: 3 * x + e[:, 0])

    def set_price(self, of):
        self.table["price"] = of(self.table["size"].to_numpy(), self.vectors[self.group]) + self.noise

    def write(self):
        places = pd.DataFrame(self.vectors, columns=[f"e{one}" for one in range(self.vectors.shape[1])])
        places.insert(0, "facility", [f"f{one:02d}" for one in range(len(places))])
        places.to_parquet(self.folder / "look.parquet", index=False)
        self.table.to_csv(self.folder / "storage.csv", index=False)

    def units(self, *, write=True, features=None, **settings):
        if write:
            self.write()
        return self.run(
            "embeddings", "units", "--settings", json.dumps({"draws": 100, **settings}),
            "--units-settings", json.dumps(self.settings), "--units", self.folder / "storage.csv",
            "--features", *(features or [self.folder / "look.parquet"]), "--out", self.folder / "out/storage.json",
        )  # fmt: skip

    def result(self):
        return UNITS.read(self.folder / "out/storage.json")


@pytest.fixture
def storage(tmp_path, run):
    return Storage(tmp_path, run)


def test_units_embeddings_and_both_in_and_out_of_known_groups(storage):
    assert storage.units() == 0
    found = storage.result()
    assert set(found.fits) == {"units", "look", "units+look", "units*look"}
    assert all(set(splits) == {"inside", "years", "outside"} for splits in found.fits.values())
    fits = {model: splits["outside"] for model, splits in found.fits.items()}
    assert fits["units"].r2 < 0.95 < fits["units+look"].r2
    assert fits["look"].r2 < 0.3
    assert {len(one) for one in fits["units+look"].penalties} == {2}, "a penalty for each block"
    by = {(one.first, one.second, one.split): one for one in found.differences}
    assert by["units+look", "units", "outside"].interval[0] > 0
    low, high = by["units*look", "units+look", "outside"].interval
    assert low <= 0 <= high, "coefficients are the same everywhere"
    assert (found.rows, found.groups, found.embeddings) == (GROUPS * EACH, GROUPS, {"look": 4})
    table = UNIT_PREDICTIONS.read(storage.folder / "out/storage.parquet")
    assert len(table) == 3 * 4 * GROUPS * EACH
    own = table[(table["model"] == "units") & (table["split"] == "outside")]
    assert r2(own["label"].to_numpy(), own["prediction"].to_numpy()) == pytest.approx(fits["units"].r2)
    first = (storage.folder / "out/storage.json").read_bytes()
    assert storage.units() == 0
    assert (storage.folder / "out/storage.json").read_bytes() == first


def test_a_name_tag_is_worth_something_inside_alone(storage):
    tag = np.random.default_rng(0).normal(size=GROUPS)[storage.group]  # nothing that an embedding tells
    storage.vectors = np.eye(GROUPS)
    storage.set_price(lambda x, _: x + 2 * tag)
    assert storage.units() == 0
    fits = storage.result().fits["look"]
    assert fits["outside"].r2 < 0.02
    assert fits["inside"].r2 > 0.1, "a tag helps inside, although penalties are chosen by whole groups"


def test_an_embedding_can_predict_coefficients(storage):
    storage.set_price(lambda x, e: 3 * x * e[:, 1])
    assert storage.units() == 0
    found = storage.result()
    assert found.fits["units+look"]["outside"].r2 < 0.3
    assert found.fits["units*look"]["outside"].r2 > 0.9
    pair = next(one for one in found.differences if one.first == "units*look" and one.split == "outside")
    assert pair.interval[0] > 0.3


def test_interactions_are_linear_in_the_embedding():
    chance = np.random.default_rng(2)
    e, x = chance.normal(size=(5, 3))[np.arange(40) % 5], chance.normal(size=(40, 2))
    train = np.arange(40) < 30
    found = interactions(x, e, train, 8)
    assert found.shape == (40, 2 * 3), "no more components than the embedding has"
    assert interactions(x, e, train, 1).shape == (40, 2)
    coefficients = x[:, :1] * (e @ np.array([1.0, -2.0, 0.5]))[:, None]
    columns = np.column_stack([np.ones(40), x, e, found])
    left = coefficients - columns @ np.linalg.lstsq(columns, coefficients, rcond=None)[0]
    assert np.abs(left).max() < 1e-9
    moved = interactions(x, np.where(train[:, None], e, e + 7), train, 8)
    assert np.allclose(moved[train], found[train]), "nothing is learned from rows that are held out"


def test_more_columns_than_units_work_and_rows_are_accounted_for(storage):
    storage.table = storage.table[storage.group < 8].copy()
    storage.table.loc[0:1, "price"] = np.nan
    storage.table.loc[2, "size"] = np.nan
    storage.vectors = np.random.default_rng(1).normal(size=(7, 100))
    assert storage.units() == 0
    found = storage.result()
    assert (found.rows, found.unlabelled, found.without_features, found.without_embedding) == (64, 2, 1, 8)
    assert any("1 units lack a feature" in text for text in found.warnings)
    assert any("8 units lie at places without an embedding" in text for text in found.warnings)
    assert found.fits["units+look"]["outside"].n == 53


def test_years_of_a_unit_share_a_fold(storage):
    storage.table["room"] = np.arange(len(storage.table)) // 2
    storage.settings["unit"] = "room"
    assert storage.units() == 0
    inside = storage.result().fits["units"]["inside"]
    assert inside.n == len(storage.table)
    storage.table.loc[1, "year"] = storage.table.loc[0, "year"]
    assert storage.units() == 2


def test_units_at_coordinates_take_the_patch_around_them(region, tmp_path):
    assert region.fit("rcf") == region.embed("rcf") == 0
    parts = [read_index(path) for path in region.indices]
    usable = pd.concat([part[part["usable"]].to_crs(WGS84) for part in parts], ignore_index=True)
    centres = usable.geometry.representative_point()
    chance = np.random.default_rng(3)
    table = pd.DataFrame({
        "facility": usable["granule"] + "-" + pd.Series(np.arange(len(usable)) % 7).astype(str),
        "size": chance.normal(size=len(usable)), "east": centres.x, "north": centres.y,
    })  # fmt: skip
    table["price"] = table["size"] + chance.normal(size=len(table))
    table = pd.concat([table, table.iloc[:5].assign(north=0.0)])  # nowhere near a patch
    table.to_csv(tmp_path / "units.csv", index=False)
    settings = {"label": "price", "features": ["size"], "group": "facility", "longitude": "east", "latitude": "north"}

    features = [tmp_path / f"features/rcf/{one.stem}.npy" for one in region.patches]

    def call(path):
        return region.run(
            "embeddings", "units", "--units-settings", json.dumps(settings), "--units", path,
            "--indices", *region.indices, "--features", *features,
            "--settings", '{"draws": 100}', "--out", tmp_path / "units/units.json",
        )  # fmt: skip

    assert call(tmp_path / "units.csv") == 0
    found = UNITS.read(tmp_path / "units/units.json")
    assert (found.rows, found.without_embedding, found.embeddings) == (len(usable) + 5, 5, {"rcf": 32})
    assert set(found.fits["units+rcf"]) == {"inside", "outside"}
    table.assign(east=table["north"], north=table["east"]).to_csv(tmp_path / "swapped.csv", index=False)
    assert call(tmp_path / "swapped.csv") == 2


def broken(column, value, row=3):
    def change(storage):
        storage.table = storage.table.astype({column: object})
        storage.table.loc[row, column] = value

    return change


def setting(**values):
    return lambda storage: storage.settings.update(values)


def few_groups(storage):
    storage.table = storage.table[storage.group < 3]


def other_keys(storage):
    storage.table["facility"] = storage.table["facility"].str.upper()


def twice(storage):
    storage.vectors = np.vstack([storage.vectors, storage.vectors[:1]])
    storage.write()
    places = pd.read_parquet(storage.folder / "look.parquet")
    places.loc[GROUPS, "facility"] = "f00"
    places.to_parquet(storage.folder / "look.parquet", index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken("price", np.nan, slice(None)), "'price': no place has a label"),
        (broken("price", 4.0, slice(None)), "'price': all 240 labels are 4"),
        (broken("price", "cheap"), "'price' of line 5 is 'cheap', which is no number"),
        (broken("price", "inf"), "'price' of line 5 is 'inf'"),
        (setting(transform="log"), "values have no log, -"),
        (broken("size", "wide"), "'size' of line 5 is 'wide'"),
        (broken("size", np.nan, slice(None)), "the feature 'size' is empty in every row"),
        (broken("facility", None), "1 units without group, line 5 for one"),
        (setting(year="vintage"), "vintage"),
        (broken("year", None), "1 units without year, line 5 for one"),
        (setting(unit="facility"), "unit 'f00' of 2010 comes twice, again in line 6"),
        (few_groups, "units lie in 3 groups; 4 are needed"),
        (other_keys, "differ by capitals"),
        (setting(place=None), "a unit without place: give `longitude` and `latitude`, or `place`"),
        (setting(longitude="east"), "longitude and latitude go together"),
        (setting(place="size"), "has no column 'size'"),
        (setting(features=["size", "price"]), "label = 'price' is among the features"),
        (setting(features=[]), "features"),
    ],
)
def test_units_that_cannot_be_used_are_refused(storage, capsys, change, message):
    change(storage)
    assert storage.units() == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (storage.folder / "out").exists()


def test_files_that_do_not_fit_are_refused(storage, capsys):
    twice(storage)
    assert storage.units(write=False) == 2
    assert "facility 'f00' stands in two rows" in capsys.readouterr().err
    storage.write()
    other = storage.folder / "features/rcf/03TVF.npy"
    assert storage.units(features=[other]) == 2
    assert "need units with `longitude` and `latitude`" in capsys.readouterr().err
    assert storage.units(penalties=[0.0]) == 2
    assert "penalties" in capsys.readouterr().err


def test_a_penalty_at_the_end_of_the_grid_is_said_of_units(storage):
    assert storage.units(penalties=[1e3, 1e4]) == 0
    assert any("the smallest or largest penalty was the best" in text for text in storage.result().warnings)


@pytest.mark.shared
def test_maize_of_districts_is_predicted_as_published_here(shared):
    """Climate, the district's mean NDVI, both: R² over random rows, years and districts (docs/embeddings.md)."""
    table = pd.read_csv(shared / "data/embeddings/zambia/yield_climate.csv").dropna(subset="yield_mt")
    climate = table.filter(regex="^(pre|tmp)_").to_numpy()
    ndvi = table.groupby("district")[list(table.filter(like="ndvi_"))].transform("mean").to_numpy()
    label, chance = np.log1p(table["yield_mt"].to_numpy()), np.random.default_rng(0)
    folds = {
        "random": random_folds(len(table), chance),
        "year": group_folds(table["year"].to_numpy(), chance, 13),
        "district": group_folds(table["district"].to_numpy(), chance, 18),
    }
    wanted = {"climate": (0.56, 0.36, 0.54), "both": (0.61, 0.41, 0.61), "ndvi": (0.31, 0.27, -0.09)}
    blocks = {"climate": climate, "both": np.hstack([climate, ndvi]), "ndvi": ndvi}
    for name, values in wanted.items():
        for split, value in zip(folds, values, strict=True):
            (fit,) = fit_nested(blocks[name], label[:, None], folds[split])
            assert r2(label, fit.predicted) == pytest.approx(value, abs=0.031), (name, split)
