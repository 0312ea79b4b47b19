"""The facts of a model that there is not: what the code of a bundle is written from."""

from edgeport.bundles.facts import Facts
from edgeport.models import PreprocessSpec
from edgeport.targets.registry import targets
from head_cases import FIRST, answers_of

RUNTIMES = {"linux": "openvino", "android": "tflite", "ios": "coreml", "web": "onnx", "micro": "tflite"}


def facts(platform: str, name: str, task: str = "classify", runtime: str = "") -> Facts:
    """Of a model that is called `name` in all places; `runtime`: the target that it is of."""
    answers = answers_of(FIRST[task], name)
    return Facts(
        platform=platform,
        model=name,
        precision="fp32",
        artifact=name,
        opened=name,
        input_name=name,
        scores=name,
        scores_index=0,
        spec=PreprocessSpec(),
        takes_pixels=False,
        nhwc=False,
        labels=(name,),
        verdict=name,
        runtime=targets()[runtime or RUNTIMES[platform]].app_runtimes[platform],
        answers=answers,
        golden=("0",),
    )
