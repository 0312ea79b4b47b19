"""This file is the verb `weights`: which public weights there are, and downloading them beforehand."""

import argparse

from ..artifacts.errors import UsageError
from ..models import Checkpoint, get_checkpoint, list_checkpoints
from .console import Console, table

NAME, HELP = "weights", "the public weights of the zoo: list them, or fetch some into the cache"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "fetch"], metavar="list|fetch", help="show them, or download some")
    parser.add_argument(
        "name",
        nargs="?",
        metavar="MODEL[.TAG]",
        help="a model: list its weights (the first are what `--weights pretrained` takes), or fetch the first; "
        "with a tag: fetch these",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    if args.action == "list":
        return listed(args.name, console)
    if args.name is None:
        raise UsageError("weights fetch: which? Give a model, or a name from `edgeport weights list`")
    return fetched(args.name, console)


def listed(model: str | None, console: Console) -> int:
    from ..models.pretrained import find

    known = [(each, find(each) is not None) for each in list_checkpoints(model)]
    cells = [(each.name, each.licence, "yes" if cached else "-", each.source) for each, cached in known]
    rows = [facts(each) | {"cached": cached} for each, cached in known]
    console.result(rows, table(("weights", "licence", "cached", "source"), cells))
    return 0


def fetched(name: str, console: Console) -> int:
    from ..artifacts.manifest import sha256
    from ..pipeline.sources.zoo import download

    checkpoint = get_checkpoint(name)
    path = download(checkpoint, console).path
    console.result(facts(checkpoint) | {"path": str(path), "sha256": sha256(path)}, str(path))
    return 0


def facts(checkpoint: Checkpoint) -> dict:
    """A checkpoint's facts with the names that `--json` prints."""
    return {
        "name": checkpoint.name,
        "model": checkpoint.model,
        "source": checkpoint.source,
        "licence": checkpoint.licence,
        "differs": dict(checkpoint.differs),
    }
