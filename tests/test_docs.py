"""The pages: links lead somewhere, command lines parse, generated ones are current, and the index names every guide."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import edgeport
import pytest
from edgeport.cli.main import parser

from tools import docstring_style, reference_pages

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|^(?: {4}|\t)[^\n]*$", flags=re.DOTALL | re.MULTILINE)  # a block, or an indented line


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """The text without its blocks of code, whose brackets are no links."""
    return CODE.sub("", text)


def list_anchors(page: Path) -> set[str]:
    """The anchors of a page's titles, as GitHub and Python-Markdown both make them of plain words."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page):
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: nothing there"
        assert target.is_relative_to(ROOT), f"{link}: outside of the repository"
        if page.is_relative_to(ROOT / "docs"):
            assert target.is_relative_to(ROOT / "docs"), f"{link}: not on the site"
        if anchor:
            assert anchor in list_anchors(target), f"{link}: no such title"


def command_lines() -> Iterator[tuple[str, str]]:
    """(page, command line) of every line of code that begins with `edgeport `."""
    for page in PAGES:
        code = "\n".join(CODE.findall(re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))))
        for line in re.findall(r"^\s*(?:\$ )?(edgeport .+)$", code, flags=re.MULTILINE):
            if "[options]" not in line and "..." not in line:
                yield name_page(page), re.split(r"\s{2,}|\s#|\s>+ ", line)[0]


@pytest.mark.parametrize(("page", "command"), sorted(set(command_lines())))
def test_command_lines_parse(page, command):
    try:
        code = parser().parse_args(shlex.split(command)[1:]) and 0
    except SystemExit as stop:
        code = stop.code
    assert code == 0, f"{page}: {command}"


def list_paths(text: str) -> Iterator[str]:
    """What stands in backticks and looks like a file or folder of the repository, its alternatives written apart."""
    for path in re.findall(r"`([\w.{},/-]+/[\w.{},/-]*)`", CODE.sub("", text)):
        options = re.search(r"\{([^}]*)\}", path)
        for option in options[1].split(",") if options else [""]:
            yield path[: options.start()] + option + path[options.end() :] if options else path


def exists(path: str) -> bool:
    """Whether it is there; a word in capitals or three dots stand for any name."""
    pattern = re.sub(r"[A-Z]{2,}|\.\.\.", "*", path.rstrip("/"))
    return any(ROOT.glob(pattern))


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_files_in_backticks_exist(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "migration.md":
        text = re.sub(r"^\|[^|]*", "", text, flags=re.MULTILINE)  # names that are no more
    folders = {each.name for each in ROOT.iterdir() if each.is_dir()} - {"artifacts"}  # also where users' files go
    paths = [path for path in list_paths(text) if path.split("/")[0] in folders]
    assert [path for path in paths if not exists(path)] == []


def test_reference_pages_are_current():
    assert reference_pages.main(["--check"]) == 0, "run `make tables`"


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(ROOT / "docs")], ids=name_page)
def test_the_site_and_the_index_name_every_page(page):
    name = page.relative_to(ROOT / "docs").as_posix()
    assert name in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert name == "index.md" or name in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_the_page_of_python_has_every_public_name():
    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    listed = re.findall(r"^::: edgeport\.(\w+)$", page, flags=re.MULTILINE)
    assert sorted([*listed, "__version__"]) == sorted(edgeport.__all__)
    assert len(set(listed)) == len(listed)


def test_a_docstring_is_read():
    text = """Facts.

More of them.

Attributes:
    shape: logical,
        (n, c, h, w).
    mean, std (float): of pixels.

Example:
    not an attribute: this
"""
    summary, meanings = reference_pages.read_docstring(text.strip())
    assert summary == "Facts.\n\nMore of them."
    assert meanings == {"shape": "logical, (n, c, h, w).", "mean": "of pixels.", "std": "of pixels."}


def test_names_that_share_a_line_are_written_apart():
    text = "Args:\n    a, *b: one\n        and all.\n    c: other, not: this\n\nExample:\n    >>> f(a)"
    assert docstring_style.expand(text) == (
        "Args:\n    a: one\n        and all.\n    *b: one\n        and all.\n    c: other, not: this\n\n"
        "Examples:\n    >>> f(a)"
    )


def test_the_python_lines_of_the_readme_run(tmp_path):
    from demo import CALIBRATION, write_crops

    (lines,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    write_crops(CALIBRATION, 16, tmp_path / "photos")
    (tmp_path / "lines.py").write_text(lines)
    done = subprocess.run([sys.executable, "lines.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
