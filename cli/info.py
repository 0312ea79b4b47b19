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
    from ..targets.registry import artifact, is_artifact

    facts = of_artifact(artifact(args.what)) if is_artifact(args.what) else of_model(args.what)
    console.result(facts, "\n".join(f"{key:15} {SHOWN.get(key, text)(value)}" for key, value in facts.items()))
    return 0


def of_model(name: str) -> dict:
    """The facts of a zoo model; `passed`: {target: precisions}, None where the export matrix has not run it."""
    from ..models import get_variant, list_checkpoints
    from ..models.export_status import EXPORT_STATUS

    weights = [
        {"name": each.name, "licence": each.licence, "source": each.source, "differs": dict(each.differs)}
        for each in list_checkpoints(name)
    ]
    return dataclasses.asdict(get_variant(name)) | {"weights": weights, "passed": EXPORT_STATUS.get(name)}


def of_artifact(path: Path) -> dict:
    """What an artifact takes and gives, and its manifest where one lies beside it."""
    from ..artifacts.manifest import Artifact, Manifest
    from ..pipeline.describe import partitions
    from ..runtime.session import manifest_path, open_session

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
        "delegate_partitions": partitions(session),
        "manifest": json.loads(Manifest.read(beside).to_bytes()) if beside.exists() else None,
    }
    session.close()
    return facts


def millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def licences(weights: list[dict]) -> str:
    """The public weights with their licences."""
    return ", ".join(f"{each['name']} ({each['licence']})" for each in weights) or "none are public"


def exports(passed: dict[str, tuple[str, ...]] | None) -> str:
    """What passed, by target."""
    if passed is None:
        return "not run"
    return "; ".join(f"{target} {' '.join(precisions) or 'nothing'}" for target, precisions in passed.items())


SHOWN = {"params": millions, "macs": millions, "weights": licences, "passed": exports}  # of a model


def text(value) -> str:
    """A value for people."""
    if isinstance(value, dict):
        return json.dumps(value, indent=2, ensure_ascii=False)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{each['name']} {each['shape']} {each['dtype']}" for each in value)
    return str(value)
