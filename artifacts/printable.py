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


def find_unwritable(text: str) -> str | None:
    """Find what no line of a text file can hold: a control character, a line separator, half of a surrogate pair.

    Returns:
        The first one, escaped; None where there is none.

    Example:
        >>> find_unwritable("cat"), find_unwritable("a\\u2028b")
        (None, '\\\\u2028')
    """
    found = next((each for each in text if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")), None)
    return None if found is None else _escape(found)


def _shows(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
