"""What an app writes to get an answer, in each language: for the README of a bundle."""

from ..tasks.registry import CLASSIFY, DETECT, TEXT
from .answers import EMBED, KEYPOINTS, SEGMENT
from .wrappers import Wrapper

# language: the line that opens the model, once
OPENS = {
    "kotlin": "val model = {name}(context)  // once; close() it at the end; all on one thread of its own",
    "swift": "let model = try {name}()  // once",
    "swift async": "let model = try await {name}()  // once",
    "python": "model = {name}()  # once; python/{calling}.py",
    "cpp": 'vision::{name} model("model");  // once; cpp/{calling}.h',
    "typescript": "const model = await {name}.open();  // once; src/{calling}.ts",
}
# language: what is said of the image
IMAGES = {
    "kotlin": "// `bitmap`: a Bitmap of any size; orientation = EXIF's, where it is not upright",
    "swift": "// `image`: a CGImage of any size; orientation: EXIF's, where it is not upright",
    "swift async": "// `image`: a CGImage of any size; orientation: EXIF's, where it is not upright",
    "python": "# `image`: (h, w, 3) uint8, RGB, of any size; orientation=EXIF's, where it is not upright",
    "cpp": "// `image`: a vision::Image, RGB, of any size; the last argument may be EXIF's orientation",
    "typescript": "// `file`: a File or Blob, which src/image.ts turns upright by its EXIF",
}
_KOTLIN, _SWIFT, _PYTHON, _CPP, _TYPESCRIPT = "kotlin", "swift", "python", "cpp", "typescript"
USES = {
    CLASSIFY: {
        _KOTLIN: 'for (each in model.classify(bitmap, count = 5)) Log.i("vision", "${each.label} ${each.score}")',
        _SWIFT: "for each in try model.classify(image, count: 5) { print(each.label, each.score) }",
        _PYTHON: "for each in model.classify(image, count=5): print(each.label, each.score)",
        _CPP: 'for (const auto& each : model.classify(image, 5)) std::cout << each.label << "\\n";',
        _TYPESCRIPT: "for (const each of await model.classify(await decode(file))) console.log(each.label);",
    },
    DETECT: {
        _KOTLIN: 'for (each in model.detect(bitmap)) Log.i("vision", "${each.label} ${each.left} ${each.top}")',
        _SWIFT: "for each in try model.detect(image) { print(each.label, each.score, each.left, each.top) }",
        _PYTHON: "for each in model.detect(image): print(each.label, each.score, each.left, each.top)",
        _CPP: 'for (const auto& each : model.detect(image)) std::cout << each.label << " " << each.left << "\\n";',
        _TYPESCRIPT: "for (const each of await model.detect(await decode(file))) console.log(each.label, each.left);",
    },
    SEGMENT: {
        _KOTLIN: "val map = model.segment(bitmap)  // map.classes[y * map.width + x]",
        _SWIFT: "let map = try model.segment(image)  // map.classes[y * map.width + x]",
        _PYTHON: "classes = model.segment(image)  # (h, w)",
        _CPP: "const vision::ClassMap map = model.segment(image);  // map.classes[y * map.width + x]",
        _TYPESCRIPT: "const map = await model.segment(await decode(file));  // map.classes[y * map.width + x]",
    },
    KEYPOINTS: {
        _KOTLIN: 'for (each in model.detect(bitmap)) Log.i("vision", "${each.index} ${each.x} ${each.y}")',
        _SWIFT: "for each in try model.detect(image) { print(each.index, each.x, each.y, each.score) }",
        _PYTHON: "for each in model.detect(image): print(each.index, each.x, each.y, each.score)",
        _CPP: 'for (const auto& each : model.detect(image)) std::cout << each.x << " " << each.y << "\\n";',
        _TYPESCRIPT: "for (const each of await model.detect(await decode(file))) console.log(each.x, each.y);",
    },
    EMBED: {
        _KOTLIN: "val likeness = cosine(model.embed(bitmap), model.embed(another))",
        _SWIFT: "let likeness = cosine(try model.embed(image), try model.embed(another))",
        _PYTHON: "likeness = cosine(model.embed(image), model.embed(another))",
        _CPP: "const double likeness = vision::cosine(model.embed(image), model.embed(another));",
        _TYPESCRIPT: "const likeness = cosine(await model.embed(await decode(file)), another);",
    },
    TEXT: {
        _KOTLIN: "val text = model.read(bitmap)",
        _SWIFT: "let text = try model.read(image)",
        _PYTHON: "text = model.read(image)",
        _CPP: "const std::string text = model.read(image);",
        _TYPESCRIPT: "const text = await model.read(await decode(file));",
    },
}
LANGUAGES = {
    "android": ("kotlin",),
    "ios": ("swift",),
    "core-ai": ("swift async",),
    "linux": ("python", "cpp"),
    "web": ("typescript",),
}
MICRO = """```cpp
#include "classifier.h"

if (!vision::begin()) stop();              // once
vision::set_pixels(frame);                 // kHeight x kWidth x kChannels bytes, of the camera
if (vision::run()) show(vision::label(vision::best()), vision::score(vision::best()));
```"""


def write_calls(platform: str, wrapper: Wrapper, task: str, *, with_cpp: bool) -> str:
    """The lines, in Markdown; `platform` or the name of its runtime."""
    if platform == "micro":
        return MICRO
    blocks = []
    for language in LANGUAGES[platform]:
        if language == "cpp" and not with_cpp:
            continue
        name, _, waits = language.partition(" ")
        use = USES[task][name].replace("try model", "try await model") if waits else USES[task][name]
        opens = OPENS[language].format(name=wrapper.name, calling=wrapper.calling)
        blocks.append(f"```{name}\n{opens}\n{IMAGES[language]}\n{use}\n```")
    return "\n\n".join(blocks)
