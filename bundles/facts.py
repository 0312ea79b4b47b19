"""This file says what the wrapper of a bundle has to know, and writes it in the wrapper's own language."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest
from ..models import PreprocessSpec
from ..models.preprocess import cover
from ..runtime.session import IMAGE, Session
from .golden import tolerance
from .readme import readme


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is the same in every language.

    Attributes:
        artifact: the file or folder, by its name.
        opened: what the runtime opens: that, or the .xml in it.
        scores, scores_index: the output with a number for each class.
        takes_pixels: uint8 goes in; else float32, normalised.
        nhwc: its layout, else nchw.
        golden: the names of the golden images.
        tolerance: what a score may be off.
        verdict: the manifest's.
    """

    platform: str
    model: str
    precision: str
    artifact: str
    opened: str
    input_name: str
    scores: str
    scores_index: int
    spec: PreprocessSpec
    takes_pixels: bool
    nhwc: bool
    labels: tuple[str, ...]
    verdict: str
    golden: tuple[str, ...] = ()
    tolerance: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For bundle.json, which the Python wrapper reads."""
        channels, height, width = self.spec.input_size
        cover_height, cover_width = cover(self.spec)
        how = {
            "channels": channels,
            "height": height,
            "width": width,
            "cover_height": cover_height,
            "cover_width": cover_width,
            "interpolation": self.spec.interpolation,
            "mean": list(self.spec.mean),
            "std": list(self.spec.std),
            "normalises": not self.takes_pixels,
            "layout": "nhwc" if self.nhwc else "nchw",
        }
        told = ("platform", "model", "precision", "artifact", "scores", "verdict", "golden", "tolerance")
        return {name: getattr(self, name) for name in told} | {"preprocessing": how}


def facts(path: Path, platform: str, manifest: Manifest, session: Session) -> Facts:
    """Raises UsageError unless the artifact takes one image and gives one score for each class."""
    taken = manifest.inputs[0]
    if len(manifest.inputs) != 1 or not (taken.mean and taken.std and taken.interpolation and taken.crop_pct):
        raise UsageError(f"{path}: takes no image that its manifest describes; a bundle is for models of one image")
    scored = [i for i, out in enumerate(session.outputs) if len(out.shape) == 2 and out.shape[0] == 1 != out.shape[1]]
    if not scored or session.outputs[scored[0]].dtype != "float32":
        shapes = [spec.shape for spec in session.outputs]
        raise UsageError(f"{path}: gives {shapes}; a bundle is for classifiers, with an output of shape (1, classes)")
    _, channels, height, width = (dim or 1 for dim in taken.shape)
    return Facts(
        platform=platform,
        model=manifest.model,
        precision=manifest.precision,
        artifact=path.name,
        opened=next((f"{path.name}/{xml.name}" for xml in path.glob("*.xml")), path.name),
        input_name=taken.name,
        scores=session.outputs[scored[0]].name,
        scores_index=scored[0],
        spec=PreprocessSpec(
            input_size=(channels, height, width),
            mean=taken.mean,
            std=taken.std,
            interpolation=taken.interpolation,
            crop_pct=taken.crop_pct,
        ),
        takes_pixels=taken.dtype == IMAGE,
        nhwc=taken.layout == "nhwc",
        labels=manifest.outputs[scored[0]].labels or (),
        verdict=manifest.verdict,
    )


def with_golden(known: Facts, made: dict[str, bytes]) -> Facts:
    """The facts and what the golden files say."""
    names = tuple(sorted({name.partition(".")[0] for name in made}))
    return dataclasses.replace(known, golden=names, tolerance=tolerance(made, known.precision))


@dataclass(frozen=True)
class Layout:
    """Where things lie in a bundle.

    Attributes:
        sources: {file of the wrappers package: its place}.
        facts: the place of the facts in the wrapper's language, and what writes them; None where it reads bundle.json.
    """

    model: str
    golden: str
    sources: dict[str, str]
    facts: tuple[str, Callable[[Facts], str]] | None


RUNTIMES = {"cpp/model_litert.cpp": ".tflite", "cpp/model_openvino.cpp": "_openvino_model"}  # which artifacts need it


def files(known: Facts) -> dict[str, bytes]:
    """{place: content} of the wrapper and its README."""
    layout = LAYOUTS[known.platform]
    root = resources("edgeport.bundles.templates")
    contents = {
        place: root.joinpath(source).read_bytes()
        for source, place in layout.sources.items()
        if RUNTIMES.get(source, "") in known.artifact
    }
    contents["README.md"] = readme(known).encode()
    if layout.facts:
        place, write = layout.facts
        contents[place] = write(known).encode()
    if known.artifact.endswith(".onnx"):
        contents = {place: content for place, content in contents.items() if not place.startswith("cpp/")}
    return contents


def cpp(known: Facts) -> str:
    """model_facts.h"""
    how = known.as_json()["preprocessing"]
    mean, std = (", ".join(f"{number!r}f" for number in _three(how[key])) for key in ("mean", "std"))
    sizes = ", ".join(str(how[key]) for key in ("channels", "height", "width", "cover_height", "cover_width"))
    golden = ", ".join(f'"{name}"' for name in known.golden)
    return f"""// What this model takes; written by edgeport.
#pragma once

#include "preprocess.h"

namespace vision {{

inline constexpr const char* kArtifact = "{known.opened}";
inline constexpr const char* kScores = "{known.scores}";
inline constexpr Preprocessing kPreprocessing{{
    {sizes}, Filter::{how["interpolation"]}, {{{mean}}}, {{{std}}}, {_bool(how["normalises"])}, {_bool(known.nhwc)}}};
inline constexpr const char* kGolden[] = {{{golden}}};
inline constexpr float kTolerance = {known.tolerance!r}f;

}}  // namespace vision
"""


def kotlin(known: Facts) -> str:
    """ModelFacts.kt"""
    how = known.as_json()["preprocessing"]
    mean, std = (f"floatArrayOf({', '.join(f'{number!r}f' for number in how[key])})" for key in ("mean", "std"))
    golden = ", ".join(f'"{name}"' for name in known.golden)
    return f"""// What this model takes; written by edgeport.
package vision

object ModelFacts {{
    const val ARTIFACT = "{known.artifact}"
    const val SCORES = {known.scores_index} // the output "{known.scores}"
    const val TOLERANCE = {known.tolerance!r}f
    val golden = listOf({golden})
    val preprocessing = Preprocessing(
        channels = {how["channels"]},
        height = {how["height"]},
        width = {how["width"]},
        coverHeight = {how["cover_height"]},
        coverWidth = {how["cover_width"]},
        filter = Filter.{how["interpolation"].upper()},
        mean = {mean},
        std = {std},
        normalises = {_bool(how["normalises"])},
        nhwc = {_bool(known.nhwc)}
    )
}}
"""


def swift(known: Facts) -> str:
    """ModelFacts.swift"""
    how = known.as_json()["preprocessing"]
    golden = ", ".join(f'"{name}"' for name in known.golden)
    return f"""// What this model takes; written by edgeport.
enum ModelFacts {{
    static let artifact = "{known.artifact}"
    static let input = "{known.input_name}"
    static let scores = "{known.scores}"
    static let tolerance: Float = {known.tolerance!r}
    static let golden: [String] = [{golden}]
    static let preprocessing = Preprocessing(
        channels: {how["channels"]}, height: {how["height"]}, width: {how["width"]},
        coverHeight: {how["cover_height"]}, coverWidth: {how["cover_width"]}, filter: .{how["interpolation"]},
        mean: {list(how["mean"])}, std: {list(how["std"])}, normalises: {_bool(how["normalises"])})
}}
"""


def _three(numbers: list[float]) -> list[float]:
    return [*numbers, *[0.0, 0.0]][:3] if len(numbers) < 3 else numbers


def _bool(value: bool) -> str:
    return "true" if value else "false"


_CPP = ("CMakeLists.txt", "classifier.h", "golden_test.cpp", "model.h", "preprocess.cpp", "preprocess.h")
_SWIFT = "Sources/ImageModel"
_KOTLIN = "src/main/kotlin/vision"
LAYOUTS = {
    "linux": Layout(
        model="model",
        golden="golden",
        sources={f"python/{name}": f"python/{name}" for name in ("preprocess.py", "classifier.py", "test_golden.py")}
        | {f"cpp/{name}": f"cpp/{name}" for name in (*_CPP, "model_litert.cpp", "model_openvino.cpp")},
        facts=("cpp/model_facts.h", cpp),
    ),
    "android": Layout(
        model="src/main/assets",
        golden="src/golden/files/golden",
        sources={
            "kotlin/build.gradle.kts": "build.gradle.kts",
            "kotlin/AndroidManifest.xml": "src/main/AndroidManifest.xml",
            "kotlin/Preprocessing.kt": f"{_KOTLIN}/Preprocessing.kt",
            "kotlin/Classifier.kt": f"{_KOTLIN}/Classifier.kt",
            "kotlin/Golden.kt": "src/golden/kotlin/vision/Golden.kt",
            "kotlin/GoldenTest.kt": "src/test/kotlin/vision/GoldenTest.kt",
            "kotlin/GoldenDeviceTest.kt": "src/androidTest/kotlin/vision/GoldenDeviceTest.kt",
        },
        facts=(f"{_KOTLIN}/ModelFacts.kt", kotlin),
    ),
    "ios": Layout(
        model=f"{_SWIFT}/model",
        golden="Tests/ImageModelTests/golden",
        sources={
            "swift/Package.swift": "Package.swift",
            "swift/Preprocessing.swift": f"{_SWIFT}/Preprocessing.swift",
            "swift/Classifier.swift": f"{_SWIFT}/Classifier.swift",
            "swift/GoldenTests.swift": "Tests/ImageModelTests/GoldenTests.swift",
        },
        facts=(f"{_SWIFT}/ModelFacts.swift", swift),
    ),
}
