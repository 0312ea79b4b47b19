"""The command `bundle`: a folder with an artifact, a wrapper and golden files, ready to drop into an app."""

import argparse

import edgeport

from ..pipeline.text_table import printable
from . import options
from .console import Console

NAME, HELP = "bundle", "make a folder that an app team can drop in: artifact, wrapper, golden files"
PLATFORMS = ("linux", "android", "ios", "web", "micro")  # of bundles.layouts, which imports more than `--help` needs
ANDROID_RUNTIMES = ("compiled-model", "interpreter")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact",
        metavar="ARTIFACT",
        help="what `edgeport export` made: a classifier, detector, segmenter and so on, by its manifest",
    )
    parser.add_argument(
        "--platform",
        choices=PLATFORMS,
        required=True,
        help="C++ and Python, Kotlin, Swift, TypeScript, or C++ for microcontrollers",
    )
    options.add_output(parser, "output", metavar="DIR", help="the folder to make (default: ARTIFACT_PLATFORM)")
    parser.add_argument("--zip", action="store_true", help="also DIR.zip, with the same in it")
    parser.add_argument("--images", metavar="DIR", help="photographs for the golden files (default: generated ones)")
    parser.add_argument(
        "--android-package",
        metavar="NAME",
        help="android: the package of the Kotlin files, as com.your_company.vision (default: org.example.vision)",
    )
    parser.add_argument(
        "--android-runtime",
        choices=ANDROID_RUNTIMES,
        help="android: LiteRT's CompiledModel (default), on the GPU or else on the CPU, or its Interpreter, on the CPU",
    )
    options.add(parser, options.PREPROCESS_OPTIONS)


def run(args: argparse.Namespace, console: Console) -> int:
    arguments = options.pick(args, ("output", "zip", "images", "android_package", "android_runtime"))
    arguments["preprocess"] = options.preprocess(args)
    result = edgeport.bundle(args.artifact, args.platform, **arguments)
    for sentence in result.warnings:
        console.warn(sentence)
    console.result(
        result.to_json(), f"{printable(result.folder)}: {len(result.files)} files; README.md says how to call it"
    )
    return 0
