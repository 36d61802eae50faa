"""What a question costs before it is asked: rough counts of tokens, where no reply has been counted yet.

Endpoints bill by their own count. These are estimates from public descriptions, good to a factor of about two between
models; once replies are stored, their counted tokens take the place of these.
"""

from collections.abc import Iterable

PIXELS_A_TOKEN = 28
"""Qwen2-VL makes one token of a square of 28 pixels: 14-pixel patches, merged 2 by 2 (Wang et al. 2024, 2.1)."""
PICTURE_ENDS = 2
"""Tokens that begin and end a picture there: 66 tokens for 224 x 224 pixels."""
CHARACTERS_A_TOKEN = 4
"""Characters of English, digits and JSON that make one token."""
CHAT_TOKENS = 20
"""What the form of a chat adds: roles, separators."""


def picture_tokens(width_px: int, height_px: int) -> int:
    """Estimate the tokens of one picture, after Qwen2-VL: sides are rounded to whole squares of 28 pixels.

    Args:
        width_px: Width, in pixels.
        height_px: Height, in pixels.
    """
    squares = (max(1, round(side / PIXELS_A_TOKEN)) for side in (width_px, height_px))
    return next(squares) * next(squares) + PICTURE_ENDS


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text: four ASCII characters make one, any other character is one by itself."""
    ascii_characters = sum(character.isascii() for character in text)
    return -(-ascii_characters // CHARACTERS_A_TOKEN) + len(text) - ascii_characters


def question_tokens(text: str, schema: str, sizes_px: Iterable[tuple[int, int]]) -> int:
    """Estimate the tokens of a question: its text, its schema and its pictures.

    Args:
        text: The prompt.
        schema: JSON schema of the answer, as text.
        sizes_px: Width and height of every picture, in pixels.
    """
    pictures = sum(picture_tokens(*size) for size in sizes_px)
    return CHAT_TOKENS + text_tokens(text) + text_tokens(schema) + pictures
