"""Answers that fail in 8 bits because of the model itself: it is said. What the artifact spoils is not excused."""

import numpy as np
import pytest
import torch
from edgeport.pipeline.answers import compare_answers, judge_answers
from edgeport.pipeline.data.dataset import Dataset
from edgeport.runtime.session import TensorSpec
from edgeport.runtime.sessions.torch import TorchSession
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.task import Port

QUERIES = 12


class Queries(torch.nn.Module):
    """Boxes in the order of their scores, which differ a lot, or hang on the last digits of the input."""

    def __init__(self, chaotic):
        super().__init__()
        self.chaotic = chaotic

    def forward(self, x):
        at = torch.sigmoid(x[0, 0, 0, :QUERIES])
        for _ in range(14 if self.chaotic else 0):
            at = 3.99 * at * (1 - at)
        middles = torch.stack([at, at.flip(0)], 1)
        boxes = torch.cat([middles, torch.full_like(middles, 0.2)], 1)
        logits = torch.stack([4 * at, torch.full_like(at, -3)], 1)
        order = logits[:, 0].argsort(descending=True)
        return logits[order][None], boxes[order][None]


@pytest.mark.parametrize("chaotic", [True, False])
def test_the_cause_of_wrong_answers(chaotic):
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.standard_normal((1, 3, 32, 32)).astype(np.float32)} for _ in range(6)]
    inputs = Dataset("made", feeds, load=lambda feed: feed, content=lambda feed: feed["x"].tobytes(), in_memory=True)
    module = Queries(chaotic)
    ports = [TensorSpec("x", (1, 3, 32, 32), "float32")]
    reference, wrong = (TorchSession(each, ports, ["logits", "pred_boxes"]) for each in (module, Queries(chaotic)))
    wrong.module.forward = lambda x: module(x + 2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)))
    shapes = [Port("logits", (1, QUERIES, 2)), Port("pred_boxes", (1, QUERIES, 4))]
    meaning = apply_statement(read_task("detect:rtdetr"), shapes, (32, 32), "made")
    answers = compare_answers(reference, wrong, inputs, {}, meaning)[1].agreement()
    found = judge_answers("ok", reference, inputs, {}, meaning, answers, "int8")
    assert found.startswith("fail: AP with float")
    assert ("; the float model itself has AP with float" in found) == chaotic
    assert "itself" not in judge_answers("ok", reference, inputs, {}, meaning, answers, "fp16")
