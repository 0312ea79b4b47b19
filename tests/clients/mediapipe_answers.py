"""What MediaPipe Tasks makes of .tflite files: python mediapipe_answers.py CROPS.npy FILE... -> JSON on stdout.

{file: {"ImageClassifier" and "ImageEmbedder": what it answers to each crop, or {"refused": why}}}; of the first file
also "metadata", as its schema reads it.
"""

import json
import sys
import zipfile
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated, schema_py_generated
from mediapipe.tasks.python import BaseOptions, vision


def classify(path: str, images: list) -> list:
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=path))
    with vision.ImageClassifier.create_from_options(options) as task:
        found = [task.classify(image).classifications for image in images]
    return [[[each.index, each.category_name, each.score] for each in heads[0].categories] for heads in found]


def embed(path: str, images: list) -> list:
    options = vision.ImageEmbedderOptions(base_options=BaseOptions(model_asset_path=path))
    with vision.ImageEmbedder.create_from_options(options) as task:
        return [np.asarray(task.embed(image).embeddings[0].embedding, float).tolist() for image in images]


def read_metadata(path: str) -> dict:
    """By the classes of the metadata's official schema, which MediaPipe and Task Library share."""
    model = schema_py_generated.ModelT.InitFromObj(schema_py_generated.Model.GetRootAs(Path(path).read_bytes()))
    (entry,) = [each for each in model.metadata if each.name == b"TFLITE_METADATA"]
    schema = metadata_schema_py_generated
    content = schema.ModelMetadata.GetRootAs(bytes(model.buffers[entry.buffer].data))
    graph = schema.ModelMetadataT.InitFromObj(content).subgraphMetadata[0]
    (image,), (scores, *_) = graph.inputTensorMetadata, graph.outputTensorMetadata
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    return {
        "image": isinstance(image.content.contentProperties, schema.ImagePropertiesT),
        "color": image.content.contentProperties.colorSpace,
        "mean": [float(number) for number in image.processUnits[0].options.mean],
        "std": [float(number) for number in image.processUnits[0].options.std],
        "labels": [each.name.decode() for each in scores.associatedFiles or ()],
        "files": files,
    }


def main(crops: str, paths: list[str]) -> None:
    images = [mp.Image(image_format=mp.ImageFormat.SRGB, data=crop) for crop in np.load(crops)]
    answers: dict[str, dict] = {path: {} for path in paths}
    for path in paths:
        for name, ask in (("ImageClassifier", classify), ("ImageEmbedder", embed)):
            try:
                answers[path][name] = ask(path, images)
            except (ValueError, RuntimeError, NotImplementedError) as e:
                answers[path][name] = {"refused": str(e)}
    answers[paths[0]]["metadata"] = read_metadata(paths[0])
    print(json.dumps(answers))


main(sys.argv[1], sys.argv[2:])
