"""Writes the README of a bundle."""

from typing import TYPE_CHECKING

from ..reporting.markdown import code, text

if TYPE_CHECKING:
    from ..targets.accelerators import Coverage
    from .facts import Facts

CALLS = {
    "android": """```kotlin
val classifier = Classifier(context)                 // once; close() it at the end; all on one thread of its own
val best = classifier.classify(bitmap, count = 5)    // a Bitmap; orientation = EXIF's, if not upright
best.forEach { Log.i("vision", "${it.label} ${it.score}") }
```""",
    "ios": """```swift
let classifier = try Classifier()                            // once
let best = try classifier.classify(cgImage, count: 5)        // of any size; orientation: where it is not upright
for each in best { print(each.label, each.score) }
```""",
    "linux": """```python
classifier = Classifier()                            # python/classifier.py
best = classifier.classify(image, count=5)           # (h, w, 3) uint8, RGB, of any size; orientation=EXIF's
for each in best: print(each.label, each.score)
```

```cpp
vision::Classifier classifier("model");              // cpp/classifier.h
const auto best = classifier.classify(image, 5);     // vision::Image: RGB, of any size; then EXIF's orientation
for (const auto& each : best) std::cout << each.label << " " << each.score << "\\n";
```""",
}

INSTALL = {
    "android": """\
This folder is a Gradle module. Copy it beside your app as `vision/`, add `include(":vision")` to settings.gradle.kts
and `implementation(project(":vision"))` to the app's dependencies; its package, for `import`, is {package}. It needs
Android 7 (minSdk 24){kotlin}, and brings LiteRT:
{libraries}.""",
    "ios": """\
This folder is a Swift package. In Xcode: File, Add Package Dependencies, Add Local, and `import ImageModel`. The
.mlpackage is a resource and is compiled on the device the first time.""",
    "linux": """Python needs numpy and the model's runtime ({runtime}). C++17:
`cmake -S cpp -B build {cmake} && cmake --build build`; the library is `image_model`.""",
}

TESTS = {
    "android": """In the app's folder `./gradlew :vision:test` compares the image arithmetic, to the byte, on a PC;
`./gradlew :vision:connectedAndroidTest` the model on a device. There is no Gradle wrapper in this folder: `gradlew` is
your app's own (`gradle wrapper` makes one where there is none).""",
    "ios": "`swift test` on a Mac, or the package's tests in Xcode on a device.",
    "linux": """\
`python python/test_golden.py` and `build/golden_test .`; with `--exact` the scores have to be equal to the bit, which
the runtime's version that is in the manifest gives on a CPU of the same kind.""",
}

CHECKED = {
    "android": """\
Preprocessing.kt, ModelFacts.kt and Golden.kt are compiled by edgeport's tests and reproduce golden files to the byte on
a JVM; Classifier.kt, ModelRunner.kt and the tests are compiled there against stubs of the interfaces of Android, LiteRT
and JUnit, and what ModelRunner.kt does where an accelerator refuses is run with them. **Not built, and not run on a
phone**: the Gradle module itself.""",
    "ios": """\
The Swift files are **not compiled**: there was no Swift compiler, only a parser that finds no error in them.
Preprocessing.swift follows, step by step, the C++ and Kotlin files that are compiled and tested. The golden scores come
from edgeport's own reader of the saved .mlpackage, not from Core ML.""",
    "linux": "edgeport's tests compile the C++ and run both wrappers against golden files like these.",
}


RUNS_ON = {
    "compiled-model": """\
## What it runs on
{wanted}; `ModelRunner.Options` says otherwise:

```kotlin
val classifier = Classifier(context, ModelRunner.Options(Accelerator.GPU, threads = 4, gpuFloat32 = false))
Log.i("vision", "${{classifier.runner.accelerators}} ${{classifier.runner.fallbacks}}")
```

- `accelerators` is what the model runs on: `[GPU]`, whole; `[GPU, CPU]`, the CPU has what the GPU does not take, which
  is often slower than the CPU alone; `[CPU]`. `fallbacks` says why it is not what was asked for. A GPU that fails
  later, or gives scores that are not finite, is left for the CPU, and that is said there, too.
- A GPU computes in float16: some three digits, and nothing above 65504. `gpuFloat32 = true` is exact and slower. The
  scores may then be off by {gpu_tolerance:.3g} (`gpu_tolerance` in bundle.json).{integer}
- `Accelerator.NPU` needs the vendor's libraries in the app, as LiteRT's guide to NPUs says; without them the GPU is
  next.
- The first start compiles for the GPU and takes seconds.
{residency}""",
    "interpreter": """\
## What it runs on
The CPU, in LiteRT's Interpreter; `ModelRunner.Options(threads = 4)`. `edgeport bundle --android-runtime compiled-model`
makes a wrapper that takes the GPU.
""",
}
_INTEGER = """ A GPU computes this int8 model as float of what
  its integers stand for: no faster than a float model, and not as on the CPU; so the CPU is the default."""


def _runs_on(facts: "Facts") -> str:
    """What the section on accelerators says, of an Android bundle."""
    return RUNS_ON.get(facts.runtime.name, "").format(
        wanted="The CPU" if facts.integer else "The GPU, or the CPU where there is none that takes the model",
        gpu_tolerance=facts.gpu_tolerance,
        integer=_INTEGER if facts.integer else "",
        residency="".join(_residency(each) for each in facts.residency),
    )


def _residency(coverage: "Coverage") -> str:
    """What an accelerator takes of the model, as items of a list."""
    head = f"- {coverage}; `edgeport info` measures it where there is one.\n"
    lines = [f"  - not {each.count} {each.operator}: {each.reason}\n" for each in coverage.gaps]
    lines += [f"  - **wrongly** {each.count} {each.operator}: {each.reason}\n" for each in coverage.wrong]
    return head + "".join(lines)


def write_readme(facts: "Facts") -> str:
    """Markdown."""
    runtime, cmake = facts.runtime.distribution, facts.runtime.cmake
    words = {
        "runtime": runtime,
        "cmake": cmake,
        "package": facts.package,
        "libraries": ", ".join(f"`{library}`" for library in facts.runtime.gradle),
        "kotlin": " and Kotlin 2.2 or newer" if facts.runtime.name == "compiled-model" else "",
    }
    call, install = CALLS[facts.platform], INSTALL[facts.platform].format(**words)
    test, checked = TESTS[facts.platform], CHECKED[facts.platform]
    if runtime and not cmake:  # no C++ wrapper
        call = call.partition("\n\n")[0]
        install = f"Python needs numpy and {runtime}. There is no C++ wrapper for such artifacts."
        test, checked = "`python python/test_golden.py`; with `--exact` the scores have to be equal to the bit.", ""
    spec, (channels, height, width) = facts.spec, facts.spec.input_size
    colours = "luminance" if channels == 1 else "BGR" if spec.bgr and not facts.takes_pixels else "RGB"
    goes_in = f"uint8 pixels, {colours}" if facts.takes_pixels else f"float32, {colours}, normalised"
    score = "probabilities" if facts.probabilities else "logits: their order counts, not their size"
    return f"""# {text(facts.model)}, {text(facts.precision)}, for {facts.platform}

{call}

{install}

## What is in it
- {code(facts.artifact)} with its manifest, and labels.txt where the model came with labels. Its verdict:
  {text(facts.verdict)}.
- The wrapper: an RGB image of any size is turned upright by its EXIF orientation, where you give one, resized
  ({spec.interpolation}, {_resized(facts)} {width}x{height}, and given to the model as
  {goes_in}. It does so to the bit as the model was checked.
- Scores are {score}.
- Golden files: images (PNG, and the same as PPM), `.pixels` (uint8, h x w x c), `.input` (as the model takes it),
  `.output` (float32, the scores), little-endian and without headers. Pixels and inputs must be equal to the byte;
  scores may be off by {facts.tolerance:.3g} on other hardware (`bundle.json`).

{_runs_on(facts)}
## Tests
{test}

{checked}
"""


def _resized(facts: "Facts") -> str:
    from ..models.preprocess import cover

    height, width = cover(facts.spec)
    match facts.spec.resize:
        case "crop":
            return f"to cover {width}x{height}), cropped in the centre to"
        case "stretch":
            return f"each side by itself, to {width}x{height}), cropped in the centre to"
    return f"to fit into {width}x{height}), padded on both sides with {facts.spec.pad_value} to"
