"""The page's server: its state, its pictures, and whom it refuses."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rankscape.__main__ import main
from rankscape.foundation.errors import InputError, OrderError
from rankscape.foundation.files import read_json
from rankscape.samples.patches import open_patches
from rankscape.samples.rendering import PatchLookup
from rankscape.studies.ranking.annotation import session as sessions
from rankscape.studies.ranking.annotation.app import about, create_app
from rankscape.studies.ranking.annotation.serving import MOST_BODY_BYTES, Guard, listening, secret_of
from rankscape.studies.ranking.annotation.session import PageChange, Session
from starlette.testclient import TestClient

from .conftest import Place, arranged, body

TOKEN = "secret-secret-secret-secret"


@pytest.fixture
def session(place: Place) -> Session:
    return place.session()


@pytest.fixture
def client(place: Place, session: Session) -> TestClient:
    patches = [patch for card in session.annotation.cards for patch in card.patches]
    app = create_app(session, PatchLookup(map(open_patches, place.region().tiles), patches), TOKEN)
    return TestClient(app, base_url=f"http://127.0.0.1:8765/{TOKEN}/", follow_redirects=False)


LEVELS = [[0, 1], [2], [3, 5]]


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("")
    assert page.status_code == 200
    assert "<title>anna: how developed is valley?</title>" in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript"), ("page.store.js", "text/javascript")):
        assert name in page.text or name == "page.store.js"
        answer = client.get(name)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
    for name in ("app.py", "page.html.j2", "..%2Fapp.py", "nothing"):
        assert client.get(name).status_code == 404


def test_every_answer_forbids_what_the_page_does_not_need(client: TestClient) -> None:
    for answer in (client.get(""), client.get("nothing"), client.get("state"), client.get("http://evil.example/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.get("state").headers["cache-control"] == "no-store"


def test_the_state_does_not_give_the_duplicate_away(client: TestClient, session: Session) -> None:
    state = client.get("state").json()
    assert [card["card"] for card in state["cards"]] == list(range(1, 8))
    assert set(state["cards"][0]) == {"card", "category", "size", "patches", "seen"}
    assert "duplicate" not in client.get("state").text
    twice = next(card for card in session.annotation.cards if card.duplicate)
    shown = {card["card"]: card for card in state["cards"]}
    first = next(card.card for card in session.annotation.cards if card.cluster == twice.cluster)
    assert shown[first]["size"] == shown[twice.card]["size"] == "≈ 20"
    assert state["arrangement"]["deck"] == list(range(1, 8))
    assert state["arrangement"]["tiers"] == [[]] * 5
    assert (state["finished"], state["revision"], state["contradictions"]) == (False, 0, [])


@pytest.mark.parametrize(("size", "said"), [(3, "< 10"), (10, "≈ 10"), (149, "≈ 100"), (86_512, "≈ 90,000")])
def test_sizes_are_rough(size: int, said: str) -> None:
    assert about(size) == said


def test_one_category_is_not_shown(client: TestClient, session: Session) -> None:
    facts = tuple(one.model_copy(update={"category": "land"}) for one in session.annotation.clusters)
    session.annotation = session.annotation.changed(clusters=facts)
    assert {card["category"] for card in client.get("state").json()["cards"]} == {None}


def test_saving_and_contradictions(client: TestClient, session: Session) -> None:
    laid = arranged(session.annotation, LEVELS, (4,), marks=[(2, 0, "higher")])
    answer = client.put("state", json=body(session, laid))
    assert answer.status_code == 200
    assert answer.json()["revision"] == 1
    (found,) = answer.json()["contradictions"]
    assert found["kind"] == "tiers"
    assert found["marks"] == [[laid.marks[0].a, laid.marks[0].b]]
    state = client.get("state").json()
    assert state["arrangement"] == laid.model_dump(mode="json")
    assert state["contradictions"] == [found]


def test_finishing(client: TestClient, session: Session) -> None:
    laid = arranged(session.annotation, LEVELS, (4,))
    answer = client.post("finish", json=body(session, laid))
    assert answer.status_code == 200
    given = answer.json()
    assert given["finished"] is True
    assert given["text"] == "0=1\n3=5\n0>2\n2>3\n4"
    assert "duplicate" not in answer.text
    assert given["file"].endswith("anna.json")
    assert read_json(session.path)["finished"] is True
    assert client.put("state", json=body(session)).json()["finished"] is True


def test_finishing_too_early_keeps_what_was_sent(client: TestClient, session: Session) -> None:
    answer = client.post("finish", json=body(session, seconds=9))
    assert answer.status_code == 422
    assert "are not placed yet" in answer.json()["error"]
    assert session.annotation.seconds == 9
    assert not session.path.exists()


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"window": "a b"}, 422, "window: String should match"),
        ({"revision": -1}, 422, "revision"),
        ({"arrangement": {"deck": [1]}}, 422, "do not lie in exactly one place"),
        ({"extra": 1}, 422, "extra: Extra inputs"),
        ({"seconds": "NaN"}, 422, "seconds"),
        ({"revision": 7}, 409, "changed in another window"),
    ],
)
def test_changes_that_are_refused(
    client: TestClient, session: Session, values: dict[str, Any], status: int, said: str
) -> None:
    for method, address in (("PUT", "state"), ("POST", "finish")):
        answer = client.request(method, address, json={**body(session), **values})
        assert answer.status_code == status
        assert said in answer.json()["error"]
    assert session.annotation.revision == 0


def test_broken_json(client: TestClient) -> None:
    answer = client.put("state", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "Invalid JSON" in answer.json()["error"]


def test_a_disk_that_does_not_take_it(client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sessions, "write_annotation", fail)
    answer = client.put("state", json=body(session))
    assert answer.status_code == 507
    assert answer.json()["error"] == "The server cannot save: Permission denied"


def test_a_change_that_could_not_be_saved_can_be_sent_again(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = body(session, arranged(session.annotation, LEVELS, (4,)))
    with monkeypatch.context() as broken:
        broken.setattr(sessions, "write_annotation", lambda *args: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert client.put("state", json=sent).status_code == 507
    assert client.put("state", json=sent).status_code == 200
    assert sessions.draft_of(session.path).exists()


def test_pictures(client: TestClient) -> None:
    answer = client.get("patch/1/0.png?of=abc")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"].startswith("private")
    for address in ("patch/99/0.png", "patch/1/999.png", "patch/1/-1.png", "patch/x/0.png", "patch/1/0.jpg"):
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::1]:8765"])
def test_other_hosts_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("state", headers={"Host": host})
    assert answer.status_code == 421
    assert "anna" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234"])
def test_own_hosts_are_served_also_through_a_tunnel(client: TestClient, host: str) -> None:
    assert client.get("state", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/state", "/x/state", f"/{TOKEN}x/state", f"/{TOKEN[:-1]}/state", "/é/state"])
def test_the_secret_is_needed(client: TestClient, path: str) -> None:
    for method in ("GET", "PUT", "POST"):
        answer = client.request(method, f"http://127.0.0.1:8765{path}")
        assert answer.status_code == 404
        assert "use the address that rankscape ranking annotate printed" in answer.text


def test_the_address_without_its_last_slash(client: TestClient) -> None:
    answer = client.get(f"http://127.0.0.1:8765/{TOKEN}")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"/{TOKEN}/"


def test_forms_of_other_pages_are_refused(client: TestClient, session: Session) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.put("state", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415
    assert session.annotation.revision == 0
    assert client.delete("state").status_code == 405


def test_long_bodies_are_refused(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.put("state", content=b" " * (MOST_BODY_BYTES + 1), headers=headers).status_code == 413
    assert client.put("state", content=b"{}", headers={**headers, "Content-Length": "much"}).status_code == 413


def test_long_bodies_without_a_length_are_refused_while_they_come() -> None:
    sent: list[dict[str, Any]] = []
    pieces = 0

    async def receive() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * 65536, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def never(*args: object) -> None:
        raise AssertionError

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "PUT", "path": f"/{TOKEN}/state", "headers": headers}
    asyncio.run(Guard(never, TOKEN)(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 413
    assert pieces == MOST_BODY_BYTES // 65536 + 1


def test_other_protocols_get_nothing() -> None:
    called: list[object] = []

    async def note(*args: object) -> None:
        called.append(args)

    asyncio.run(Guard(note, TOKEN)({"type": "websocket"}, note, note))  # type: ignore[arg-type]
    assert called == []


@pytest.mark.parametrize(("number", "said"), [(13, "Port 80 of 127.0.0.1 is not for users: choose one above 1023")])
def test_ports_that_are_not_for_users(number: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("rankscape.studies.ranking.annotation.serving.socket.socket.bind", refuse)
    with pytest.raises(InputError, match=said), listening(80):
        pass


def test_other_faults_of_the_network_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("rankscape.studies.ranking.annotation.serving.socket.socket.bind", refuse)
    with pytest.raises(OSError, match="Cannot assign"), listening(80):
        pass


def test_a_secret_that_is_none_is_made_anew_and_kept(tmp_path: Path) -> None:
    (tmp_path / ".anna.secret").write_text("guess me")
    with secret_of("anna", tmp_path) as first:
        assert len(first) == 32
        with pytest.raises(OrderError, match="is being served already"), secret_of("anna", tmp_path):
            pass
        with secret_of("ben", tmp_path) as other:
            assert other != first
    with secret_of("anna", tmp_path) as again:
        assert again == first
    assert (tmp_path / ".anna.secret").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, place: Place) -> list[Any]:
    """Let `annotate` end at once; what it would serve is kept."""
    kept: list[Any] = []
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(
        "rankscape.studies.ranking.stages.annotate.serve", lambda app, taken: kept.append((app, taken.getsockname()))
    )
    return kept


def annotate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["ranking", "annotate", "--region", "valley", "--port", "0", *arguments])
    return int(end.value.code or 0)


def test_the_verb(place: Place, served: list[Any], capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "dora")
    assert annotate() == 0
    ((_, (host, port)),) = served
    said = capsys.readouterr().err
    assert host == "127.0.0.1"
    assert "Annotator dora, region valley: 0 of 7 cards placed." in said
    assert f"Open http://127.0.0.1:{port}/" in said
    assert "Not finished; the draft is in config/orders/valley/.dora.draft.json.\n" in said
    assert not list(place.orders.glob("*.json"))


def test_the_verb_on_a_finished_annotation(place: Place, served: list[Any], capsys: Any) -> None:
    session = place.session()
    session.change(PageChange.model_validate(body(session, arranged(session.annotation, LEVELS, (4,)))))
    session.finish("w1", session.annotation.revision)
    assert annotate("--annotator", "anna") == 2
    assert "anna.json is finished: to change it, start again with --continue" in capsys.readouterr().err
    assert annotate("--annotator", "anna", "--continue") == 0
    assert "The order is in config/orders/valley/anna.json." in capsys.readouterr().err
    session = place.session(resume=True)
    session.change(PageChange.model_validate(body(session, arranged(session.annotation, LEVELS[::-1], (4,)))))
    assert annotate("--annotator", "anna") == 0
    said = capsys.readouterr().err
    assert (
        "Not finished; the draft is in config/orders/valley/.anna.draft.json. The order of before is in config" in said
    )
    assert annotate("--annotator", "anna", "--out", str(place.folder / "elsewhere")) == 0
    assert "elsewhere/.anna.draft.json" in capsys.readouterr().err
