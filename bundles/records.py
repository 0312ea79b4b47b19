"""Write what a wrapper has to know as a record of its own language: the outputs that it reads, and the decoding."""

import re
from typing import Any

from . import literals
from .answers import WORDS, Answers
from .literals import truth


def camel(name: str) -> str:
    """score_threshold -> scoreThreshold."""
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def _number(value: Any) -> str:
    return truth(value) if isinstance(value, bool) else repr(value)


def cpp(answers: Answers) -> str:
    """The definitions of kOutputs, kOrdered, kAnswerTolerances and kDecoding, whose struct is in the task's header."""
    values = [
        f"{WORDS[name]}::{value}" if name in WORDS else _number(value) for name, value in answers.decoding.items()
    ]
    described = ",\n".join(f"    /*{name}=*/{value}" for name, value in zip(answers.decoding, values, strict=True))
    outputs = ",\n".join(
        f"    {{{literals.cpp(each.role)}, {literals.cpp(each.name)}, {each.size}, {each.tolerance!r}f}}"
        for each in answers.outputs
    )
    return f"""inline constexpr Output kOutputs[] = {{
{outputs}}};
inline constexpr bool kOrdered = {truth(answers.ordered)};  // the same row of two runs is the same thing
inline constexpr double kAnswerTolerances[] = {{{", ".join(map(repr, answers.columns))}}};  // of each number of a row
inline constexpr Decoding kDecoding{{
{described}}};
"""


def kotlin(answers: Answers) -> str:
    """Properties of ModelFacts."""
    outputs = ",\n".join(
        f"        Output({literals.kotlin(each.role)}, {literals.kotlin(each.name)}, {each.index}, {each.size}, "
        f"NumberType.{each.dtype.upper()}, {each.tolerance!r}f, {each.gpu_tolerance!r}f)"
        for each in answers.outputs
    )
    fields = ",\n".join(
        f"        {camel(name)} = {f'{WORDS[name]}.{value.upper()}' if name in WORDS else _number(value)}"
        for name, value in answers.decoding.items()
    )
    return f"""    val outputs = listOf(
{outputs}
    )
    const val ORDERED = {truth(answers.ordered)} // the same row of two runs is the same thing
    val answerTolerances = doubleArrayOf({", ".join(map(repr, answers.columns))}) // of each number of a row
    val decoding = Decoding(
{fields}
    )
"""


def swift(answers: Answers) -> str:
    """Properties of ModelFacts."""
    outputs = ",\n".join(
        f"        Output(role: {literals.swift(each.role)}, name: {literals.swift(each.name)}, "
        f"count: {each.size}, type: .{each.dtype}, tolerance: {each.tolerance!r})"
        for each in answers.outputs
    )
    fields = ",\n".join(
        f"        {camel(name)}: {f'.{value}' if name in WORDS else _number(value)}"
        for name, value in answers.decoding.items()
    )
    return f"""    static let outputs: [Output] = [
{outputs},
    ]
    static let ordered = {truth(answers.ordered)}  // the same row of two runs is the same thing
    static let answerTolerances: [Double] = [{", ".join(map(repr, answers.columns))}]  // of each number of a row
    static let decoding = Decoding(
{fields})
"""


def typescript(answers: Answers) -> str:
    """Members of FACTS."""
    outputs = "".join(
        f"    {{ role: {literals.typescript(each.role)}, name: {literals.typescript(each.name)}, size: {each.size}, "
        f"tolerance: {each.tolerance!r} }},\n"
        for each in answers.outputs
    )
    fields = "".join(
        f"    {camel(name)}: {literals.typescript(value) if name in WORDS else _number(value)},\n"
        for name, value in answers.decoding.items()
    )
    return f"""  outputs: [
{outputs}  ],
  ordered: {truth(answers.ordered)},
  answerTolerances: [{", ".join(map(repr, answers.columns))}],
  decoding: {{
{fields}  }},
"""
