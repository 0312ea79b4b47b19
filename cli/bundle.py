"""This file is the verb `bundle`: a folder with an artifact, a wrapper and golden files, ready to drop into an app."""

import argparse
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import DONE
from .console import Console

if TYPE_CHECKING:
    from ..bundles.facts import Facts

NAME, HELP = "bundle", "make a folder that an app team can drop in: artifact, wrapper, golden files"
PLATFORMS = {  # which artifacts each can run, by how their names end
    "android": (".tflite",),
    "ios": (".mlpackage",),
    "linux": (".tflite", "_openvino_model", ".onnx"),
}
MARK = "bundle.json"  # what tells a bundle from a folder of the user's
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day: the same bundle gives the same bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="a classifier that `edgeport export` made")
    parser.add_argument("--platform", choices=PLATFORMS, required=True, help="Kotlin, Swift, or C++ and Python")
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder to make (default: ARTIFACT_PLATFORM)")
    parser.add_argument("--zip", action="store_true", help="also DIR.zip, with the same in it")
    parser.add_argument("--images", metavar="DIR", help="photographs for the golden files (default: generated ones)")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..artifacts.manifest import Manifest
    from ..artifacts.staging import Staging
    from ..bundles import facts as wrapping
    from ..bundles import golden
    from ..runtime.session import manifest_path, open_session
    from ..targets import registry

    path = registry.artifact(args.artifact)
    session = open_session(path)  # also checks that the file is the manifest's
    if not manifest_path(path).exists():
        raise UsageError(f"{path}: has no manifest beside it; a bundle is made of what `edgeport export` made")
    manifest = Manifest.read(manifest_path(path))
    check(path, args.platform)
    if manifest.verdict != "ok":
        console.warn(f"{path}: its manifest says {manifest.verdict!r}")
    facts = wrapping.facts(path, args.platform, manifest, session)
    made = golden.made(facts, session, golden.pictures(args.images, facts), manifest)
    session.close()
    facts = wrapping.with_golden(facts, made)
    ending = next(ending for ending in PLATFORMS[args.platform] if path.name.endswith(ending))
    folder = Path(args.output or f"{path.name.removesuffix(ending)}_{args.platform}").absolute()
    if folder.exists() and not (folder / MARK).is_file():
        raise UsageError(f"{folder}: is there already, and is no bundle; give another folder with --output")
    with Staging(folder.parent) as staging, staging.making(folder.name) as place:
        write(place, path, facts, made, manifest.to_bytes())
        names = [folder.name]
        if args.zip:
            names.append(f"{folder.name}.zip")
            pack(place, staging.path(names[-1]))
        staging.publish(names)
    value = {
        "bundle": str(folder),
        "zip": str(folder.with_name(names[-1])) if args.zip else None,
        "platform": args.platform,
        "artifact": facts.artifact,
        "golden": list(facts.golden),
        "files": sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()),
        "warnings": console.warnings,
    }
    console.result(value, f"{folder}: {len(value['files'])} files; README.md says how to call it")
    return DONE


def check(path: Path, platform: str) -> None:
    """Raises UsageError where the platform does not run the artifact."""
    if not path.name.endswith(PLATFORMS[platform]):
        runs = " or ".join(f"*{ending}" for ending in PLATFORMS[platform])
        raise UsageError(f"{path}: --platform {platform} takes {runs}")


def write(place: Path, artifact: Path, facts: "Facts", made: dict[str, bytes], manifest: bytes) -> None:
    """The whole bundle into the new folder `place`."""
    import shutil

    from ..bundles.facts import LAYOUTS, files

    layout = LAYOUTS[facts.platform]
    contents = files(facts)
    contents |= {f"{layout.golden}/{name}": content for name, content in made.items()}
    contents[f"{layout.model}/{artifact.name}.json"] = manifest
    if facts.labels:
        contents[f"{layout.model}/labels.txt"] = "".join(f"{label}\n" for label in facts.labels).encode()
    contents[MARK] = (json.dumps(facts.as_json(), indent=2, sort_keys=True) + "\n").encode()
    for name, content in contents.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    to = place / layout.model / artifact.name
    shutil.copytree(artifact, to) if artifact.is_dir() else shutil.copyfile(artifact, to)


def pack(folder: Path, to: Path) -> None:
    """A zip of the folder, in it under the folder's name."""
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
