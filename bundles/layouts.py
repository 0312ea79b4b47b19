"""Where things lie in a bundle of each platform, and what writes the facts in the wrapper's own language."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files as resources
from pathlib import Path

from . import literals, micro
from .android_package import DEFAULT
from .cpp_facts import write_preprocessing
from .detection import write_decoding
from .facts import Facts
from .literals import truth
from .readme import write_readme
from .typescript import write_typescript


@dataclass(frozen=True)
class Layout:
    """Where things lie in a bundle.

    Attributes:
        sources: {file of the wrappers package: its place}.
        facts: the place of the facts in the wrapper's language, and what writes them; None where it reads bundle.json.
        detector: the same of a detector's; empty where the platform has no wrapper for boxes.
        generated: (facts, artifact, golden files) -> {place: content} of what else depends on the model.
    """

    model: str
    golden: str
    sources: dict[str, str]
    facts: tuple[str, Callable[[Facts], str]] | None
    detector: dict[str, str] = field(default_factory=dict)
    generated: Callable[[Facts, Path, dict[str, bytes]], dict[str, bytes]] = lambda facts, artifact, golden: {}


def write_sources(known: Facts) -> dict[str, bytes]:
    """{place: content} of the wrapper and its README."""
    layout = LAYOUTS[known.platform]
    root, sources = resources("edgeport.bundles.templates"), layout.detector if known.detection else layout.sources
    package = known.package.encode()
    litert = "\n    ".join(f'implementation("{library}")' for library in known.runtime.gradle).encode()
    contents = {
        _place(place, known): root.joinpath(source).read_bytes().replace(PACKAGE, package).replace(LITERT, litert)
        for source, place in (sources | dict(known.runtime.sources)).items()
    }
    contents["README.md"] = write_readme(known).encode()
    if layout.facts:
        place, write = layout.facts
        contents[_place(place, known)] = write(known).encode()
    if known.runtime.distribution and not known.runtime.cmake:  # no C++ wrapper
        contents = {place: content for place, content in contents.items() if not place.startswith("cpp/")}
    return contents


def _place(place: str, known: Facts) -> str:
    return place.replace("PACKAGE", known.package.replace(".", "/"))


def write_cpp(known: Facts) -> str:
    """model_facts.h"""
    golden = ", ".join(map(literals.cpp, known.golden))
    if known.detection:
        own, header = write_decoding(known.detection, known.tolerances), "detection.h"
    else:
        own = f"inline constexpr float kTolerance = {known.tolerance!r}f;\n"
        own += f"inline constexpr const char* kScores = {literals.cpp(known.scores)};\n"
        header = "preprocess.h"
    return f"""// What this model takes; written by edgeport.
#pragma once

#include "{header}"

namespace vision {{

inline constexpr const char* kArtifact = {literals.cpp(known.opened)};
{write_preprocessing(known)}inline constexpr const char* kGolden[] = {{{golden}}};
{own}
}}  // namespace vision
"""


def write_kotlin(known: Facts) -> str:
    """ModelFacts.kt"""
    how = known.to_json()["preprocessing"]
    mean, std = (f"floatArrayOf({', '.join(f'{number!r}f' for number in how[key])})" for key in ("mean", "std"))
    golden = ", ".join(map(literals.kotlin, known.golden))
    return f"""// What this model takes; written by edgeport.
package {known.package}

object ModelFacts {{
    const val ARTIFACT = {literals.kotlin(known.artifact)}
    const val INTEGER = {truth(known.computes_in_int8)} // int8 arithmetic
    const val INPUT_BYTES = {known.input_bytes}
    const val SCORES = {known.scores_index} // their place among the outputs
    const val TOLERANCE = {known.tolerance!r}f
    const val GPU_TOLERANCE = {known.gpu_tolerance!r}f
    val golden = listOf({golden})
    val preprocessing = Preprocessing(
        channels = {how["channels"]},
        height = {how["height"]},
        width = {how["width"]},
        coverHeight = {how["cover_height"]},
        coverWidth = {how["cover_width"]},
        resize = Resize.{how["resize"].upper()},
        padValue = {how["pad_value"]},
        filter = Filter.{how["interpolation"].upper()},
        bgr = {truth(how["bgr"])},
        divisor = {how["divisor"]!r}f,
        mean = {mean},
        std = {std},
        normalises = {truth(how["normalises"])},
        nhwc = {truth(known.nhwc)}
    )
}}
"""


def write_swift(known: Facts) -> str:
    """ModelFacts.swift"""
    how = known.to_json()["preprocessing"]
    golden = ", ".join(map(literals.swift, known.golden))
    return f"""// What this model takes; written by edgeport.
enum ModelFacts {{
    static let artifact = {literals.swift(known.artifact)}
    static let input = {literals.swift(known.input_name)}
    static let scores = {literals.swift(known.scores)}
    static let tolerance: Float = {known.tolerance!r}
    static let golden: [String] = [{golden}]
    static let preprocessing = Preprocessing(
        channels: {how["channels"]}, height: {how["height"]}, width: {how["width"]},
        coverHeight: {how["cover_height"]}, coverWidth: {how["cover_width"]},
        resize: .{how["resize"]}, padValue: {how["pad_value"]}, filter: .{how["interpolation"]},
        bgr: {truth(how["bgr"])}, divisor: {how["divisor"]!r},
        mean: {list(how["mean"])}, std: {list(how["std"])}, normalises: {truth(how["normalises"])})
}}
"""


_CPP_BOXES = (
    *("CMakeLists.txt", "detection.cpp", "detection.h", "detector.h", "model.h"),
    *("preprocess.cpp", "preprocess.h"),
)
_CPP = ("CMakeLists.txt", "classifier.h", "golden_test.cpp", "model.h", "preprocess.cpp", "preprocess.h")
_SWIFT = "Sources/ImageModel"
_WEB = ("index.html", "golden.html", "page.css", "tsconfig.json", "build.mjs", "serve.mjs")
_TYPESCRIPT = ("preprocessing", "image", "facts", "runtime_types", "classifier", "page", "golden")
_KOTLIN = "src/main/kotlin/PACKAGE"
PACKAGE = DEFAULT.encode()  # in the templates, too
_MICRO = {
    "src": ("classifier.h", "classifier.cc"),
    "test": ("golden_data.h", "golden_test.cc"),
    ".": ("Makefile", "CMakeLists.txt"),
}
LITERT = b"// LITERT"  # in build.gradle.kts
LAYOUTS = {
    "linux": Layout(
        model="model",
        golden="golden",
        sources={f"python/{name}": f"python/{name}" for name in ("preprocess.py", "classifier.py", "test_golden.py")}
        | {f"cpp/{name}": f"cpp/{name}" for name in _CPP},
        facts=("cpp/model_facts.h", write_cpp),
        detector={
            **{f"python/{name}": f"python/{name}" for name in ("preprocess.py", "detection.py", "detector.py")},
            "python/test_golden_boxes.py": "python/test_golden.py",
            **{f"cpp/{name}": f"cpp/{name}" for name in _CPP_BOXES},
            "cpp/golden_boxes_test.cpp": "cpp/golden_test.cpp",
        },
    ),
    "android": Layout(
        model="src/main/assets",
        golden="src/golden/files/golden",
        sources={
            "kotlin/build.gradle.kts": "build.gradle.kts",
            "kotlin/AndroidManifest.xml": "src/main/AndroidManifest.xml",
            "kotlin/Preprocessing.kt": f"{_KOTLIN}/Preprocessing.kt",
            "kotlin/Classifier.kt": f"{_KOTLIN}/Classifier.kt",
            "kotlin/Golden.kt": "src/golden/kotlin/PACKAGE/Golden.kt",
            "kotlin/GoldenTest.kt": "src/test/kotlin/PACKAGE/GoldenTest.kt",
        },
        facts=(f"{_KOTLIN}/ModelFacts.kt", write_kotlin),
    ),
    "ios": Layout(
        model=f"{_SWIFT}/model",
        golden="Tests/ImageModelTests/golden",
        sources={
            "swift/Preprocessing.swift": f"{_SWIFT}/Preprocessing.swift",
            "swift/Recognition.swift": f"{_SWIFT}/Recognition.swift",
            "swift/GoldenTests.swift": "Tests/ImageModelTests/GoldenTests.swift",
        },
        facts=(f"{_SWIFT}/ModelFacts.swift", write_swift),
    ),
    "web": Layout(
        model="model",
        golden="golden",
        sources={f"web/{name}": name for name in (*_WEB, *(f"src/{name}.ts" for name in _TYPESCRIPT))},
        facts=("src/model_facts.ts", write_typescript),
    ),
    "micro": Layout(
        model="model",
        golden="golden",
        sources={
            f"micro/{name}": name if folder == "." else f"{folder}/{name}"
            for folder, names in _MICRO.items()
            for name in names
        }
        | {f"cpp/preprocess.{ending}": f"resize/preprocess.{ending}" for ending in ("h", "cpp")},
        facts=("resize/preprocessing.h", micro.write_resizing),
        generated=micro.write_generated,
    ),
}
