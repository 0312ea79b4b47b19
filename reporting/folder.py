"""Finds everything in a folder that a report can tell of, and joins what is about the same artifact."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..artifacts.digest import size_of_artifact
from ..artifacts.errors import UsageError
from ..artifacts.files import read_regular
from ..artifacts.staging import PREFIX
from ..targets.registry import folder_endings
from .records import LOCAL, MANIFEST, Layers, Piece, Row, Unreadable, parse, parse_lines

LARGEST = 1 << 28  # bytes of one file of results
LARGEST_PICTURE, MOST_PICTURES = 8 << 20, 40  # bytes of one, and how many are shown
PNG = b"\x89PNG\r\n\x1a\n"
STATIC = ("model", "target", "precision", "size_bytes", "variant", "weights", "pictures")  # the same on every device
OWN = (  # measured on one
    *("agreement", "latency", "runtime", "emulated", "instructions", "kernels", "verdict", "validation", "outputs"),
    "answers",
)


class Problem(str):
    """A sentence about a file that cannot be read or is not there."""


class Note(str):
    """A sentence about a file that is left out."""


@dataclass(frozen=True)
class Findings:
    """All that a folder tells.

    Attributes:
        rows: one for each artifact and device, in order of model, target, precision, device.
        layers: of `edgeport debug`, in order of their artifacts.
        problems: one sentence for each file that cannot be read or is not there.
        notes: one sentence for each JSON file that is nothing of ours.
        pictures: (the row, a PNG) with the answers of an artifact, at most MOST_PICTURES of them.
    """

    rows: tuple[Row, ...]
    layers: tuple[Layers, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    pictures: tuple[tuple[Row, bytes], ...] = field(default=(), repr=False)


def findings(folder: Path, *, artifacts: bool = True) -> Findings:
    """What lies in a folder and below; `artifacts`: whether those that manifests describe have to be there, too.

    Raises UsageError where it is no folder, or holds nothing of edgeport's.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"{folder}: {'is not a folder' if os.path.exists(folder) else 'no such folder'}")
    pieces: list[Piece] = []
    layers: list[Layers] = []
    problems: list[str] = []
    notes: list[str] = []
    for path in sorted(_files(folder, problems)):
        for said in _read(folder, path):
            match said:
                case Piece():
                    pieces.append(said)
                case Layers():
                    layers.append(said)
                case Note():
                    notes.append(said)
                case Problem():
                    problems.append(said)
    rows = joined(pieces, problems)
    if not rows and not layers:
        more = f" ({'; '.join(problems)})" if problems else ""
        raise UsageError(f"{folder}: holds no manifest and no result of edgeport's{more}")
    for row in rows if artifacts else ():
        problems += _missing(folder, row)
    pictures = _pictures(folder, rows, problems) if artifacts else ()
    return Findings(tuple(rows), tuple(layers), tuple(dict.fromkeys(problems)), tuple(notes), tuple(pictures))


def _files(folder: Path, problems: list[str]) -> Iterator[Path]:
    """The JSON files, but not those inside artifacts and hidden folders."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read ({error.strerror})")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(folder_endings())]
        for name in names:
            if name.endswith((".json", ".jsonl")) and not name.startswith((PREFIX, ".")):
                yield Path(place) / name


def _read(folder: Path, path: Path) -> Iterator[Piece | Layers | Problem | Note]:
    """What a file says, or why it says nothing."""
    try:
        content = read_regular(path, LARGEST)
        if path.suffix == ".jsonl":
            yield from _lines(path, content, folder)
            return
        found = parse(content)
    except OSError as e:
        yield Problem(f"{path}: cannot be read ({e.strerror})")
        return
    except Unreadable as e:
        yield Problem(f"{path}: {e}")
        return
    if found is None:
        yield Note(f"{path}: is nothing that edgeport writes; left out")
        return
    yield from (placed(said, path, folder) for said in found)


def placed(said: Piece | Layers, path: Path, folder: Path) -> Piece | Layers:
    """With the artifact's path from the folder on, where it lies beside what tells of it: a manifest's always does."""
    told = said.row.artifact if isinstance(said, Piece) else None
    if isinstance(said, Layers) or not told or Path(told).is_absolute():
        return said
    if said.rank != MANIFEST and not os.path.exists(path.parent / told):
        return said
    place = (path.parent.relative_to(folder) / told).as_posix()
    return replace(said, row=replace(said.row, artifact=place))


def _lines(path: Path, content: bytes, folder: Path) -> Iterator[Piece | Layers | Problem | Note]:
    torn = not content.endswith(b"\n")  # an interrupted writer's last line: the job is not done, that is all
    last = content.count(b"\n") + 1
    ours = False
    for number, said in parse_lines(content):
        if isinstance(said, Unreadable):
            if not (torn and number == last):
                yield Problem(f"{path}: line {number} {said}")
        elif said is not None:
            ours = True
            yield from (placed(each, path, folder) for each in said)
    if not ours:
        yield Note(f"{path}: is nothing that edgeport writes; left out")


def joined(pieces: Sequence[Piece], problems: list[str]) -> list[Row]:
    """One row for each artifact and device; adds a sentence to `problems` where it is not clear which one is meant."""
    places: dict[str, str] = {}  # artifact as told -> as the report has it
    known: dict[str, dict[str, None]] = {}  # name of a file -> the places that are called so
    groups: dict[Identity, list[Piece]] = {}
    named: dict[tuple[str, str, str], dict[Identity, None]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.row.artifact is None, piece.rank)):  # manifests first
        row = piece.row
        name = (row.model or "", row.target or "", row.precision or "")
        if row.artifact is not None:
            file = Path(row.artifact).name
            if row.artifact not in places:
                sure = piece.rank == MANIFEST
                places[row.artifact] = row.artifact if sure else _same(row.artifact, known.get(file, ()), problems)
                known.setdefault(file, {})[places[row.artifact]] = None
            identity: Identity = places[row.artifact]
        else:  # a line without a file: the artifact of that name, where there is one
            same = list(named.get(name, ()))
            identity = same[0] if len(same) == 1 else name
        groups.setdefault(identity, []).append(piece)
        if row.model:
            named.setdefault(name, {})[identity] = None
    rows = [
        row
        for identity, group in groups.items()
        for row in _of_artifact(group, identity if isinstance(identity, str) else None)
    ]
    return sorted(rows, key=lambda row: (row.model or "", row.target or "", row.precision or "", row.device or ""))


Identity = str | tuple[str, str, str]  # an artifact's place, or (model, target, precision) where no place is told


def _same(told: str, known: Iterable[str], problems: list[str]) -> str:
    """Which of the places a path means: the one that has most of its last parts; itself where there is none."""
    shared = {place: _tail(told, place) for place in known}
    best = [place for place, length in shared.items() if length == max(shared.values())]
    if len(best) > 1:
        problems.append(f"{told}: a result names it, and it may be {' or '.join(best)}; taken for one of its own")
    return best[0] if len(best) == 1 else told


def _tail(a: str, b: str) -> int:
    """How many of the last parts of two paths are the same."""
    count = 0
    for one, other in zip(reversed(Path(a).parts), reversed(Path(b).parts), strict=False):
        if one != other:
            break
        count += 1
    return count


def _of_artifact(group: Sequence[Piece], artifact: str | None) -> Iterator[Row]:
    """The rows of one artifact: what was measured on a device stays with it, other facts go to all."""
    rows = [piece.row for piece in sorted(reversed(group), key=lambda piece: -piece.rank)]  # the most believed first
    static = {name: _first(rows[::-1], name) for name in STATIC}  # the manifest knows
    facts = {key: fact for row in reversed(rows) for key, fact in row.facts.items()}
    devices = list(dict.fromkeys(row.device or LOCAL for row in rows))
    for device in devices:
        own = [row for row in rows if (row.device or LOCAL) == device]
        if (
            device == LOCAL
            and len(devices) > 1
            and not any(row.agreement or row.latency or row.problems for row in own)
        ):
            continue  # made here, and measured elsewhere alone
        yield Row(
            **static | {name: _first(own, name) for name in OWN},
            device=device,
            artifact=artifact,
            facts=facts,
            device_facts={key: fact for row in reversed(own) for key, fact in row.device_facts.items()},
            problems=tuple(dict.fromkeys(problem for row in own for problem in row.problems)),
        )


def _first(rows: Sequence[Row], name: str) -> Any:
    """What the most believed row says; its empty value where none does."""
    values = [getattr(row, name) for row in rows]
    return next((value for value in values if value not in (None, {})), values[-1])


def _pictures(folder: Path, rows: Sequence[Row], problems: list[str]) -> list[tuple[Row, bytes]]:
    """The answers of each artifact that has some drawn, once; adds a sentence where they cannot be read."""
    shown = {row.artifact: row for row in reversed(rows) if row.artifact and row.pictures}
    found = []
    for artifact, row in sorted(shown.items())[:MOST_PICTURES]:
        path = folder / Path(artifact).with_name(row.pictures or "")
        try:
            content = read_regular(path, LARGEST_PICTURE)
        except OSError as e:
            problems.append(f"{path}: cannot be read, though a manifest names it ({e.strerror or e})")
            continue
        if content.startswith(PNG):
            found.append((row, content))
        else:
            problems.append(f"{path}: is no PNG, though a manifest names it")
    return found


def _missing(folder: Path, row: Row) -> Iterator[str]:
    """A sentence where an artifact that a manifest describes is not there, or is not of its size."""
    if not row.facts.get("sha256") or row.artifact is None:
        return
    path = folder / row.artifact
    if not os.path.exists(path):
        yield f"{path}: is not there, though its manifest is"
        return
    size = size_of_artifact(path)
    if row.size_bytes is not None and size != row.size_bytes:
        yield f"{path}: has {size} bytes, its manifest says {row.size_bytes}"
