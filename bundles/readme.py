"""Writes the README of a bundle."""

from typing import TYPE_CHECKING

from ..reporting.markdown import code, text
from ..targets.accelerators import BY_RULES, Coverage

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    "core-ai": """```swift
let classifier = try await Classifier()                      // once
let best = try await classifier.classify(cgImage, count: 5)  // of any size; orientation: where it is not upright
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
    "web": """```typescript
const classifier = await Classifier.open();                       // once; src/classifier.ts
const best = await classifier.classify(await decode(file), 5);    // a File or Blob; src/image.ts turns it by its EXIF
for (const each of best) console.log(each.label, each.score);
```""",
    "micro": """```cpp
#include "classifier.h"

if (!vision::begin()) stop();              // once
vision::set_pixels(frame);                 // kHeight x kWidth x kChannels bytes, of the camera
if (vision::run()) show(vision::label(vision::best()), vision::score(vision::best()));
```""",
}

DETECT = """```python
detector = Detector()                                # python/detector.py
found = detector.detect(image)                       # (h, w, 3) uint8, RGB, of any size; orientation=EXIF's
for each in found: print(each.label, each.score, each.left, each.top, each.right, each.bottom)
```

```cpp
vision::Detector detector("model");                  // cpp/detector.h
const auto found = detector.detect(image);           // vision::Image: RGB, of any size; then the least score
for (const auto& each : found) std::cout << each.label << " " << each.score << " " << each.left << "\\n";
```"""
SUPPRESSES = {
    True: "the wrapper suppresses boxes of one class that overlap by more than",
    False: "the model's boxes need no suppression any more; it would be at an overlap of",
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
    "core-ai": """\
This folder is a Swift package for iOS 27 and macOS 27. In Xcode: File, Add Package Dependencies, Add Local, and
`import ImageModel`. The .aimodel is a resource and is specialised on the device the first time; Xcode needs its Metal
toolchain for it.""",
    "linux": """Python needs numpy and the model's runtime ({runtime}). C++17:
`cmake -S cpp -B build {cmake} && cmake --build build`; the library is `image_model`.""",
    "web": """\
`npm install && npm start` (Node 20 or later) checks the types, builds a page into site/ and serves it at
http://localhost:8080/: it classifies a dropped, pasted or chosen picture, or what the camera shows. site/ is all that a
web server has to hold; package.json pins what it is built of, esbuild among it. In a page of your own, import
src/classifier.ts and serve model/, golden/ and the runtime's files (wasm/) beside the page, as in site/.

- **Where it runs**: on the graphics card (WebGPU) where the browser has one, the model is not int8, and the scores of a
  golden image are right there; else on the processor (WebAssembly). `classifier.note` and the page say why.
  `Classifier.open("wasm")` and `open("webgpu")` choose. WebGPU computes in float32.
- **Threads** in WebAssembly need two headers of the server: `Cross-Origin-Opener-Policy: same-origin` and
  `Cross-Origin-Embedder-Policy: require-corp`, as serve.mjs sends them. Without them the model runs on one thread.
- **The camera** needs https://, or localhost.
- A picture is read as its file has it: no colour management, no multiplication by alpha, turned by its EXIF
  orientation. It is resized in TypeScript, since a canvas resizes otherwise.{advice}""",
    "micro": """\
Add src/ to the firmware's sources, src/ and model/ to its include folders, and TensorFlow Lite Micro, of any year. With
`-DVISION_ARENA_ATTRIBUTE='__attribute__((section(".sdram")))'`, say, the arena lies in another memory. Where the camera
does not give the size that the model takes, resize/ scales as the model was checked (C++17 with a heap).""",
}

TESTS = {
    "android": """In the app's folder `./gradlew :vision:test` compares the image arithmetic, to the byte, on a PC;
`./gradlew :vision:connectedAndroidTest` the model on a device. There is no Gradle wrapper in this folder: `gradlew` is
your app's own (`gradle wrapper` makes one where there is none).""",
    "ios": "`swift test` on a Mac, or the package's tests in Xcode on a device.",
    "linux": """\
`python python/test_golden.py` and `build/golden_test .`; with `--exact` the scores have to be equal to the bit, which
the runtime's version that is in the manifest gives on a CPU of the same kind.""",
    "web": """\
golden.html (http://localhost:8080/golden.html) runs the golden files in any browser, in WebAssembly and on WebGPU;
`?backend=wasm` or `?backend=webgpu` in one of them.""",
    "micro": """\
`make test TFLM_DIR=FOLDER_OF_TFLITE_MICRO` on a PC, or test/ and src/ in a firmware, prints PASS; so does CMake with
`{cmake}`. TensorFlow Lite Micro's own kernels give the scores to the bit, those of a
vendor (CMSIS-NN, ESP-NN) within the tolerance.""",
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
    "core-ai": """\
**Experimental.** The Swift files are **not compiled**: there was no Swift compiler, only a parser that finds no error
in them; what calls Core AI is written from Apple's documentation. Preprocessing.swift follows, step by step, the C++
and Kotlin files that are compiled and tested. The golden scores come from Apple's Core AI runtime on a CPU: they say
nothing of the Neural Engine.""",
    "web": """edgeport's tests check the types, build such pages, and run them with the pinned versions in Chromium, in
WebAssembly and on WebGPU in software: pictures, pixels and inputs are equal to the byte.""",
    "linux": "edgeport's tests compile the C++ and run both wrappers against golden files like these.",
    "micro": """\
edgeport's tests compile the C++ against declarations of TensorFlow Lite Micro's interface, as it was until 2026 and as
it is since, and run it with the kernels of its Python package: golden scores equal to the bit. **No board has run
it.**""",
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
        wanted="The CPU" if facts.computes_in_int8 else "The GPU, or the CPU where there is none that takes the model",
        gpu_tolerance=facts.gpu_tolerance,
        integer=_INTEGER if facts.computes_in_int8 else "",
        residency="".join(_residency(each) for each in facts.residency),
    )


def _residency(coverage: Coverage) -> str:
    """What an accelerator takes of the model, as items of a list."""
    unmeasured = "; `edgeport info` measures it where there is one" if coverage.source == BY_RULES else ""
    head = f"- {coverage}{unmeasured}.\n"
    lines = [f"  - not {each.count} {each.operator}: {each.reason}\n" for each in coverage.gaps]
    lines += [f"  - **wrongly** {each.count} {each.operator}: {each.reason}\n" for each in coverage.wrong]
    return head + "".join(lines)


def write_readme(facts: "Facts") -> str:
    """Markdown."""
    runtime, cmake = facts.runtime.distribution, facts.runtime.cmake
    advice = facts.runtime.advice.get(facts.precision)
    words = {
        "runtime": runtime,
        "cmake": cmake,
        "package": facts.package,
        "advice": f"\n- {advice}." if advice else "",
        "libraries": ", ".join(f"`{library}`" for library in facts.runtime.gradle),
        "kotlin": " and Kotlin 2.2 or newer" if facts.runtime.name == "compiled-model" else "",
    }
    call, install = DETECT if facts.detection else _words(CALLS, facts), _words(INSTALL, facts).format(**words)
    test, checked = _words(TESTS, facts).replace("{cmake}", cmake), _words(CHECKED, facts)
    if runtime and not cmake:  # no C++ wrapper
        call = call.partition("\n\n")[0]
        install = f"Python needs numpy and {runtime}. There is no C++ wrapper for such artifacts."
        test, checked = "`python python/test_golden.py`; with `--exact` the scores have to be equal to the bit.", ""
    spec, (channels, height, width) = facts.spec, facts.spec.input_size
    colours = "luminance" if channels == 1 else "BGR" if spec.bgr and not facts.takes_pixels else "RGB"
    number = facts.input_type if facts.integers else "float32"
    goes_in = f"uint8 pixels, {colours}" if facts.takes_pixels else f"{number}, {colours}, normalised"
    stored = f"{facts.score_type}, the scores" if facts.integers else "float32, the scores"
    off = f"{int(facts.tolerance)} steps" if facts.integers else f"{facts.tolerance:.3g}"
    how = f"resized ({spec.interpolation}, {_resized(facts)} {width}x{height}"
    taken = (
        f"pixels, {width}x{height}, go to the model as\n  {goes_in}, to the bit as it was checked. "
        f"For that an image was\n  {how}; resize/ does the same."
        if facts.integers
        else f"an RGB image of any size is turned upright by its EXIF orientation, where you give one,\n"
        f"  {how}, and given to the model as\n  {goes_in}. It does so to the bit as the model was checked."
    )
    needs = write_needs(facts) if facts.integers else ""
    score = "probabilities" if facts.probabilities else "logits: their order counts, not their size"
    answers, boxes = f"Scores are {score}", ""
    if facts.detection:
        how = facts.detection
        answers = (
            f"Boxes are left, top, right, bottom in pixels of the upright image, of scores from\n"
            f"  {how['score_threshold']} on; {SUPPRESSES[how['nms']]}\n"
            f"  {how['iou_threshold']}, as the model was checked (`detection` in bundle.json)"
        )
        stored = f"float32: {', '.join(map(code, how['outputs'].values()))}"
        boxes = "\n  `.boxes` are what the wrappers make of the golden outputs: float32, the four sides, score, class."
        off = f"{max(facts.tolerances.values()):.3g}"
    return f"""# {text(facts.model)}, {text(facts.precision)}, for {facts.platform}

{call}

{install}

## What is in it
- {code(facts.artifact)} with its manifest, and labels.txt where the model came with labels. Its verdict:
  {text(facts.verdict)}.
- The wrapper: {taken}
- {answers}.
{needs}\
- Golden files: images (PNG, and the same as PPM), `.pixels` (uint8, h x w x c), `.input` (as the model takes it),
  `.output` ({stored}), little-endian and without headers. Pixels and inputs must be equal to the byte;
  {"outputs" if facts.detection else "scores"} may be off by {off} on other hardware (`bundle.json`).{boxes}

{_runs_on(facts)}
## Tests
{test}

{checked}
"""


def _words(texts: "Mapping[str, str]", facts: "Facts") -> str:
    """Those of the runtime, where it has words of its own, else the platform's."""
    return texts.get(facts.runtime.name, texts[facts.platform])


def write_needs(facts: "Facts") -> str:
    """What the model needs of a microcontroller, as items of a list."""
    need = facts.footprint
    operators = ", ".join(f"{name} ({count})" for name, count in need.operators.items())
    return f"""- Working memory (`kArenaBytes`): {need.arena_bytes:,} bytes, {need.arena_source}.
  That is for a 64-bit process and TensorFlow Lite Micro's own kernels: on 32 bits what the interpreter keeps is
  smaller; kernels of a vendor may want scratch memory on top. `arena_used()` says what a device uses.
- Storage: {need.flash_bytes:,} bytes for the model, read in place, and the code of {len(need.operators)} operators:
  {operators}.
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
