"""The annotation page in headless Chromium: with the mouse, by keyboard alone, with a finger on a tablet."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chromium import launched
from playwright.sync_api import Browser, Page
from rankscape.__main__ import main
from rankscape.foundation.files import read_json
from rankscape.studies.ranking.annotation.document import read_annotation
from rankscape.studies.ranking.annotation.placing import read_finished
from rankscape.studies.ranking.annotation.session import draft_of

from .browsing import Server, drag, free_port, layout, middle, opened, saved, served, touch
from .conftest import Place


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of 1280 x 860; a mistake in the page's scripts fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [fault for fault in faults if "ERR_CONNECTION" not in fault] == []


@pytest.fixture
def server(make_place: Callable[..., Place]) -> Iterator[Server]:
    """The command line's own server, for 23 clusters."""
    server = Server(make_place(clusters=23, patches=24))
    yield server
    server.end()


def mark(page: Page, one: int, other: int, choice: str) -> None:
    """Say something of a pair, with the mouse alone."""
    page.click(f'.card[data-card="{one}"] .patches')
    page.click("#compare")
    page.click(f'.card[data-card="{other}"] .patches')
    page.click(f'#pair-choices >> text="{choice}"')


def test_a_whole_session_with_a_killed_server(server: Server, page: Page) -> None:
    opened(page, server.start())
    assert layout(page) == {"tiers": [[]] * 5, "tray": [], "deck": list(range(1, 25))}

    drag(page, 1, "tier:0")
    drag(page, 2, "tier:0")
    drag(page, 3, "tier:4")
    drag(page, 4, "gap:1")
    drag(page, 5, "tray")
    wanted = {"tiers": [[1, 2], [4], [], [], [], [3]], "tray": [5], "deck": list(range(6, 25))}
    assert layout(page) == wanted
    saved(page)
    assert page.text_content("#placed") == "5 of 24 placed"

    page.click("#undo")
    page.click("#undo")
    assert layout(page)["deck"] == list(range(4, 25))
    assert len(layout(page)["tiers"]) == 5
    page.click("#redo")
    page.click("#redo")
    assert layout(page) == wanted
    assert page.is_disabled("#redo")
    saved(page)

    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert layout(page) == wanted
    page.click("#undo")
    assert layout(page)["tray"] == []
    page.click("#redo")
    saved(page)

    for card in range(6, 25):
        page.focus(f'.card[data-card="{card}"]')
        page.keyboard.press(str(card % 6 + 1))
    assert layout(page)["deck"] == []
    mark(page, 1, 2, "Cannot be compared")
    mark(page, 5, 1, "5 is more developed")
    saved(page)
    assert page.is_hidden("#warnings")
    assert page.locator("#marks li").count() == 2

    mark(page, 4, 3, "3 is more developed")
    page.wait_for_selector("#warnings:visible")
    assert page.text_content("#warnings") == "1 contradiction"
    assert {int(card) for card in page.locator(".card.contradicts .number").all_text_contents()} == {3, 4}
    assert "the tiers say otherwise" in str(page.text_content("#marks li.contradicts"))
    page.click("#finish")
    assert page.text_content("#finish-title") == "Not yet"
    assert page.is_hidden("#really")
    page.click("#finish-dialog .close")
    page.click('#marks li.contradicts >> text="Remove"')
    page.wait_for_selector("#warnings", state="hidden")
    saved(page)

    server.kill()
    drag(page, 3, "tier:4")
    page.wait_for_function("() => document.querySelector('#saved').textContent.startsWith('not saved')")
    assert "start `rankscape ranking annotate` again" in str(page.text_content("#banner"))
    url = server.url
    assert server.start() == url
    saved(page)
    assert page.is_hidden("#banner")
    screen = layout(page)
    assert 3 in screen["tiers"][4]
    on_disk = read_annotation(draft_of(server.place.orders / "anna.json")).arrangement
    assert [sorted(tier) for tier in on_disk.tiers] == screen["tiers"]

    page.click("#finish")
    page.click("#really")
    page.wait_for_function("() => document.querySelector('#finish-title').textContent.startsWith('Finished')")
    saved(page, "finished")
    status, said = server.stop()
    assert status == 0
    assert "The order is in config/orders/valley/anna.json." in said

    annotation, order = read_finished(server.place.orders / "anna.json")
    own = {card.card: card.cluster for card in annotation.cards if not card.duplicate}
    high, low = ([own[card] for card in screen["tiers"][tier] if card in own] for tier in (1, 4))
    assert all(order.relation(a, b) == "higher" for a in high for b in low)
    assert order.relation(high[0], high[1]) == "equal"
    assert order.relation(own[1], own[2]) == "incomparable"
    assert order.relation(own[5], low[0]) == "higher"
    assert order.incomparable().any()
    out = server.place.folder / "order.json"
    with pytest.raises(SystemExit) as end:
        main(
            [
                "ranking",
                "import-order",
                "--annotation",
                str(server.place.orders / "anna.json"),
                "--summary",
                str(server.place.summary),
                "--out",
                str(out),
            ]
        )
    assert not end.value.code
    assert len(read_json(out)["clusters"]) == 23


def test_what_the_command_line_refuses(
    server: Server, page: Page, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.start()
    monkeypatch.chdir(server.place.folder)

    def refused(*more: str, annotator: str = "anna", region: str = "valley") -> str:
        with pytest.raises(SystemExit) as end:
            main(["ranking", "annotate", "--region", region, "--annotator", annotator, *more])
        assert end.value.code == 2
        said = str(capsys.readouterr().err)
        assert said.count("\n") == 1
        return said

    port = str(server.port)
    assert f"Port {port} of 127.0.0.1 is in use by another program: end that, or choose another" in refused(
        "--port", port
    )
    assert "The page of annotator anna is being served already" in refused("--port", str(free_port()))
    assert "hills does not exist: mend --region (there are ['valley'])" in refused("--port", "0", region="hills")
    assert "'anna/..' cannot be an annotator's name" in refused("--port", "0", annotator="anna/..")
    secret = server.place.orders / ".anna.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() in server.url
    status, said = server.stop()
    assert status == 0
    assert "Not finished; the draft is in config/orders/valley/.anna.draft.json." in said
    assert secret.read_text().strip() not in said


def active(page: Page) -> str:
    return str(page.evaluate("document.activeElement.dataset.card || document.activeElement.id"))


def told(page: Page, text: str) -> None:
    """Wait until a screen reader is told something."""
    page.wait_for_function("text => document.querySelector('#live').textContent.includes(text)", arg=text)


def test_by_keyboard_alone(place: Place, page: Page) -> None:
    session = place.session()
    keys = page.keyboard
    with served(place, session) as url:
        opened(page, url)
        for _ in range(40):
            keys.press("Tab")
            if active(page) == "1":
                break
        assert active(page) == "1", "the first card can be reached with Tab"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert "lifts the card" in str(page.text_content("#card-keys"))

        keys.press("ArrowRight")
        assert active(page) == "2"
        keys.press("ArrowLeft")
        keys.press("Space")
        told(page, "Card 1, ")
        told(page, "lifted. Arrow keys carry it")
        keys.press("ArrowDown")
        told(page, "Over tier 1 of 5.")
        keys.press("ArrowDown")
        told(page, "Over tier 2 of 5.")
        keys.press("Shift+ArrowDown")
        told(page, "Over a new tier between 2 and 3.")
        keys.press("Space")
        told(page, "is now in a new tier between 2 and 3. Next: Card 2")
        assert layout(page)["tiers"] == [[], [], [1], [], [], []]
        assert active(page) == "2"

        keys.press("Space")
        keys.press("ArrowUp")
        told(page, "Over “Not comparable”.")
        keys.press("ArrowDown")
        told(page, "Over the unplaced cards.")
        keys.press("ArrowDown")
        told(page, "Over tier 1 of 6.")
        keys.press("ArrowUp")
        told(page, "No further place.")
        keys.press("Escape")
        told(page, "Taken back.")
        assert 2 in layout(page)["deck"]

        for key in ("1", "1", "6", "n", "4"):
            keys.press(key)
        told(page, "Next: Card 7")
        assert layout(page) == {"tiers": [[2, 3], [], [1], [6], [], [4]], "tray": [5], "deck": [7]}
        keys.press("9")
        told(page, "There is no tier 9.")
        keys.press("Control+z")
        told(page, "Undone.")
        assert layout(page)["deck"] == [6, 7]
        keys.press("Control+Shift+Z")
        told(page, "Done again.")

        keys.press("Enter")
        page.wait_for_selector("#card-dialog[open]")
        for _ in range(12):
            if page.evaluate("document.activeElement.textContent") == "Tier 4":
                break
            keys.press("Tab")
        keys.press("Enter")
        told(page, "is now in tier 4 of 6.")
        assert layout(page)["tiers"][3] == [6, 7]
        assert active(page) == "7"

        keys.press("c")
        told(page, "choose the card to compare it with")
        keys.press("ArrowLeft")
        assert active(page) == "6"
        keys.press("Enter")
        page.wait_for_selector("#pair-dialog[open]")
        for _ in range(6):
            if page.evaluate("document.activeElement.textContent") == "Cannot be compared":
                break
            keys.press("Tab")
        keys.press("Enter")
        told(page, "are marked.")
        keys.press("?")
        page.wait_for_selector("#help-dialog[open]")
        keys.press("Escape")
        keys.press("b")
        told(page, "the unplaced cards")
        keys.press("4")

        page.evaluate("scrollTo(0, 0)")
        page.focus("#undo")
        for _ in range(6):
            if active(page) == "finish":
                break
            keys.press("Tab")
        keys.press("Enter")
        page.wait_for_selector("#finish-dialog[open]")
        keys.press("Tab")
        assert active(page) == "really"
        keys.press("Enter")
        saved(page, "finished")
    done = read_annotation(session.path)
    assert done.finished
    assert [sorted(tier) for tier in done.arrangement.tiers] == [[2, 3], [1], [6, 7], [4]]
    assert [(one.a, one.b, one.relation) for one in done.arrangement.marks] == [(7, 6, "incomparable")]


@pytest.mark.parametrize(("width", "height"), [(768, 1024), (1024, 768)])
def test_with_a_finger_on_a_tablet(place: Place, browser: Browser, width: int, height: int) -> None:
    session = place.session()
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True, reduced_motion="reduce")
    with served(place, session) as url:
        page = opened(context.new_page(), url)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        handle = page.locator('.card[data-card="1"] .grip').bounding_box()
        assert handle is not None
        assert handle["height"] >= 40
        touch(page, middle(page, '.card[data-card="1"] .number'), middle(page, '[data-place="tier:1"]'))
        assert layout(page)["tiers"] == [[], [1], [], [], []]
        touch(page, middle(page, '.card[data-card="2"] .patches'), middle(page, '[data-place="tier:1"]'))
        assert layout(page)["tiers"] == [[], [1], [], [], []], "a finger on the pictures drags nothing"
        touch(page, middle(page, '.card[data-card="2"] .number'), middle(page, '[data-place="gap:0"]'))
        page.wait_for_function("() => document.querySelectorAll('.tier').length === 6")
        assert layout(page)["tiers"] == [[2], [], [1], [], [], []]
        page.tap('.card[data-card="3"] .patches')
        page.wait_for_selector("#card-dialog[open]")
        assert page.locator("#card-dialog .patches img").count() == 16 // (2 if _twice(session) == 3 else 1)
        page.tap('#card-places >> text="Not comparable"')
        assert layout(page)["tray"] == [3]
        page.tap("#undo")
        assert layout(page)["tray"] == []
        saved(page)
    context.close()
    assert session.annotation.arrangement.tiers[0] == (2,)


def _twice(session: Any) -> int:
    cards = session.annotation.cards
    second = next(card for card in cards if card.duplicate)
    first = next(card for card in cards if card.cluster == second.cluster)
    return 3 if 3 in (first.card, second.card) else 0


def test_pictures_view_and_tiers(make_place: Callable[..., Place], page: Page) -> None:
    place = make_place(clusters=4, patches=30)
    session = place.session()
    with served(place, session) as url:
        opened(page, url)
        card = '.card[data-card="1"]'
        shown = page.locator(f"{card} img")
        page.wait_for_function(
            f"() => [...document.querySelectorAll('{card} img')].every((image) => image.naturalWidth === 96)"
        )
        before = [image.get_attribute("src") for image in shown.all()]
        page.click(f"{card} .others")
        after = [image.get_attribute("src") for image in shown.all()]
        assert len(before) == len(after) == 4
        assert not set(before) & set(after)
        saved(page)
        assert session.annotation.cards[0].seen == 8
        page.click(f"{card} .patches")
        page.click("#more")
        page.click("#card-dialog .close")
        page.click(f"{card} .others")
        saved(page)
        assert session.annotation.cards[0].seen == 30

        category = str(page.text_content(f"{card} .category"))
        assert category in ("urban", "rural", "highland")
        page.click("#view summary")
        page.uncheck("#category")
        page.check("input[value=large]")
        saved(page)
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert page.text_content(f"{card} .category") == ""
        assert page.get_attribute("body", "data-size") == "large"
        assert category not in str(page.get_attribute(card, "aria-label"))

        page.focus('.gap[data-place="gap:0"] button')
        page.keyboard.press("Enter")
        saved(page)
        assert page.evaluate("document.activeElement.dataset.focus") == "gap:0"
        assert len(layout(page)["tiers"]) == 5
        drag(page, 1, "tier:0")
        page.click('[data-place="tier:0"] .remove')
        assert layout(page) == {"tiers": [[]] * 4, "tray": [], "deck": [1, 2, 3, 4]}
        page.click("#undo")
        assert layout(page)["tiers"][0] == [1]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        saved(page)


def test_a_change_that_the_server_did_not_get_survives_a_reload(place: Place, page: Page) -> None:
    session = place.session()

    def refuse(route: Any) -> None:
        route.abort("connectionrefused") if route.request.method == "PUT" else route.continue_()

    with served(place, session) as url:
        opened(page, url)
        page.route("**/state", refuse)
        page.focus('.card[data-card="1"]')
        page.keyboard.press("2")
        page.wait_for_function("() => document.querySelector('#saved').textContent.startsWith('not saved')")
        assert session.annotation.revision == 0
        page.unroute("**/state", refuse)
        page.reload()
        page.wait_for_selector("body[data-ready]")
        saved(page)
        assert layout(page)["tiers"][1] == [1]
        page.click("#undo")
        assert layout(page)["tiers"][1] == []
        saved(page)
        assert session.annotation.arrangement.tiers == ((),) * 5


def test_two_windows(place: Place, browser: Browser) -> None:
    with served(place, place.session()) as url:
        one, two = (opened(browser.new_page(), url) for _ in range(2))
        one.focus('.card[data-card="1"]')
        one.keyboard.press("1")
        saved(one)
        two.focus('.card[data-card="2"]')
        two.keyboard.press("1")
        two.wait_for_selector("#banner:visible")
        assert "changed in another window: reload" in str(two.text_content("#banner"))
        two.reload()
        two.wait_for_selector("body[data-ready]")
        assert layout(two)["tiers"][0] == [1]
        for window in (one, two):
            window.close()
