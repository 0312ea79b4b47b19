"""What OpenVINO Model API makes of IRs: python model_api_answers.py CROPS.npy FILE.xml... -> JSON on stdout.

In float32: OpenVINO itself would compute in bfloat16 on CPUs that have it, which is another question.
"""

import json
import sys

import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model

PLUGIN = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


def main(crops: str, paths: list[str]) -> None:
    answers = {}
    for path in paths:
        adapter = OpenvinoAdapter(create_core(), path, device="CPU", plugin_config=PLUGIN)
        model = Model.create_model(adapter, configuration={"topk": 10})
        found = [model(crop).top_labels for crop in np.load(crops)]
        answers[path] = {
            "wrapper": type(model).__name__,
            "answers": [[[int(each.id), each.name, float(each.confidence)] for each in one] for one in found],
        }
    print(json.dumps(answers))


main(sys.argv[1], sys.argv[2:])
