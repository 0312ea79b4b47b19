"""Writes the README of a bundle."""

from typing import TYPE_CHECKING

from ..reporting.markdown import code, text
from ..targets.accelerators import BY_RULES, Coverage
from .readme_answers import ANSWERS, GOLDEN
from .readme_calls import LANGUAGES, write_calls
from .wrappers import WRAPPERS, pascal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .facts import Facts

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
http://localhost:8080/: it answers for a dropped, pasted or chosen picture, or what the camera shows. site/ is all that
a web server has to hold; package.json pins what it is built of, esbuild among it. In a page of your own, import
src/{calling}.ts and serve model/, golden/ and the runtime's files (wasm/) beside the page, as in site/.

- **Where it runs**: on the graphics card (WebGPU) where the browser has one, the model is not int8, and the outputs
  for a golden image are right there; else on the processor (WebAssembly). `model.note` and the page say why.
  `{name}.open("wasm")` and `open("webgpu")` choose. WebGPU computes in float32.
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
    "android": """\
In the app's folder `./gradlew :vision:test` compares the image arithmetic, to the byte, and the decoding, on a PC;
`./gradlew :vision:connectedAndroidTest` the model on a device. There is no Gradle wrapper in this folder: `gradlew` is
your app's own (`gradle wrapper` makes one where there is none).""",
    "ios": "`swift test` on a Mac, or the package's tests in Xcode on a device.",
    "linux": """\
`python python/test_golden.py` and `build/golden_test .`; with `--exact` the outputs have to be equal to the bit, which
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
Preprocessing.kt, {decoding}.kt, ModelFacts.kt and Golden.kt are compiled by edgeport's tests and reproduce golden files
on a JVM; {name}.kt, VisionModel.kt, ModelRunner.kt and the tests are compiled there against stubs of the interfaces of
Android, LiteRT and JUnit, and what ModelRunner.kt does where an accelerator refuses is run with them. **Not built, and
not run on a phone**: the Gradle module itself.""",
    "ios": """\
The Swift files are **not compiled**: there was no Swift compiler, only a parser that finds no error in them.
Preprocessing.swift and {decoding}.swift follow, step by step, the C++ and Kotlin files that are compiled and tested.
The golden outputs come from edgeport's own reader of the saved .mlpackage, not from Core ML.""",
    "core-ai": """\
**Experimental.** The Swift files are **not compiled**: there was no Swift compiler, only a parser that finds no error
in them; what calls Core AI is written from Apple's documentation. Preprocessing.swift and {decoding}.swift follow, step
by step, the C++ and Kotlin files that are compiled and tested. The golden outputs come from Apple's Core AI runtime on
a CPU: they say nothing of the Neural Engine.""",
    "web": """edgeport's tests check the types, build such pages, and run them with the pinned versions in Chromium, in
WebAssembly and on WebGPU in software: pictures, pixels and inputs are equal to the byte, answers are
the golden ones.""",
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
val model = {name}(context, ModelRunner.Options(Accelerator.GPU, threads = 4, gpuFloat32 = false))
Log.i("vision", "${{model.runner.accelerators}} ${{model.runner.fallbacks}}")
```

- `accelerators` is what the model runs on: `[GPU]`, whole; `[GPU, CPU]`, the CPU has what the GPU does not take, which
  is often slower than the CPU alone; `[CPU]`. `fallbacks` says why it is not what was asked for. A GPU that fails
  later, or gives outputs that are not finite, is left for the CPU, and that is said there, too.
- A GPU computes in float16: some three digits, and nothing above 65504. `gpuFloat32 = true` is exact and slower. The
  outputs may then be off by {gpu_tolerance} (`gpu_tolerance` in bundle.json).{integer}
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
        gpu_tolerance=" and ".join(f"{each.gpu_tolerance:.3g}" for each in facts.answers.outputs),
        name=WRAPPERS[facts.task].name,
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
    runtime, cmake, wrapper = facts.runtime.distribution, facts.runtime.cmake, WRAPPERS[facts.task]
    advice = facts.runtime.advice.get(facts.precision)
    words = {
        "runtime": runtime,
        "cmake": cmake,
        "package": facts.package,
        "advice": f"\n- {advice}." if advice else "",
        "libraries": ", ".join(f"`{library}`" for library in facts.runtime.gradle),
        "kotlin": " and Kotlin 2.2 or newer" if facts.runtime.name == "compiled-model" else "",
        "calling": wrapper.calling,
        "decoding": pascal(wrapper.decoding),
        "name": wrapper.name,
    }
    install, checked = _words(INSTALL, facts).format(**words), _words(CHECKED, facts).format(**words)
    test, language = _words(TESTS, facts).replace("{cmake}", cmake), facts.runtime.name
    if language not in LANGUAGES:
        language = facts.platform
    if runtime and not cmake:  # no C++ wrapper
        install = f"Python needs numpy and {runtime}. There is no C++ wrapper for such artifacts."
        test, checked = "`python python/test_golden.py`; with `--exact` the outputs have to be equal to the bit.", ""
    spec, (channels, height, width) = facts.spec, facts.spec.input_size
    colours = "luminance" if channels == 1 else "BGR" if spec.bgr and not facts.takes_pixels else "RGB"
    number = facts.input_type if facts.integers else "float32"
    goes_in = f"uint8 pixels, {colours}" if facts.takes_pixels else f"{number}, {colours}, normalised"
    how = f"resized ({spec.interpolation}, {_resized(facts)} {width}x{height}"
    taken = (
        f"pixels, {width}x{height}, go to the model as\n  {goes_in}, to the bit as it was checked. "
        f"For that an image was\n  {how}; resize/ does the same."
        if facts.integers
        else f"an RGB image of any size is turned upright by its EXIF orientation, where you give one,\n"
        f"  {how}, and given to the model as\n  {goes_in}. It does so to the bit as the model was checked."
    )
    return f"""# {text(facts.model)}, {text(facts.precision)}, for {facts.platform}

{write_calls(language, wrapper, facts.task, with_cpp=bool(cmake))}

{install}

## What is in it
- {code(facts.artifact)} with its manifest, and labels.txt where the model came with labels. Its verdict:
  {text(facts.verdict)}.
- **Task**: {facts.task}. {_outputs(facts)} {_batches(facts)}
- The wrapper: {taken}
- {ANSWERS[facts.task](facts)}
{write_needs(facts) if facts.integers else ""}\
- Golden files: images (PNG, and the same as PPM), `.pixels` (uint8, h x w x c), `.input` (as the model takes it),
  {_stored(facts)}, little-endian and without headers. Pixels and inputs must be equal to the byte;
  outputs may be off by {_off(facts)} on other hardware (`bundle.json`).{GOLDEN[facts.task] * (not facts.integers)}

{_runs_on(facts)}
## Tests
{test}

{checked}
"""


def _outputs(facts: "Facts") -> str:
    """Which outputs are read."""
    read = ", ".join(
        f"{code(each.name)} ({each.role}, {'x'.join(map(str, each.shape))}, {each.dtype})"
        for each in facts.answers.outputs
    )
    return f"The wrapper reads {read}."


def _batches(facts: "Facts") -> str:
    """How many images at once."""
    takes = "any number of images at once" if facts.batch is None else "one image at a time"
    return f"The model takes {takes}; the wrapper gives it one."


def _stored(facts: "Facts") -> str:
    """What is in `.output`, and in `.answer`."""
    if facts.integers:
        return f"`.output` ({facts.score_type}, the scores)"
    behind = ", one behind the other" if len(facts.answers.outputs) > 1 else ""
    return f"`.output` (float32: {', '.join(code(each.name) for each in facts.answers.outputs)}{behind})"


def _off(facts: "Facts") -> str:
    if facts.integers:
        return f"{int(facts.tolerance)} steps"
    return " and ".join(f"{each.tolerance:.3g}" for each in facts.answers.outputs)


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
