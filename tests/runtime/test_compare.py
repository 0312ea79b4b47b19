"""Figures against NumPy, the verdict by the table of tolerances, and what cannot be compared."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from edgeport.runtime.agreement import Agreement
from edgeport.runtime.compare import TOLERANCE, compare, judge, verdict
from edgeport.runtime.compare_samples import compare_samples
from edgeport.runtime.output_kinds import KINDS, MAX_SNR_DB, SCORES, WHOLE
from edgeport.runtime.session import TensorSpec
from edgeport.runtime.sessions.torch import TorchSession


class Recorded:
    """A session that plays back outputs, one array (n, ...) per run."""

    threads, load_ms, runtime = 1, 0.0, "recorded"

    def __init__(self, outputs, input_name="x", name="y"):
        self.inputs = (TensorSpec(input_name, (None, 1), "float32"),)
        self.outputs = (TensorSpec(name, np.shape(outputs[0]), "float32"),)
        arrays = (np.asarray(output) for output in outputs)
        self._outputs = iter(a.astype(np.float32) if a.dtype == np.float64 else a for a in arrays)

    def run(self, feeds):
        assert set(feeds) == {self.inputs[0].name}
        return {self.outputs[0].name: next(self._outputs)}

    def close(self):
        pass


def agreement(ref, cand, kind=SCORES, **names):
    feeds = [{"x": np.zeros((len(r), 1), np.float32)} for r in ref]
    return compare(Recorded(ref), Recorded(cand, **names), feeds, {"y": kind} if kind else None)


def test_against_numpy():
    rng = np.random.default_rng(0)
    ref = rng.standard_normal((20, 1, 50)).astype(np.float32) + 3
    cand = ref + 0.3 * rng.standard_normal((20, 1, 50)).astype(np.float32)
    r, c = ref.astype(np.float64)[:, 0], cand.astype(np.float64)[:, 0]
    p, q = (np.exp(z) / np.exp(z).sum(1, keepdims=True) for z in (r, c))
    five = np.argsort(-c, 1)[:, :5]
    got = agreement(list(ref), list(cand))
    assert got.snr_db == pytest.approx(10 * math.log10((r**2).sum() / ((r - c) ** 2).sum()))
    assert got.max_abs == pytest.approx(np.abs(r - c).max())
    assert got.max_abs_over_std == pytest.approx(np.abs(r - c).max() / r.std())
    assert got.cosine == pytest.approx((r * c).sum() / math.sqrt((r**2).sum() * (c**2).sum()))
    assert got.kl == pytest.approx((p * np.log(p / q)).sum(1).mean())
    assert got.top1 == (r.argmax(1) == c.argmax(1)).mean()
    assert got.top5 == np.mean([r[i].argmax() in five[i] for i in range(20)])
    assert 0 < got.top1 < got.top5 <= 1
    assert got.samples == 20


def test_identical():
    ref = [np.random.default_rng(i).standard_normal((2, 10)) for i in range(3)]
    assert agreement(ref, ref) == Agreement(MAX_SNR_DB, 0.0, 0.0, pytest.approx(1.0), 1.0, 1.0, 0.0, 6)


def test_one_sample_after_the_other_or_in_one_batch():
    rng = np.random.default_rng(2)
    ref, cand = rng.standard_normal((2, 8, 10))
    single = agreement([r[None] for r in ref], [c[None] for c in cand])
    batch = agreement([ref], [cand])
    assert single == replace(
        batch, **{k: pytest.approx(getattr(batch, k)) for k in ("snr_db", "cosine", "kl", "max_abs_over_std")}
    )


def softmax(scores):
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


@pytest.mark.parametrize("given", [softmax, np.array], ids=["probabilities", "logits"])
def test_kl_per_sample_is_of_the_same_distributions(given):
    ref, cand = np.random.default_rng(3).standard_normal((2, 5, 1, 10)) * 3
    p, q = np.array([softmax(row) for row in ref]), np.array([softmax(row) for row in cand])
    feeds = [{"x": np.zeros((1, 1), np.float32)}] * 5
    ref, cand = [given(row) for row in ref], [given(row) for row in cand]
    kl = compare_samples(Recorded(ref), Recorded(cand), feeds).kl
    np.testing.assert_allclose(kl, (p * np.log(p / q)).sum((1, 2)), rtol=1e-4)
    assert kl.mean() == pytest.approx(agreement(ref, cand).kl)


def test_a_large_mean_does_not_hide_the_spread():
    ref = 1e6 + np.arange(16, dtype=np.float32).reshape(4, 4) / 16
    assert agreement([ref], [ref + 0.0625]).max_abs_over_std == pytest.approx(0.0625 / ref.astype(np.float64).std())


def test_feature_maps_have_no_ranks():
    ref = np.random.default_rng(0).standard_normal((1, 3, 4, 4))
    got = agreement([ref], [ref])
    assert (got.top1, got.top5, got.kl) == (None, None, None)
    assert judge(got, "fp32") == "ok"


def test_other_names_go_by_order():
    ref = np.random.default_rng(0).standard_normal((1, 10))
    assert agreement([ref], [ref], input_name="serving_default_x:0", name="StatefulPartitionedCall:0").top1 == 1


GOOD = np.arange(10.0).reshape(1, 10)


@pytest.mark.parametrize(
    ("ref", "cand", "words"),
    [
        (GOOD, np.where(GOOD == 3, np.nan, GOOD), "the candidate has 1 of 10 values that are NaN or infinite"),
        (GOOD, np.where(GOOD > 3, np.inf, GOOD), "the candidate has 6 of 10"),
        (np.where(GOOD == 3, -np.inf, GOOD), np.where(GOOD == 3, -np.inf, GOOD), "the reference has 1 of 10"),
        (GOOD * np.nan, GOOD * np.nan, "the reference has 10 of 10"),
        (GOOD, GOOD.T, r"the candidate's shape is \(10, 1\)"),
    ],
    ids=["nan", "inf", "the same inf in both", "all nan", "shape"],
)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_what_cannot_be_compared_fails(ref, cand, words, precision):
    got = agreement([ref], [cand])
    assert re.search(words, got.problem)
    assert math.isnan(got.snr_db)
    assert got.top1 is None
    assert re.match("fail: .*" + words, judge(got, precision))


def test_a_nan_in_a_late_sample_is_found():
    assert agreement([GOOD, GOOD, GOOD], [GOOD, GOOD, GOOD * np.nan]).problem


def test_of_several_outputs_the_worst():
    rng = np.random.default_rng(0)
    good, bad = rng.standard_normal((1, 10)), rng.standard_normal((1, 10))
    noisy = bad + 0.5 * rng.standard_normal((1, 10))

    class Two(Recorded):
        def __init__(self, first, second):
            super().__init__([first])
            self.outputs = tuple(TensorSpec(name, (1, 10), "float32") for name in "yz")
            self._both = {"y": np.float32(first), "z": np.float32(second)}

        def run(self, feeds):
            return self._both

    def both(*arguments):
        return compare(*arguments, [{"x": np.zeros((1, 1), np.float32)}], dict.fromkeys("yz", SCORES))

    got = both(Two(good, bad), Two(good, noisy))
    assert got == agreement([bad], [noisy])
    assert both(Two(bad, good), Two(noisy, good)) == got
    assert [(each.name, each.snr_db == got.snr_db) for each in got.outputs] == [("y", False), ("z", True)]
    assert judge(got, "fp32").startswith("fail: output 'z': max abs error / std")
    assert "'y'" not in judge(got, "fp32")


ROW = np.random.default_rng(4).standard_normal((1, 40))
IDS = np.arange(1000).reshape(1, 20, 50)
FLIPPED = np.where(IDS < 300, 999, IDS)  # another class in 3 of 10 places


@pytest.mark.parametrize(
    ("ref", "cand", "kind", "verdicts"),
    [
        # a row of numbers, which may be landmarks: another order of near values is no other class
        (ROW, ROW[:, ::-1] * 1e-3 + ROW, None, {"int8": "ok", "fp16": "ok"}),
        # class maps, whose SNR says nothing: 30 dB of the first, less than 10 of the second
        (IDS, IDS, None, {"fp32": "ok", "int8": "ok"}),
        (IDS, np.where(IDS % 100 == 7, IDS + 1, IDS), None, {"fp32": "fail: share of equal values 0.99, must be at"}),
        (IDS, FLIPPED, None, {"int8": "warn: share of equal values 0.7, should", "fp16": "fail: share of equal"}),
        (IDS, IDS + 1, None, {"int8": "fail: share of equal values 0, must be at least 0.5"}),
        (IDS.astype(np.int32), IDS, None, {"fp32": "ok"}),
        (IDS.astype(np.float32), FLIPPED, WHOLE, {"int8": "warn: share of equal values 0.7"}),
        (IDS > 500, IDS > 500, None, {"fp32": "ok"}),
        (IDS > 500, (IDS > 500).astype(np.int32), None, {"fp32": "ok"}),
        (IDS > 500, IDS > 600, None, {"fp32": "fail: share of equal values 0.9"}),
        # bytes are pixels or quantised numbers
        (np.uint8(IDS % 200), np.uint8(IDS % 200 + 1), None, {"int8": "ok"}),
        # one and the same value everywhere
        (np.zeros((1, 9), np.int64), np.zeros((1, 9), np.int64), None, {"fp32": "ok", "int8": "ok"}),
        (np.ones((1, 9)), np.ones((1, 9)), None, {"fp32": "ok", "int8": "ok"}),
        (np.zeros((1, 9)), np.zeros((1, 9)), None, {"fp32": "ok", "int8": "ok"}),
        (
            np.full((1, 9), 30.0),
            np.full((1, 9), 31.0),
            None,
            {"int8": "ok", "fp16": "fail: error of a constant 0.0333"},
        ),
        (np.zeros((1, 9)), np.full((1, 9), 0.2), None, {"int8": "fail: error of a constant 0.2, must be at most 0.05"}),
        (np.ones((1, 9)), np.ones((1, 9)) + 1e-7 * np.arange(9), None, {"fp32": "ok"}),
        (np.float32([[1, 1 + 6e-8, 1, 1 - 6e-8]]), np.ones((1, 4)), None, {"fp32": "ok"}),  # norms of unit vectors
        (np.array(5.0), np.array(5.0), None, {"fp32": "ok"}),
        # none at all
        (np.zeros((1, 0, 4)), np.zeros((1, 0, 4)), None, {"fp32": "ok", "int8": "ok"}),
        (np.zeros((1, 0), np.int64), np.zeros((1, 0), np.int64), None, {"fp32": "ok"}),
    ],
)
def test_outputs_are_judged_by_what_they_are(ref, cand, kind, verdicts):
    got = compare(Recorded([ref] * 3), Recorded([cand] * 3), [{"x": np.zeros(1, np.float32)}] * 3, {"y": kind})
    assert got.top1 is None
    for precision, words in verdicts.items():
        assert judge(got, precision).startswith(words)


def test_scores_are_told_and_are_rows():
    assert agreement([ROW], [ROW], None).outputs[0].kind == "numbers"
    assert agreement([ROW], [ROW], None).kl is None
    assert agreement([ROW], [ROW], SCORES).outputs[0].kind == "class scores"
    assert agreement([ROW[:, None]], [ROW[:, None]], SCORES).top1 is None
    assert all(kind.name == name for name, kind in KINDS.items())


@pytest.mark.parametrize("steps", [256, 1024])
def test_quantised_probabilities_are_no_logits(steps):
    """Those of 1000 classes seldom sum to one: the reference says what both are."""
    rng = np.random.default_rng(5)
    ref = softmax(rng.standard_normal((1, 1000)) * 3)
    cand = np.maximum(np.round(ref * steps), 0.1) / steps
    assert abs(cand.sum() - 1) > 1e-2
    q = cand / cand.sum()
    expected = (ref * np.log(ref / q)).sum()
    assert agreement([ref], [cand]).kl == pytest.approx(expected, rel=1e-4)
    feeds = [{"x": np.zeros((1, 1), np.float32)}]
    assert compare_samples(Recorded([ref]), Recorded([cand]), feeds).kl[0] == pytest.approx(expected, rel=1e-4)


def test_no_feeds_and_other_arity():
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(Recorded([GOOD]), Recorded([GOOD]), [])
    two = Recorded([GOOD])
    two.outputs = (*two.outputs, TensorSpec("z", (1, 1), "float32"))
    with pytest.raises(ValueError, match="2 outputs"):
        compare(two, Recorded([GOOD]), [{"x": np.zeros((1, 1), np.float32)}])


def test_further_outputs_of_the_candidate_are_left_aside():
    two = Recorded([GOOD])
    two.outputs = (*two.outputs, TensorSpec("z", (1, 1), "float32"))
    assert compare(Recorded([GOOD]), two, [{"x": np.zeros((1, 1), np.float32)}]).snr_db == MAX_SNR_DB
    two.outputs = tuple(TensorSpec(name, (1, 1), "float32") for name in ("z", "other"))
    with pytest.raises(ValueError, match="1 outputs"):
        compare(Recorded([GOOD]), two, [{"x": np.zeros((1, 1), np.float32)}])


GOOD_FIGURES = Agreement(200.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 10)


@pytest.mark.parametrize(
    ("changes", "precision", "verdict"),
    [
        ({}, "fp32", "ok"),
        ({}, "int8", "ok"),
        ({"max_abs_over_std": 1.1e-4}, "fp32", "fail: max abs error / std 0.00011, must be at most 0.0001 (fp32)"),
        ({"max_abs_over_std": 1.1e-4}, "int8", "ok"),
        ({"snr_db": 9.0}, "int8", "fail: SNR in dB 9, must be at least 10 (int8)"),
        ({"cosine": float("nan")}, "int8", "fail: cosine nan, must be at least 0.95 (int8)"),
        ({"snr_db": 44.0}, "fp16", "fail: SNR in dB 44, must be at least 45 (fp16)"),
        ({"snr_db": 46.0, "top1": 0.5}, "fp16", "ok"),
        ({"top1": 0.5}, "int8", "warn: top-1 agreement 0.5, should be at least 0.95 (int8)"),
        ({"top1": None}, "int8", "ok"),
        (
            {"snr_db": 19.0, "top1": 0.9},
            "int8",
            "warn: SNR in dB 19, should be at least 20; top-1 agreement 0.9, should be at least 0.95 (int8)",
        ),
        ({"snr_db": 9.0, "top1": 0.5}, "int8", "fail: SNR in dB 9, must be at least 10 (int8)"),
    ],
)
def test_judge(changes, precision, verdict):
    assert judge(replace(GOOD_FIGURES, **changes), precision) == verdict


@pytest.mark.parametrize(
    ("error", "noise", "verdict"),
    [
        (5e-5, 1e-4, "ok"),
        (
            7e-4,
            1e-4,
            "warn: max abs error / std 0.0007, should be at most 0.0001 (fp32), but float32 itself loses 0.0001",
        ),
        (9e-4, 1e-4, "fail: max abs error / std 0.0009, must be at most 0.0001 (fp32)"),
        (3e-4, 1e-6, "fail: max abs error / std 0.0003, must be at most 0.0001 (fp32)"),
    ],
)
def test_noise_of_the_reference_itself(error, noise, verdict):
    made, own = (replace(GOOD_FIGURES, max_abs_over_std=value) for value in (error, noise))
    assert judge(made, "fp32", own).startswith(verdict)


class Cancelling(torch.nn.Module):
    """Loses the last digits of its input in float32."""

    def forward(self, x):
        return (x + 4000.0) - 4000.0


@pytest.mark.parametrize(("module", "kind"), [(Cancelling(), "warn: "), (torch.nn.Identity(), "fail: ")])
def test_verdict_looks_at_the_reference_in_float64(module, kind):
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.standard_normal((1, 10)).astype(np.float32)} for _ in range(4)]
    reference = TorchSession(module, [TensorSpec("x", (1, 10), "float32")], ["y"])
    shifted = TorchSession(torch.nn.Identity(), reference.inputs, ["y"])
    shifted.module.forward = lambda x: module(x) + 1.1e-4 * x.sign()
    found = compare(reference, shifted, feeds)
    assert verdict(found, "fp32", reference, feeds).startswith(kind)
    assert verdict(found, "int8", reference, feeds) == "ok"


def test_what_float32_loses_is_told_by_several_runs():
    """On numbers that round well by chance an artifact may lose what it loses on their neighbours, and no more."""

    def chaotic(x):
        for _ in range(12):
            x = 3.99 * x * (1 - x)
        return x

    many = np.random.default_rng(0).uniform(0.1, 0.9, 1000).astype(np.float32)
    tensor = torch.from_numpy(many)
    loss = (chaotic(tensor).double() - chaotic(tensor.double())).abs().numpy()
    feeds = [{"x": many[None, np.argsort(loss)[:4]]}]
    reference = TorchSession(torch.nn.Identity(), [TensorSpec("x", (1, 4), "float32")], ["y"])
    reference.module.forward = chaotic
    typical = float(np.median(loss))
    for error, kind in ((typical, "warn: "), (100 * typical, "fail: ")):
        other = TorchSession(torch.nn.Identity(), reference.inputs, ["y"])
        other.module.forward = lambda x, error=error: chaotic(x) + error
        assert verdict(compare(reference, other, feeds), "fp32", reference, feeds).startswith(kind)
