"""Write what a wrapper has to know as a record of its own language: the outputs that it reads, and the decoding."""

import re
from collections.abc import Callable

from . import literals
from .answers import WORDS, Answers
from .literals import truth


def camel(name: str) -> str:
    """score_threshold -> scoreThreshold."""
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def _fields(answers: Answers, line: str, word: Callable[[str, str], str]) -> list[str]:
    """`line` for each field of the decoding, of its {field}, its {name} in camels and its {value}; what is a word, as
    `word` writes it of its type and itself."""
    lines = []
    for field, value in answers.decoding.items():
        text = word(WORDS[field], value) if field in WORDS else truth(value) if isinstance(value, bool) else repr(value)
        lines.append(line.format(field=field, name=camel(field), value=text))
    return lines


def _outputs(answers: Answers, line: str, literal: Callable[[str], str]) -> list[str]:
    """`line` for each output that is read, of its {role} and {name} as literals, and of the `output` itself."""
    return [
        line.format(role=literal(each.role), name=literal(each.name), output=each, type=each.dtype.upper())
        for each in answers.outputs
    ]


def _tolerances(answers: Answers) -> str:
    return ", ".join(map(repr, answers.columns))


def cpp(answers: Answers) -> str:
    """The definitions of kOutputs, kOrdered, kAnswerTolerances and kDecoding, whose struct is in the task's header."""
    outputs = _outputs(answers, "    {{{role}, {name}, {output.size}, {output.tolerance!r}f}}", literals.cpp)
    fields = _fields(answers, "    /*{field}=*/{value}", lambda kind, word: f"{kind}::{word}")
    return f"""inline constexpr Output kOutputs[] = {{
{_joined(outputs)}}};
inline constexpr bool kOrdered = {truth(answers.ordered)};  // outputs of two runs can be compared number by number
inline constexpr double kAnswerTolerances[] = {{{_tolerances(answers)}}};  // of each number of a row
inline constexpr Decoding kDecoding{{
{_joined(fields)}}};
"""


def kotlin(answers: Answers) -> str:
    """Properties of ModelFacts."""
    line = (
        "        Output({role}, {name}, {output.index}, {output.size}, NumberType.{type}, {output.tolerance!r}f, "
        "{output.gpu_tolerance!r}f)"
    )
    fields = _fields(answers, "        {name} = {value}", lambda kind, word: f"{kind}.{word.upper()}")
    return f"""    val outputs = listOf(
{_joined(_outputs(answers, line, literals.kotlin))}
    )
    const val ORDERED = {truth(answers.ordered)} // outputs of two runs can be compared number by number
    val answerTolerances = doubleArrayOf({_tolerances(answers)}) // of each number of a row
    val decoding = Decoding(
{_joined(fields)}
    )
"""


def swift(answers: Answers) -> str:
    """Properties of ModelFacts."""
    line = (
        "        Output(role: {role}, name: {name}, count: {output.size}, type: .{output.dtype}, "
        "tolerance: {output.tolerance!r})"
    )
    fields = _fields(answers, "        {name}: {value}", lambda kind, word: f".{word}")
    return f"""    static let outputs: [Output] = [
{_joined(_outputs(answers, line, literals.swift))}
    ]
    static let ordered = {truth(answers.ordered)}  // outputs of two runs can be compared number by number
    static let answerTolerances: [Double] = [{_tolerances(answers)}]  // of each number of a row
    static let decoding = Decoding(
{_joined(fields)})
"""


def typescript(answers: Answers) -> str:
    """Members of FACTS."""
    line = "    {{ role: {role}, name: {name}, size: {output.size}, tolerance: {output.tolerance!r} }}"
    fields = _fields(answers, "    {name}: {value}", lambda kind, word: literals.typescript(word))
    return f"""  outputs: [
{_joined(_outputs(answers, line, literals.typescript))},
  ],
  ordered: {truth(answers.ordered)},
  answerTolerances: [{_tolerances(answers)}],
  decoding: {{
{_joined(fields)},
  }},
"""


def _joined(lines: list[str]) -> str:
    return ",\n".join(lines)
