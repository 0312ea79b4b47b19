"""Where things lie in a bundle of each platform, and what writes the facts in the wrapper's own language."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from ..tasks.registry import CLASSIFY
from . import literals, micro, records
from .android_package import DEFAULT
from .cpp_facts import write_preprocessing
from .facts import Facts
from .literals import truth
from .readme import write_readme
from .typescript import write_typescript
from .wrappers import WRAPPERS, Wrapper, pascal


@dataclass(frozen=True)
class Layout:
    """Where things lie in a bundle.

    Attributes:
        sources: {file of the wrappers package: its place}.
        facts: the place of the facts in the wrapper's language, and what writes them; None where it reads bundle.json.
        tasks: that the platform has wrappers for.
        wrapper: (task's wrapper) -> {file of the wrappers package: its place}, beside the sources.
        generated: (facts, artifact, golden files) -> {place: content} of what else depends on the model.
    """

    model: str
    golden: str
    sources: dict[str, str]
    facts: tuple[str, Callable[[Facts], str]] | None
    tasks: tuple[str, ...] = tuple(WRAPPERS)
    wrapper: Callable[[Wrapper], dict[str, str]] = lambda wrapper: {}
    generated: Callable[[Facts, Path, dict[str, bytes]], dict[str, bytes]] = lambda facts, artifact, golden: {}


def write_sources(known: Facts) -> dict[str, bytes]:
    """{place: content} of the wrapper and its README."""
    layout, wrapper = LAYOUTS[known.platform], WRAPPERS[known.task]
    root, sources = resources("edgeport.bundles.templates"), layout.sources | layout.wrapper(wrapper)
    litert = "\n    ".join(f'implementation("{library}")' for library in known.runtime.gradle)
    words = {PACKAGE: known.package.encode(), LITERT: litert.encode(), **_named(wrapper)}
    if known.platform == "ios" and not known.runtime.waits:  # the templates are as a runtime wants them that waits
        words |= {b" async throws": b" throws", b"await ": b""}
    contents = {}
    for source, place in (sources | dict(known.runtime.sources)).items():
        content = root.joinpath(source).read_bytes()
        for word, own in words.items():
            content = content.replace(word, own)
        contents[_place(place, known)] = content
    contents["README.md"] = write_readme(known).encode()
    if layout.facts:
        place, write = layout.facts
        contents[_place(place, known)] = write(known).encode()
    if known.runtime.distribution and not known.runtime.cmake:  # no C++ wrapper
        contents = {place: content for place, content in contents.items() if not place.startswith("cpp/")}
    return contents


def _named(wrapper: Wrapper) -> dict[bytes, bytes]:
    """Where a template that all tasks have names the classifier: what it names instead."""
    classifier = WRAPPERS[CLASSIFY]
    imports = ("from {0} import ", "{2} as Wrapper", '"./{0}.js"', '"./{0}_view.js"', '"./{1}.js"')
    return {
        line.format(classifier.calling, classifier.decoding, classifier.name).encode(): line.format(
            wrapper.calling, wrapper.decoding, wrapper.name
        ).encode()
        for line in imports
    }


def _place(place: str, known: Facts) -> str:
    return place.replace("PACKAGE", known.package.replace(".", "/"))


def write_cpp(known: Facts) -> str:
    """model_facts.h"""
    golden = ", ".join(map(literals.cpp, known.golden))
    return f"""// What this model takes; written by edgeport.
#pragma once

#include "{WRAPPERS[known.task].decoding}.h"
#include "preprocess.h"

namespace vision {{

inline constexpr const char* kArtifact = {literals.cpp(known.opened)};
{write_preprocessing(known)}inline constexpr const char* kGolden[] = {{{golden}}};
{records.cpp(known.answers)}
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
{records.kotlin(known.answers)}}}
"""


def write_swift(known: Facts) -> str:
    """ModelFacts.swift"""
    how = known.to_json()["preprocessing"]
    golden = ", ".join(map(literals.swift, known.golden))
    return f"""// What this model takes; written by edgeport.
enum ModelFacts {{
    static let artifact = {literals.swift(known.artifact)}
    static let input = {literals.swift(known.input_name)}
    static let golden: [String] = [{golden}]
    static let preprocessing = Preprocessing(
        channels: {how["channels"]}, height: {how["height"]}, width: {how["width"]},
        coverHeight: {how["cover_height"]}, coverWidth: {how["cover_width"]},
        resize: .{how["resize"]}, padValue: {how["pad_value"]}, filter: .{how["interpolation"]},
        bgr: {truth(how["bgr"])}, divisor: {how["divisor"]!r},
        mean: {list(how["mean"])}, std: {list(how["std"])}, normalises: {truth(how["normalises"])})
{records.swift(known.answers)}}}
"""


_PYTHON = ("python/preprocess.py", "python/vision_model.py", "python/test_golden.py")
_CPP = (
    *("cpp/CMakeLists.txt", "cpp/golden_test.cpp", "cpp/model.h", "cpp/outputs.h", "cpp/preprocess.cpp"),
    *("cpp/preprocess.h", "cpp/vision_model.h"),
)
_SWIFT = "Sources/ImageModel"
_WEB = ("index.html", "golden.html", "page.css", "tsconfig.json", "build.mjs", "serve.mjs")
_TYPESCRIPT = (
    *("preprocessing", "image", "facts", "runtime_types", "outputs", "vision_model", "view_types", "page", "golden"),
)
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
        sources={name: name for name in (*_PYTHON, *_CPP)},
        facts=("cpp/model_facts.h", write_cpp),
        wrapper=lambda task: {
            name: name
            for name in (
                *(f"python/{task.decoding}.py", f"python/{task.calling}.py"),
                *(f"cpp/{task.decoding}.h", f"cpp/{task.decoding}.cpp", f"cpp/{task.calling}.h"),
            )
        },
    ),
    "android": Layout(
        model="src/main/assets",
        golden="src/golden/files/golden",
        sources={
            "kotlin/build.gradle.kts": "build.gradle.kts",
            "kotlin/AndroidManifest.xml": "src/main/AndroidManifest.xml",
            **{f"kotlin/{name}.kt": f"{_KOTLIN}/{name}.kt" for name in ("Preprocessing", "Outputs", "VisionModel")},
            "kotlin/Golden.kt": "src/golden/kotlin/PACKAGE/Golden.kt",
            "kotlin/GoldenTest.kt": "src/test/kotlin/PACKAGE/GoldenTest.kt",
            "kotlin/GoldenOutputs.kt": "src/androidTest/kotlin/PACKAGE/GoldenOutputs.kt",
        },
        wrapper=lambda task: {
            f"kotlin/{name}.kt": f"{_KOTLIN}/{name}.kt" for name in (pascal(task.decoding), task.name)
        },
        facts=(f"{_KOTLIN}/ModelFacts.kt", write_kotlin),
    ),
    "ios": Layout(
        model=f"{_SWIFT}/model",
        golden="Tests/ImageModelTests/golden",
        sources={
            **{f"swift/{name}.swift": f"{_SWIFT}/{name}.swift" for name in ("Preprocessing", "Outputs", "VisionModel")},
            "swift/GoldenTests.swift": "Tests/ImageModelTests/GoldenTests.swift",
        },
        wrapper=lambda task: {
            f"swift/{name}.swift": f"{_SWIFT}/{name}.swift" for name in (pascal(task.decoding), task.name)
        },
        facts=(f"{_SWIFT}/ModelFacts.swift", write_swift),
    ),
    "web": Layout(
        model="model",
        golden="golden",
        sources={f"web/{name}": name for name in (*_WEB, *(f"src/{name}.ts" for name in _TYPESCRIPT))},
        wrapper=lambda task: {
            f"web/src/{name}.ts": f"src/{name}.ts" for name in (task.decoding, task.calling, f"{task.calling}_view")
        },
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
        tasks=(CLASSIFY,),
        generated=micro.write_generated,
    ),
}
