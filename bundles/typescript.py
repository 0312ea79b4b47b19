"""Write the facts of a model in TypeScript."""

import json

from . import literals, records
from .facts import Facts


def write_typescript(known: Facts) -> str:
    """model_facts.ts"""
    how = known.to_json()["preprocessing"]
    facts = {
        "model": literals.typescript(known.model),
        "precision": literals.typescript(known.precision),
        "verdict": literals.typescript(known.verdict),
        "artifact": literals.typescript(known.artifact),
        "labelled": json.dumps(bool(known.labels)),
        "whole": json.dumps(known.precision == "int8"),
        "probabilities": json.dumps(known.probabilities),
        "golden": f"[{', '.join(map(literals.typescript, known.golden))}]",
    }
    preprocessing = {
        "channels": how["channels"],
        "height": how["height"],
        "width": how["width"],
        "coverHeight": how["cover_height"],
        "coverWidth": how["cover_width"],
        "resize": how["resize"],
        "padValue": how["pad_value"],
        "filter": how["interpolation"],
        "bgr": how["bgr"],
        "divisor": how["divisor"],
        "mean": how["mean"],
        "std": how["std"],
        "normalises": how["normalises"],
        "nhwc": known.nhwc,
    }
    return f"""// What this model takes; written by edgeport.
import type {{ Facts }} from "./facts.js";

export const FACTS: Facts = {{
{"".join(f"  {name}: {value},{chr(10)}" for name, value in facts.items())}  preprocessing: {{
{"".join(f"    {name}: {json.dumps(value)},{chr(10)}" for name, value in preprocessing.items())}  }},
{records.typescript(known.answers)}}};
"""
