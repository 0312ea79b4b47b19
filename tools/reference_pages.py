"""Write the generated pages of docs/reference: the command line from its parser, the manifest from its dataclasses.

python tools/reference_pages.py             write them
python tools/reference_pages.py --check     write nothing; exit code 1 where a page is not current
"""

import argparse
import dataclasses
import html
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgeport.artifacts import manifest, sizes
from edgeport.artifacts.exit_codes import EXIT_CODES
from edgeport.cli.main import parser

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTICE = "Written by `make tables`; do not edit."

COMMAND_LINE = f"""# Command line

{NOTICE} `edgeport COMMAND --help` prints the same. What a command can do,
a script can do with the same words: [Python](api.md).
"""
OF_MANIFEST = (manifest.__name__, sizes.__name__)  # modules whose records a manifest is made of
MANIFEST = f"""# Manifest

{NOTICE} A manifest is the `.json` file beside an artifact, UTF-8 with
sorted keys: what was made, from what, and how far it is from the reference. It holds no time and no host name, so the
same inputs and versions give the same bytes. Its `schema` is {manifest.SCHEMA}; this version also reads schema
{manifest.SCHEMA - 1} ([what changed](../guides/migration.md#manifests)), and refuses any other. The types are Python's:
a tuple is a JSON array, and `None` is `null`, as is a number that is not finite.
"""


def describe_command_line() -> str:
    """The page of all commands."""
    top = parser()
    commands = {name: sub for action in list_actions(top) for name, sub in get_subparsers(action).items()}
    lines = [COMMAND_LINE, "| command | |", "|---|---|"]
    lines += [f"| [{name}](#{name}) | {sub.description} |" for name, sub in commands.items()]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    for name, sub in commands.items():
        lines += ["", f"## {name}", "", sub.description or "", "", *describe_options(sub)]
    return "\n".join(lines) + "\n"


def describe_options(command: argparse.ArgumentParser) -> Iterator[str]:
    """Usage and a table of the arguments and options of one command."""
    arguments = [action for action in list_actions(command) if action.dest != "help"]
    positional = " ".join(name_value(action) for action in arguments if not action.option_strings)
    yield from ("```", f"{command.prog} {positional}".rstrip() + " [options]", "```", "")
    yield from ("| option | meaning | default |", "|---|---|---|")
    for action in arguments:
        yield f"| {escape(name_action(action))} | {escape(explain(action, command.prog))} | {name_default(action)} |"


def list_actions(of: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments and options of a parser, as it gives them to the formatter of its help."""
    found: list[argparse.Action] = []

    class Collector(argparse.HelpFormatter):
        def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
            found.extend(actions)

    before, of.formatter_class = of.formatter_class, Collector
    try:
        of.format_help()
    finally:
        of.formatter_class = before
    return found


def get_subparsers(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    """{name: parser} of an action that chooses a command."""
    choices = action.choices if isinstance(action.choices, dict) else {}
    return {name: sub for name, sub in choices.items() if isinstance(sub, argparse.ArgumentParser)}


def name_action(action: argparse.Action) -> str:
    """`--option VALUE`, or the name of an argument."""
    value = name_value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{f'{option} {value}'.rstrip()}`" for option in action.option_strings)


def name_value(action: argparse.Action) -> str:
    """What stands for the value of an argument or option in its usage; nothing for a switch."""
    if action.nargs == 0:
        return ""
    name = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest)
    word = " ".join(name) if isinstance(name, tuple) else name
    if action.option_strings and not action.metavar and not action.choices:
        word = word.upper()
    return {"?": f"[{word}]", "*": f"[{word} ...]", "+": f"{word} ..."}.get(str(action.nargs), word)


def explain(action: argparse.Action, program: str) -> str:
    """The help of an action, without the default, which has a column."""
    text = (action.help or "") % {**vars(action), "prog": program}
    return re.sub(r" \(default: [^()]*\)", "", text) if name_default(action) else text


def name_default(action: argparse.Action) -> str:
    """The default in the words of the help, or the parser's where that is a text or number."""
    words = re.search(r"\(default: ([^()]*)\)", action.help or "")
    if words:
        text = words[1] % vars(action)
        return text if " " in text else f"`{text}`"
    shown = type(action.default) in (int, float, str) and action.default != argparse.SUPPRESS and action.nargs != 0
    return f"`{action.default}`" if shown else ""


def describe_manifest() -> str:
    """The page of the manifest's records, the manifest itself first."""
    records = [each for each in vars(manifest).values() if dataclasses.is_dataclass(each) and inspect.isclass(each)]
    records = [each for each in records if each.__module__ in OF_MANIFEST]
    records.sort(key=lambda record: record is not manifest.Manifest)
    names = {record.__name__ for record in records}
    return "\n".join([MANIFEST, *(line for record in records for line in describe_record(record, names))])


def describe_record(record: type, records: set[str]) -> Iterator[str]:
    """Title, summary, and a table of the fields of one dataclass."""
    summary, meanings = read_docstring(inspect.getdoc(record) or "")
    yield from (f"## {record.__name__}", "", summary, "", "| key | type | meaning |", "|---|---|---|")
    for field in dataclasses.fields(record):
        kind = field.type if isinstance(field.type, str) else inspect.formatannotation(field.type, manifest.__name__)
        for module in (*OF_MANIFEST, "typing"):
            kind = kind.replace(f"{module}.", "")
        linked = [name for name in sorted(records) if re.search(rf"\b{name}\b", kind)]
        kind = f"[`{kind}`](#{linked[0].lower()})" if linked else f"`{kind}`"
        yield f"| `{field.name}` | {escape(kind)} | {escape(meanings.get(field.name, ''))} |"
    yield ""


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """(all before the first section, {name: what `Attributes:` says of it}) of a docstring in Google's style."""
    summary, _, attributes = text.partition("\nAttributes:\n")
    entries: dict[str, str] = {}
    names: tuple[str, ...] = ()
    for line in attributes.splitlines():
        if re.match(r"\S", line):
            break  # another section
        if entry := re.match(r" {4}(\w+(?:, \w+)*)(?: \([^)]*\))?: (.*)", line):
            names = tuple(entry[1].split(", "))
            entries |= dict.fromkeys(names, entry[2])
        else:
            entries |= {name: f"{entries[name]} {line.strip()}".rstrip() for name in names}
    return re.sub(r"\n(?:Args|Returns|Raises|Example):\n.*", "", summary, flags=re.DOTALL).strip(), entries


def escape(text: str) -> str:
    """The text as a cell of a table, also for GitHub and MkDocs, which read a bar in backticks differently."""
    text = re.sub(r"`([^`]*\|[^`]*)`", lambda code: f"<code>{html.escape(code[1], quote=False)}</code>", text)
    return text.replace("|", "&#124;").replace("\n", " ")


PAGES: dict[str, Callable[[], str]] = {"cli.md": describe_command_line, "manifest.md": describe_manifest}


def main(argv: list[str] | None = None) -> int:
    """Write the pages, or check them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page is not current")
    check: bool = options.parse_args(argv).check
    stale = [name for name, page in PAGES.items() if not write(FOLDER / name, page(), check=check)]
    for name in stale if check else ():
        print(f"docs/reference/{name} is not current: run `make tables`", file=sys.stderr)
    return int(bool(check and stale))


def write(path: Path, text: str, *, check: bool) -> bool:
    """Whether the file held the text already; where not, it does now unless this is only a check."""
    current = path.exists() and path.read_text(encoding="utf-8") == text
    if not current and not check:
        path.write_text(text, encoding="utf-8")
    return current


if __name__ == "__main__":
    sys.exit(main())
