"""Check the name of an Android library's package, which is also its Kotlin package."""

import re

from ..artifacts.errors import UsageError

DEFAULT = "org.example.vision"
_SEGMENT = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")  # as Android's tools (aapt2) take it
# Java's (Java Language Specification 3.9) and the hard keywords of Kotlin
KEYWORDS = """
abstract as assert boolean break byte case catch char class const continue default do double else enum extends false
final finally float for fun goto if implements import in instanceof int interface is long native new null object
package private protected public return short static strictfp super switch synchronized this throw throws transient
true try typealias typeof val var void volatile when while
"""


def check_package(name: str) -> str:
    """The name, as it is. Raises UsageError where Android, Java or Kotlin would not take it."""
    segments = name.split(".")
    wrong = next((each for each in segments if not _SEGMENT.fullmatch(each)), None)
    if wrong is not None:
        raise UsageError(
            f"{name!r} is no Android package: {wrong!r} is not a letter followed by letters, digits or _; "
            f"take one like {DEFAULT}"
        )
    keyword = next((each for each in segments if each in KEYWORDS.split()), None)
    if keyword is not None:
        raise UsageError(
            f"{name!r} is no Android package: {keyword!r} is a keyword of Java or Kotlin; choose another word"
        )
    if len(segments) < 2:
        raise UsageError(f"{name!r} is no Android package: it needs two parts or more, as in {DEFAULT}")
    return name
