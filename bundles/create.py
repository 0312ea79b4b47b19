"""`edgeport.bundle`: a folder with an artifact, a wrapper and golden files, ready to drop into an app."""

import dataclasses
import json
import os
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.check import manifest_path
from ..artifacts.digest import files_of
from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest
from ..artifacts.printable import printable
from ..artifacts.staging import Staging
from ..models.foreign_preprocess import read_preprocess
from ..models.preprocess_facts import from_facts, to_facts
from ..models.stated_preprocess import Preprocess, PreprocessLike
from ..reporting.html_table import html_table
from ..runtime.session import IMAGE, Session
from ..targets.foreign import open_session
from ..targets.registry import artifact_path, target_of, targets
from ..targets.target import AppRuntime
from ..tasks.registry import TEXT
from .android_package import DEFAULT, check_package
from .facts import NO_FOOTPRINT, Facts, collect_facts
from .golden import add_golden, choose_pictures, make_golden
from .layouts import LAYOUTS, write_sources
from .micro import check_footprint, input_of_pixel

PLATFORMS = tuple(LAYOUTS)
MARK = "bundle.json"  # what tells a bundle from a folder of the user's
BAKED_IN = ("mean", "std", "scale", "color")  # of an artifact that takes pixels
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day: the same bundle gives the same bytes


@dataclass(frozen=True, kw_only=True)
class BundleResult:
    """A folder that an app team can drop in.

    Attributes:
        folder: of the bundle.
        zip: the same as a file, None where none was asked for.
        platform: it is for.
        artifact: the name of the artifact in it.
        golden: the names of the golden images.
        files: in it, relative to it.
        warnings: what makes it less than it seems.
    """

    folder: Path
    zip: Path | None
    platform: str
    artifact: str
    golden: tuple[str, ...]
    files: tuple[str, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport bundle --json` prints."""
        return {
            "bundle": str(self.folder),
            "zip": None if self.zip is None else str(self.zip),
            "platform": self.platform,
            "artifact": self.artifact,
            "golden": list(self.golden),
            "files": list(self.files),
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        rows = [("bundle", str(self.folder)), ("artifact", self.artifact), ("files", str(len(self.files)))]
        return html_table([*rows, *(("warning", text) for text in self.warnings)])


def bundle(
    artifact: str | Path,
    platform: str,
    *,
    output: str | Path | None = None,
    zip: bool = False,
    images: str | Path | None = None,
    android_package: str | None = None,
    android_runtime: str | None = None,
    preprocess: PreprocessLike | None = None,
) -> BundleResult:
    """Makes a folder that an app team can drop in: the artifact, a wrapper, golden files, a README.

    Args:
        artifact: that `edgeport.export` made, with its manifest beside it, which says what it is for: classify, detect,
            segment, keypoints, embed or text; for "micro" a classifier.
        platform: "android" (Kotlin), "ios" (Swift), "linux" (C++ and Python), "web" (a page in TypeScript) or "micro"
            (C++ without a heap, for TensorFlow Lite Micro).
        output: the folder to make, in place of a bundle that is there; None for ARTIFACT_PLATFORM, in the working
            folder.
        zip: also makes output.zip, with the same in it.
        images: a folder with photographs for the golden files; None for generated ones.
        android_package: of the Kotlin files and the Android library, as "com.your_company.vision"; None for
            "org.example.vision".
        android_runtime: what runs the model on Android: "compiled-model" (LiteRT's CompiledModel: on the GPU, or on the
            CPU where there is none that takes it), the default, or "interpreter" (LiteRT's Interpreter: on the CPU).
        preprocess: how an image becomes the input, as `edgeport.load` takes it, where the manifest does not say it, or
            otherwise than it says; of an artifact that takes pixels only how an image is resized. The manifest in the
            bundle says it, too.

    Returns:
        What was made.

    Raises:
        UsageError: the platform does not run the artifact, or has no wrapper for its task; the artifact has no
            manifest, or takes images of several sizes; the folder is there and is no bundle; the Android package's name
            is none.
        ArtifactError, ManifestError, RuntimeUnavailable: as `edgeport.open_session`.
        ImageError: a folder without images, or a damaged one.
        WriteError: the folder cannot be written.

    Example:
        >>> edgeport.bundle("artifacts/mobilevit_s/mobilevit_s_int8.tflite", "android").folder
    """
    path = artifact_path(artifact)
    if platform not in LAYOUTS:
        raise UsageError(f"platform: {platform!r} is none of {', '.join(PLATFORMS)}")
    for what, given in (("package", android_package), ("runtime", android_runtime)):
        if given is not None and platform != "android":
            raise UsageError(f"an Android {what} is for platform android, not {platform}")
    package = check_package(DEFAULT if android_package is None else android_package)
    runtime = app_runtime(path, platform, android_runtime)
    footprint = check_footprint(path) if runtime.integers else NO_FOOTPRINT
    session = open_session(path, **runtime.session)  # also checks that the file is the manifest's
    if not os.path.exists(manifest_path(path)):
        raise UsageError(f"{path}: has no manifest beside it; a bundle is made of what `edgeport export` made")
    manifest = stated(Manifest.read(manifest_path(path)), read_preprocess(preprocess), path)
    manifest.check_ports([spec.name for spec in session.inputs], [spec.name for spec in session.outputs], path)
    if manifest.sizes:
        raise UsageError(
            f"{path}: takes images of several sizes ({manifest.sizes}), a bundle's wrapper gives one; export it again "
            "without --dynamic size"
        )
    warnings = () if manifest.verdict == "ok" else (f"{path}: its manifest says {manifest.verdict!r}",)
    if manifest.precision in runtime.advice:
        warnings += (f"{path}: {runtime.advice[manifest.precision]}",)
    target = target_of(path)
    assert target is not None
    opens, tasks = target.device_files(path)[0], LAYOUTS[platform].tasks
    facts = collect_facts(path, platform, manifest, session, runtime, opens, package, tasks)
    check_runtime(path, session, runtime)
    if facts.answers.meaning and facts.task == TEXT and not facts.answers.meaning.labels:
        warnings += (
            f"{path}: came without characters; the wrapper reads the numbers of their classes (export --labels)",
        )
    facts = dataclasses.replace(facts, footprint=footprint)
    if runtime.integers:
        table = input_of_pixel(session, facts.spec, facts.takes_pixels)
        facts = dataclasses.replace(facts, input_of_pixel=table)
    golden = make_golden(facts, session, choose_pictures(images, facts))
    session.close()
    facts = add_golden(facts, golden)
    folder = Path(output or f"{path.name.removesuffix(target.ending)}_{platform}").absolute()
    if os.path.exists(folder) and not os.path.isfile(folder / MARK):
        raise UsageError(f"{folder}: is there already, and is no bundle; give another folder with --output")
    with Staging(folder.parent) as staging, staging.making(folder.name) as place:
        write_bundle(place, path, facts, golden, manifest.to_bytes())
        names = [folder.name]
        if zip:
            names.append(f"{folder.name}.zip")
            pack(place, staging.path(names[-1]))
        staging.publish(names)
    return BundleResult(
        folder=folder,
        zip=folder.with_name(names[-1]) if zip else None,
        platform=platform,
        artifact=facts.artifact,
        golden=facts.golden,
        files=tuple(sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if os.path.isfile(file))),
        warnings=warnings,
    )


def stated(manifest: Manifest, said: Preprocess | None, path: Path) -> Manifest:
    """The manifest with what is said of how an image becomes the input. Raises UsageError where it does not fit."""
    taken = manifest.inputs[0]
    if said is None or len(taken.shape) != 4:
        return manifest
    if taken.dtype == IMAGE and not said.said.keys().isdisjoint(BAKED_IN):
        raise UsageError(f"{path}: takes pixels and normalises them itself; only how an image is resized can be said")
    _, channels, height, width = (dim or 1 for dim in taken.shape)
    known = from_facts(dataclasses.asdict(taken))
    base = dataclasses.replace(known, input_size=(channels, height, width)) if known else None
    try:
        spec, _ = said.complete((channels, height, width), base)
    except UsageError as e:
        raise UsageError(f"{path}: {e}") from e
    return dataclasses.replace(manifest, inputs=(dataclasses.replace(taken, **to_facts(spec)), *manifest.inputs[1:]))


def app_runtime(path: Path, platform: str, name: str | None = None) -> AppRuntime:
    """What runs the artifact on the platform; `name`d where there are several. Raises UsageError where nothing does."""
    target = target_of(path)
    if target is None or platform not in target.app_runtimes:
        runs = (f"*{each.ending}" for each in targets().values() if platform in each.app_runtimes)
        raise UsageError(f"{path}: --platform {platform} takes {' or '.join(runs)}")
    runtime = target.app_runtimes[platform]
    if name in (None, runtime.name):
        return runtime
    if name not in runtime.others:
        raise UsageError(f"android runtime: {name!r} is none of {', '.join((runtime.name, *runtime.others))}")
    return runtime.others[name]


def check_runtime(path: Path, session: Session, runtime: AppRuntime) -> None:
    """Raises UsageError where the platform's runtime cannot open the artifact, or read what it gives."""
    if runtime.single_file and len(files_of(path)) > 1:
        raise UsageError(
            f"{path}: its constants are in a file beside it, above 2 GB; that is more than a browser holds"
        )
    for output in session.outputs:
        if runtime.output_types and output.dtype not in runtime.output_types:
            raise UsageError(
                f"{path}: its output {printable(output.name)} is {output.dtype}, and the platform's runtime reads "
                f"{', '.join(runtime.output_types)} only"
            )


def write_bundle(place: Path, artifact: Path, facts: Facts, golden: dict[str, bytes], manifest: bytes) -> None:
    """Writes the whole bundle into the new folder `place`."""
    layout = LAYOUTS[facts.platform]
    contents = write_sources(facts)
    contents |= {f"{layout.golden}/{name}": content for name, content in golden.items()}
    contents |= layout.generated(facts, artifact, golden)
    contents[f"{layout.model}/{artifact.name}.json"] = manifest
    if facts.labels:
        contents[f"{layout.model}/labels.txt"] = "".join(f"{label}\n" for label in facts.labels).encode()
    contents[MARK] = (json.dumps(facts.to_json(), indent=2, sort_keys=True) + "\n").encode()
    for name, content in contents.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    to = place / layout.model
    if artifact.is_dir():
        shutil.copytree(artifact, to / artifact.name)
        return
    for file in files_of(artifact):
        shutil.copyfile(file, to / file.name)


def pack(folder: Path, to: Path) -> None:
    """Writes a zip of the folder, in it under the folder's name."""
    with zipfile.ZipFile(to, "w") as archive:
        for file in sorted(file for file in folder.rglob("*") if os.path.isfile(file)):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
