"""Read docstrings of this house as griffe knows them: names that share a line, and a section of one example.

num_runs, seed: as `benchmark`      ->  num_runs: as `benchmark`
                                        seed: as `benchmark`
Example:                            ->  Examples:
"""

import re
from typing import Any

import griffe

SHARED = re.compile(r"^( +)(\*{0,2}\w+(?:, \*{0,2}\w+)+):(.*(?:\n\1 +\S.*)*)$", flags=re.MULTILINE)


def expand(text: str) -> str:
    """The docstring with a line for each name, and with sections that griffe knows."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return SHARED.sub(lambda line: "\n".join(f"{line[1]}{name}:{line[3]}" for name in line[2].split(", ")), text)


class DocstringStyle(griffe.Extension):
    """Expands every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = expand(obj.docstring.value)
