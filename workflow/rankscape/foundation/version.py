"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Return the installed version of Rankscape, or `unknown` where it runs from a folder that was never installed."""
    try:
        return version("rankscape")
    except PackageNotFoundError:
        return "unknown"
