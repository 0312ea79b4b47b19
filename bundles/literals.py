"""Write text as a string literal of the languages of the wrappers: names are data, whatever characters they have.

Plain ASCII letters, digits and most punctuation stand as they are; everything else is an escape, so that no character
of a name can end the literal, begin an interpolation or a trigraph, or be changed by an editor.
"""

import string

_PLAIN = frozenset(string.ascii_letters + string.digits + " !#%&'()*+,-./:;<=>@[]^_{|}~")  # not " \ $ ? `


def truth(value: bool) -> str:
    """A truth value, in every language here but Python."""
    return "true" if value else "false"


def cpp(text: str) -> str:
    """A C++ literal of the text's UTF-8 bytes; octal escapes end after three digits, whatever follows."""
    return f'"{"".join(_octal(c) if c not in _PLAIN else c for c in text)}"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))


def kotlin(text: str) -> str:
    """A Kotlin literal, in UTF-16 as Kotlin's strings are."""
    return f'"{"".join(_units(c) if c not in _PLAIN else c for c in text)}"'


def _units(character: str) -> str:
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i : i + 2].hex()}" for i in range(0, len(data), 2))


def typescript(text: str) -> str:
    """A TypeScript literal, in UTF-16 as its strings are; nothing in it ends a script element, or begins a comment."""
    return f'"{"".join(_units(c) if c not in _PLAIN or c in "<>" else c for c in text)}"'


def swift(text: str) -> str:
    """A Swift literal. A lone surrogate, which no Swift string holds, becomes U+FFFD."""
    return f'"{"".join(_scalar(c) if c not in _PLAIN else c for c in text)}"'


def _scalar(character: str) -> str:
    code = ord(character)
    return f"\\u{{{0xFFFD if 0xD800 <= code <= 0xDFFF else code:x}}}"
