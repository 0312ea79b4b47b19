"""Write what a microcontroller's bundle has beside its templates: the model and the golden vectors as C arrays."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..artifacts.check import manifest_path
from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest
from ..models import PreprocessSpec
from ..runtime.footprint import Footprint
from ..runtime.session import Portable, Session
from ..targets.registry import check_artifact
from . import literals
from .cpp_facts import write_preprocessing
from .facts import Facts
from .literals import truth

LARGEST_ARRAY = 2**19  # bytes of a file that a compiler reads as numbers; a larger one is included by the assembler
_LINE = 24  # numbers
_FROM = {"int8": np.int8, "uint8": np.uint8}


def check_footprint(path: Path) -> Footprint:
    """What the artifact needs on a microcontroller. Raises UsageError where none takes it, ArtifactError."""
    target, beside = check_artifact(path), manifest_path(path)
    found = target.footprint(path) if target.footprint else Footprint(runtime="", problem="nothing runs its format")
    if found.problem:
        model = Manifest.read(beside).model if os.path.exists(beside) else "MODEL"
        raise UsageError(
            f"{path}: is no file for a microcontroller: {found.problem}; make one with: edgeport export {model} --int8 "
            "--profile micro"
        )
    return found


def input_of_pixel(session: Session, spec: PreprocessSpec, takes_pixels: bool) -> bytes:
    """What the session makes of each pixel value, (channels, 256), channels in the model's order: how the app quantises
    is how the model was checked."""
    assert isinstance(session, Portable)
    channels, height, width = spec.input_size
    values = np.arange(256, dtype=np.uint8)
    table = []
    mean, std = (np.asarray(each, np.float32).reshape(-1, 1, 1) for each in (spec.mean, spec.std))
    for value in values:
        image = np.full((channels, height, width), value, np.uint8)
        feed = image if takes_pixels else (image.astype(np.float32) / np.float32(spec.divisor) - mean) / std
        (given,) = session.inward({session.inputs[0].name: feed[None]})
        axis = given.shape.index(channels, 1) if given.shape[1] == channels else given.ndim - 1
        table.append(np.moveaxis(given[0], axis - 1, 0)[:, 0, 0])
    return np.stack(table, 1).tobytes()


def write_facts(known: Facts) -> str:
    """src/model_facts.h"""
    channels, height, width = known.spec.input_size
    need = known.footprint
    (taken,), given = need.inputs, need.outputs[known.scores_index]
    return f"""// What this model takes, gives and needs; written by edgeport.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vision {{

using Input = std::{known.input_type}_t;
using Score = std::{known.score_type}_t;

inline constexpr int kHeight = {height}, kWidth = {width}, kChannels = {channels};
inline constexpr std::size_t kInputBytes = {height * width * channels};
inline constexpr bool kNhwc = {truth(known.nhwc)};
inline constexpr bool kBgr = {truth(known.spec.color == "bgr" and not known.takes_pixels)};
inline constexpr float kInputScale = {taken.scale!r}f;  // number = (integer - zero point) * scale
inline constexpr int kInputZeroPoint = {taken.zero_point};

inline constexpr int kClasses = {known.classes};
inline constexpr int kScoresOutput = {known.scores_index};
inline constexpr float kScoresScale = {given.scale!r}f;
inline constexpr int kScoresZeroPoint = {given.zero_point};
inline constexpr int kTolerance = {int(known.tolerance)};  // steps that a score may be off with other kernels

inline constexpr std::size_t kArenaBytes = {need.arena_bytes};  // {need.arena_source}
inline constexpr std::size_t kModelBytes = {need.flash_bytes};

extern const Input kInputOfPixel[kChannels][256];
extern const char* const kLabels[];  // the first is null where there are none

}}  // namespace vision

extern "C" const unsigned char vision_model[];

#define VISION_GOLDEN_COUNT {len(known.golden)}
"""


def write_resizing(known: Facts) -> str:
    """resize/preprocessing.h"""
    return f"""// How an image of any size becomes the pixels that this model takes; written by edgeport.
#pragma once

#include "preprocess.h"

namespace vision {{

{write_preprocessing(known)}
}}  // namespace vision
"""


def write_operators(known: Facts) -> str:
    """src/operators.h"""
    calls = known.footprint.calls
    lines = "".join(f"  fine &= resolver.{call}() == 0;\n" for call in calls)
    return f"""// The operators of this model, and no others; written by edgeport.
#pragma once

namespace vision {{

inline constexpr unsigned kOperators = {len(calls)};

template <class Resolver>
bool add_operators(Resolver& resolver) {{
  bool fine = true;
{lines}  return fine;
}}

}}  // namespace vision
"""


def write_generated(known: Facts, artifact: Path, golden: dict[str, bytes]) -> dict[str, bytes]:
    """{place: content} of all that depends on the model."""
    channels = known.spec.input_size[0]
    table = np.frombuffer(known.input_of_pixel, _FROM[known.input_type]).reshape(channels, 256)
    rows = ",\n".join(f"{{\n{_numbers(row)}}}" for row in table)
    labels = ",\n".join(map(literals.cpp, known.labels)) or "nullptr"
    texts = {
        "src/model_facts.h": write_facts(known),
        "src/operators.h": write_operators(known),
        "src/model_facts.cc": (
            '#include "model_facts.h"\n\nnamespace vision {\n\n'
            f"extern const Input kInputOfPixel[kChannels][256] = {{{rows}}};\n\n"
            f"extern const char* const kLabels[] = {{\n{labels}}};\n\n}}  // namespace vision\n"
        ),
        "test/golden_data.cc": _write_golden(known, golden),
    }
    if artifact.stat().st_size > LARGEST_ARRAY:
        texts["src/model_data.S"] = ASSEMBLER.replace("NAME", literals.cpp(artifact.name))
    else:
        numbers = _numbers(np.frombuffer(artifact.read_bytes(), np.uint8))
        texts["src/model_data.cc"] = (
            '#include "model_facts.h"\n\n'
            f'extern "C" {{\nalignas(16) extern const unsigned char vision_model[] = {{\n{numbers}}};\n}}\n'
        )
    return {place: text.encode() for place, text in texts.items()}


# `%` is what every assembler of GNU's kind takes for `@`, which begins a comment on Arm
ASSEMBLER = """// The model, as it is: too large for a compiler to read as numbers.
#if defined(__APPLE__)
.const
.globl _vision_model
.p2align 4
_vision_model:
#else
.section .rodata.vision_model, "a", %progbits
.globl vision_model
.type vision_model, %object
.balign 16
vision_model:
#endif
.incbin NAME
#if defined(__ELF__) && defined(__linux__)
.section .note.GNU-stack, "", %progbits
#endif
"""


def _write_golden(known: Facts, golden: dict[str, bytes]) -> str:
    kinds = {"pixels": "std::uint8_t", "input": "Input", "scores": "Score"}
    types = {"pixels": "uint8", "input": known.input_type, "scores": known.score_type}
    text = ['#include "golden_data.h"\n\nnamespace vision {\nnamespace {\n\n']
    for i, name in enumerate(known.golden):
        text.append(f"#if VISION_GOLDEN_IMAGES > {i}\n")
        for kind, written in kinds.items():
            content = golden[f"{name}.{'output' if kind == 'scores' else kind}"]
            numbers = _numbers(np.frombuffer(content, _FROM[types[kind]]))
            text.append(f"const {written} {kind}_{i}[] = {{\n{numbers}}};\n")
        text.append("#endif\n")
    rows = "".join(
        f"#if VISION_GOLDEN_IMAGES > {i}\n    {{pixels_{i}, input_{i}, scores_{i}}},\n#endif\n"
        for i in range(len(known.golden))
    )
    text.append(f"\n}}  // namespace\n\nextern const Golden kGolden[] = {{\n{rows}}};\n\n}}  // namespace vision\n")
    return "".join(text)


def _numbers(array: np.ndarray) -> str:
    """C's initialisers, in lines."""
    numbers = array.tolist()
    lines = (numbers[i : i + _LINE] for i in range(0, len(numbers), _LINE))
    return "".join(f"{_joined(line)},\n" for line in lines)


def _joined(line: Iterable[int]) -> str:
    return ",".join(map(str, line))
