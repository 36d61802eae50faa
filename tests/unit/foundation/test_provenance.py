import hashlib

from rankscape.foundation.checkout import package_version
from rankscape.foundation.code_version import code_version
from rankscape.foundation.files import sha256
from rankscape.foundation.provenance import KEY, provenance
from rankscape.studies.ranking.clusters.settings import ClusterSettings


def test_the_record_names_package_code_settings_inputs_seed_and_backend(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    settings = ClusterSettings()
    record = provenance("ranking contact-sheets", settings, {"clusters": tmp_path / "a"}, seed=3)
    assert record == {
        "package": package_version(),
        "stage": "ranking contact-sheets",
        "code": code_version("rankscape.studies.ranking.stages.contact_sheets"),
        "settings": settings.model_dump(mode="json"),
        "settings_sha256": hashlib.sha256(settings.canonical().encode()).hexdigest(),
        "inputs": {"clusters": sha256(tmp_path / "a")},
        "seed": 3,
        "backend": "cpu",
    }
    assert record == provenance("ranking contact-sheets", ClusterSettings(), {"clusters": tmp_path / "a"}, seed=3)
    assert KEY == "rankscape"


def test_other_settings_and_inputs_give_another_record(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    first = provenance("ranking contact-sheets", ClusterSettings(), {"clusters": tmp_path / "a"})
    assert (
        provenance("ranking contact-sheets", ClusterSettings(seed=1), {"clusters": tmp_path / "a"})["settings"]
        != first["settings"]
    )
    (tmp_path / "a").write_bytes(b"b")
    assert provenance("ranking contact-sheets", None, {"clusters": tmp_path / "a"})["inputs"] != first["inputs"]


def test_a_folder_counts_by_names_and_contents(tmp_path):
    def record() -> str:
        return provenance("ranking contact-sheets", None, {"tiles": tmp_path / "folder"})["inputs"]["tiles"]

    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "1_2.png").write_bytes(b"x")
    first = record()
    assert record() == first
    (tmp_path / "folder" / "deep" / "1_2.png").rename(tmp_path / "folder" / "deep" / "1_3.png")
    moved = record()
    (tmp_path / "folder" / "deep" / "1_3.png").write_bytes(b"y")
    assert len({first, moved, record()}) == 3
