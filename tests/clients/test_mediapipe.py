"""MediaPipe Tasks (its own graph, its own LiteRT) answers as edgeport's session does, and refuses what `info` says."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import edgeport
import numpy as np
import pytest
from clients.conftest import EXPORTS, LABELS

RGB = 1  # ColorSpaceType of the schema
FILES = [name for name, (target, _) in EXPORTS.items() if target == "tflite"]


@pytest.fixture(scope="session")
def mediapipe(artifacts):
    """mediapipe(name) -> what it makes of that artifact; all are asked in one process of their own."""
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("mediapipe is not installed")
    paths = {name: str(artifacts.path(name)) for name in FILES}
    script = Path(__file__).with_name("mediapipe_answers.py")
    done = subprocess.run(
        [sys.executable, script, artifacts.crops_file, *paths.values()], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    return lambda name: answers[paths[name]]


@pytest.mark.parametrize(
    ("name", "limit"), [("float", 1e-5), ("pixels", 1e-5), ("int8", 1e-5), ("uint8 ends", 1e-5), ("unlabelled", 1e-4)]
)
def test_the_image_classifier_gives_our_scores_and_labels(mediapipe, artifacts, name, limit):
    answers, ours = mediapipe(name)["ImageClassifier"], artifacts.answers(name)
    assert "refused" not in answers, answers
    for answer, scores in zip(answers, ours, strict=True):
        got = {index: (label, score) for index, label, score in answer}
        assert sorted(got) == list(range(len(scores)))
        np.testing.assert_allclose([got[i][1] for i in range(len(scores))], scores, atol=limit)
        labels = [None] * len(scores) if name == "unlabelled" else LABELS
        assert [got[i][0] for i in range(len(scores))] == labels
        assert answer[0][2] == max(score for _, _, score in answer)


def test_the_image_embedder_gives_what_the_classifier_would_read(mediapipe, artifacts):
    answers, ours = mediapipe("embedding")["ImageEmbedder"], artifacts.answers("embedding")
    assert "refused" not in answers, answers
    assert ours.shape[1] > len(LABELS)
    np.testing.assert_allclose(answers, ours, atol=1e-4)


@pytest.mark.parametrize("name", FILES)
def test_info_says_what_it_refuses(mediapipe, artifacts, name):
    told = {each["name"].rpartition(" ")[2]: each for each in edgeport.info(artifacts.path(name))["clients"]}
    for task in ("ImageClassifier", "ImageEmbedder"):
        answer = mediapipe(name)[task]
        refused = answer["refused"] if isinstance(answer, dict) else ""
        assert told[task]["takes"] == (not refused), (refused, told[task])


def test_the_metadata_say_what_the_schema_of_task_library_reads(mediapipe):
    read = mediapipe("float")["metadata"]
    assert read["files"] == {"labels.txt": "".join(f"{label}\n" for label in LABELS)}
    assert read["labels"] == ["labels.txt"]
    assert (read["image"], read["color"]) == (True, RGB)
    assert read["mean"] == pytest.approx([127.5] * 3)
    assert read["std"] == pytest.approx([63.75] * 3)
