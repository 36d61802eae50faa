"""The invented region of the page, as runs that are compared."""

from ..page.conftest import region, run

__all__ = ["region", "run"]
