import importlib.metadata

from rankscape.foundation import version


def test_the_version_is_the_installed_one():
    assert version.package_version() == importlib.metadata.version("rankscape")


def test_a_folder_that_was_never_installed_has_no_version(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert version.package_version() == "unknown"
