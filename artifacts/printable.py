"""Show text from a model, a file or a device so that it does nothing to a terminal, a log or a page."""

import unicodedata

JOINERS = "\u200c\u200d"  # invisible, but words of Persian and Hindi are wrong without them, and so are many emoji


def printable(text: object, keep: str = "") -> str:
    r"""The text with its control characters, line breaks, bidirectional overrides and lone surrogates as escapes.

    Args:
        text: anything; its `str` is taken.
        keep: characters that stay, as "\n" where line breaks are our own.

    Returns:
        Text of one line, unless `keep` has line breaks.

    Example:
        >>> printable("cat\x1b[31m\n")
        'cat\\x1b[31m\\n'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(each if _shows(each) or each in keep else _escape(each) for each in text)


def _shows(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
