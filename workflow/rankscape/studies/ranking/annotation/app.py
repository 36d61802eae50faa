"""The annotation page's server: the page, its state, its images."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from rankscape.foundation.errors import OrderError
from rankscape.foundation.package_files import assets
from rankscape.foundation.progress import say
from rankscape.samples.rendering import PatchLookup
from rankscape.studies.ranking.annotation.document import AnnotationCard, explained
from rankscape.studies.ranking.annotation.serving import Guard
from rankscape.studies.ranking.annotation.session import OutdatedError, PageChange, Session

LEAST_PX = 96
"""Smaller patches are enlarged to at least this side, by a whole factor and without smoothing."""
ASSETS = assets(__file__, "page.html.j2", "page*.js", "page.css")
_TYPES = {".css": "text/css", ".js": "text/javascript"}


def create_app(session: Session, album: PatchLookup, token: str) -> ASGIApp:
    """Make the server of one annotator's page; everything lies below `/{token}/`.

    Args:
        session: The annotator's work.
        album: Images of all cards.
        token: Secret part of every address.
    """
    page = _Page(session, album)
    routes = [
        Route("/", page.html),
        Route("/state", page.state),
        Route("/state", page.change, methods=["PUT"]),
        Route("/finish", page.finish, methods=["POST"]),
        Route("/patch/{card:int}/{place:int}.png", page.patch),
        Route("/{name}", page.file),
    ]
    return Guard(Starlette(routes=routes), token)


def _answered(act: Callable[[Any, Request], Awaitable[Response]]) -> Callable[[Any, Request], Awaitable[Response]]:
    """Turn what the page did wrong into an answer that it can show."""

    async def answer(self: Any, request: Request) -> Response:
        try:
            return await act(self, request)
        except ValidationError as error:
            return JSONResponse({"error": explained(error)}, 422)
        except OutdatedError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (OrderError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 422)
        except OSError as error:
            say(f"Cannot save: {error}")
            return JSONResponse({"error": f"The server cannot save: {error.strerror}"}, 507)

    return answer


class _Page:
    def __init__(self, session: Session, album: PatchLookup) -> None:
        self.session = session
        self.album = album
        self.files = {name: ASSETS.path(name) for name in ASSETS.names() if Path(name).suffix in _TYPES}
        loader = FunctionLoader(ASSETS.text)
        self.template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
            "page.html.j2"
        )

    async def html(self, request: Request) -> Response:  # noqa: ARG002
        annotation = self.session.annotation
        return HTMLResponse(self.template.render(region=annotation.region, annotator=annotation.annotator))

    async def file(self, request: Request) -> Response:
        path = self.files.get(request.path_params["name"])
        return Response(status_code=404) if path is None else FileResponse(path, media_type=_TYPES[path.suffix])

    async def state(self, request: Request) -> Response:  # noqa: ARG002
        annotation = self.session.annotation
        facts = {one.cluster: one for one in annotation.clusters}
        several = len({one.category for one in annotation.clusters}) > 1
        cards = [_shown(card, facts[card.cluster], several) for card in annotation.cards]
        fixed = {
            "region": annotation.region,
            "annotator": annotation.annotator,
            "of": annotation.fingerprint[:12],
            "cards": cards,
        }
        return JSONResponse({**fixed, **self._now(), "seconds": annotation.seconds, "view": _view(annotation.view)})

    @_answered
    async def change(self, request: Request) -> Response:
        self.session.change(PageChange.model_validate_json(await request.body()))
        return JSONResponse(self._saved())

    @_answered
    async def finish(self, request: Request) -> Response:
        self.session.change(PageChange.model_validate_json(await request.body()))
        self.session.finish(self.session.annotation.window, self.session.annotation.revision)
        say(f"Finished: {self.session.path}")
        return JSONResponse({**self._now(), "text": (self.session.annotation.result or {})["order"]["text"]})

    async def patch(self, request: Request) -> Response:
        number, place = request.path_params["card"], request.path_params["place"]
        card = next((card for card in self.session.annotation.cards if card.card == number), None)
        if card is None or place >= len(card.patches):
            return Response(status_code=404)
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(self.album.png(card.patches[place], LEAST_PX), media_type="image/png", headers=headers)

    def _saved(self) -> dict[str, Any]:
        annotation = self.session.annotation
        found = [
            {"kind": one.kind, "cards": one.cards, "marks": one.marks, "text": one.text}
            for one in self.session.contradictions()
        ]
        return {"revision": annotation.revision, "finished": annotation.finished, "contradictions": found}

    def _now(self) -> dict[str, Any]:
        annotation = self.session.annotation
        arrangement = annotation.arrangement.model_dump(mode="json")
        return {**self._saved(), "arrangement": arrangement, "file": str(self.session.path)}


def _view(view: Any) -> dict[str, Any]:
    shown: dict[str, Any] = view.model_dump(mode="json")
    return shown


def _shown(card: AnnotationCard, facts: Any, several: bool) -> dict[str, Any]:
    """What the page knows of a card: neither its cluster nor an exact size, which would give the duplicate away."""
    return {
        "card": card.card,
        "category": facts.category if several else None,
        "size": about(facts.size),
        "patches": len(card.patches),
        "seen": card.seen,
    }


def about(size: int) -> str:
    """Say a number of patches roughly, to one digit."""
    if size < 10:
        return "< 10"
    step = 10 ** math.floor(math.log10(size))
    return f"≈ {round(size / step) * step:,}"
