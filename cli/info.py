"""This file is the verb `info`: all that is known of a model, or of an artifact."""

import argparse
import dataclasses
import json
from pathlib import Path

from .console import Console

NAME, HELP = "info", "all that is known of a model or an artifact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="MODEL|ARTIFACT", help="a name from `edgeport list`, or a file")


def run(args: argparse.Namespace, console: Console) -> int:
    from .targets import artifact, is_artifact

    facts = of_artifact(artifact(args.what)) if is_artifact(args.what) else of_model(args.what)
    console.result(facts, "\n".join(f"{key:15} {text(value)}" for key, value in facts.items()))
    return 0


def of_model(name: str) -> dict:
    """The facts of a zoo model."""
    from ..models import get_variant

    return dataclasses.asdict(get_variant(name))


def of_artifact(path: Path) -> dict:
    """What an artifact takes and gives, and its manifest where one lies beside it."""
    from ..exporters.manifest import Artifact, Manifest
    from ..runtime.session import manifest_path, open_session
    from .description import partitions

    session = open_session(path)
    beside = manifest_path(path)
    facts = {
        "artifact": str(path),
        "size_bytes": Artifact.of(path).size_bytes,
        "inputs": [dataclasses.asdict(spec) for spec in session.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in session.outputs],
        "runtime": session.runtime,
        "emulated": session.emulated,
        "load_ms": session.load_ms,
        "delegate_partitions": partitions(path),
        "manifest": json.loads(Manifest.read(beside).to_bytes()) if beside.exists() else None,
    }
    session.close()
    return facts


def text(value) -> str:
    """A value for people."""
    if isinstance(value, dict):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{each['name']} {each['shape']} {each['dtype']}" for each in value)
    return str(value)
