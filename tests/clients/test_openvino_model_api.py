"""OpenVINO Model API takes an IR by its path alone, and answers as edgeport's session does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import edgeport
import numpy as np
import pytest
from clients.conftest import EXPORTS, LABELS

IRS = [name for name, (target, _) in EXPORTS.items() if target == "openvino"]
PACKAGES = Path(sys.prefix) / "clients"  # its package alone, beside which ours stay as they are (Makefile)


@pytest.fixture(scope="session")
def model_api(artifacts):
    """model_api(name) -> what it makes of that artifact."""
    if not (PACKAGES / "model_api").is_dir():
        pytest.skip(f"openvino-model-api is not in {PACKAGES}, where `make test` puts it")
    paths = {name: str(next(artifacts.path(name).glob("*.xml"))) for name in IRS}
    script = Path(__file__).with_name("model_api_answers.py")
    environment = os.environ | {"PYTHONPATH": str(PACKAGES)}
    command = [sys.executable, script, artifacts.crops_file, *paths.values()]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if "No module named 'cv2'" in done.stderr:
        pytest.skip("OpenCV is not installed, which openvino-model-api needs")
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    return lambda name: answers[paths[name]]


@pytest.mark.parametrize("name", IRS)
def test_it_gives_our_scores_and_labels(model_api, artifacts, name):
    found = model_api(name)
    assert found["wrapper"] == "ClassificationModel"
    for answer, scores in zip(found["answers"], artifacts.answers(name), strict=True):
        got = {index: (label, score) for index, label, score in answer}
        np.testing.assert_allclose([got[i][1] for i in range(len(scores))], scores, atol=1e-4)
        assert [got[i][0] for i in range(len(scores))] == [label.replace(" ", "_") for label in LABELS]
    assert [each["takes"] for each in edgeport.info(artifacts.path(name))["clients"]] == [True]
