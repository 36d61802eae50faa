"""Prompts: the question, what a file may say of itself, the ones that come with Rankscape."""

import re
from pathlib import Path

import pytest
from rankscape.foundation.errors import PromptError
from rankscape.studies.ranking.judges.prompts import read_prompt

FOLDER = Path(__file__).parents[5] / "config" / "prompts"


def test_the_question_is_what_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "who.md"
    path.write_bytes("\ufeff  这里多发达？\n".encode())
    prompt = read_prompt(path)
    assert (prompt.name, prompt.text, prompt.mode, prompt.language) == ("who", "这里多发达？", None, None)
    assert len(prompt.sha256) == 64


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_front_matter_is_read_and_not_sent(tmp_path: Path, end: str) -> None:
    path = tmp_path / "who.md"
    path.write_bytes(
        end.join(["---", "mode: pairs", "language: zh-Hant", "---", "", "Which?", "---", "More."]).encode()
    )
    prompt = read_prompt(path)
    assert prompt.text.splitlines() == ["Which?", "---", "More."]
    assert (prompt.mode, prompt.language) == ("pairs", "zh-Hant")
    plain = tmp_path / "plain.md"
    plain.write_bytes(prompt.text.encode())
    assert read_prompt(plain).sha256 == prompt.sha256, "only what is sent counts"


def test_front_matter_may_be_empty_and_rules_in_the_text_are_text(tmp_path: Path) -> None:
    path = tmp_path / "who.md"
    path.write_text("---\n---\nHow?")
    assert read_prompt(path).text == "How?"
    path.write_text("How?\n\n---\n\nSay it.")
    assert read_prompt(path).text == "How?\n\n---\n\nSay it."
    path.write_text("--- is a line ---\nHow?")
    assert read_prompt(path).text.startswith("--- is a line")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b" \n\n", "who.md is empty"),
        (b"\xff\xfe\x00", "is no UTF-8 text"),
        (b"---\nmode: pairs\n---\n \n", "who.md is empty"),
        (b"---\nmode: pairs\nWhich?\n", "never ends its front matter"),
        (b"---\nmode: duels\n---\nWhich?", "front matter of .*who.md: mode = 'duels' is refused.*scores, pairs, tiers"),
        (b"---\ntone: kind\n---\nWhich?", "tone is no known key .*Its keys are mode"),
        (b"---\nlanguage: Chinese\n---\nWhich?", "language = 'Chinese' is refused"),
        (b"---\n- mode\n---\nWhich?", "must hold keys and values"),
        (b"---\nmode: [\n---\nWhich?", "front matter of .*who.md is no valid YAML"),
    ],
)
def test_bad_prompts(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "who.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PromptError, match=said) as error:
        read_prompt(path)
    assert "\n" not in str(error.value)


SCORES = ["remote-sensing-expert-zh", "local-resident-zh", "development-economist-zh", "economics-student-en"]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.md")))
def test_the_prompts_that_come_with_rankscape(name: str) -> None:
    prompt = read_prompt(FOLDER / f"{name}.md")
    assert (prompt.mode or "scores") == ("pairs" if "pairs" in name else "tiers" if "tiers" in name else "scores")
    assert (sum("\u4e00" <= letter <= "\u9fff" for letter in prompt.text) > 100) == name.endswith("-zh")
    assert prompt.language in {None, name[-2:]}
    # Only the ends of the scale are named: a judge that is told ranges of classes repeats them.
    numbers = set(re.findall(r"\d+", prompt.text))
    assert numbers == ({"0", "100"} if name in SCORES else set())
    assert ('"score"' in prompt.text and "JSON" in prompt.text) == (name in SCORES)
