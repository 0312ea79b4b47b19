"""The search of a budget on benches that are made up, its figures, and what a unit errs by itself."""

import math

import numpy as np
import pytest
from edgeport.graph.edit import NAME_SCOPES
from edgeport.quantize import QuantizeError, collect, plan, select
from edgeport.quantize.mixed_precision.goals import GOALS
from edgeport.quantize.mixed_precision.search import Candidate, Measured, candidates, search
from edgeport.quantize.mixed_precision.sensitivity import Sensitivity, measure_sensitivity
from edgeport.runtime.compare_samples import Samples, compare_samples
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

BASE_MS, FLOAT_MS = 10.0, 20.0


class Units:
    """Units whose losses add up; `costs` are in ms, None for a runtime that is not timed."""

    def __init__(self, losses, limit, costs=None, float_ms=FLOAT_MS, together=frozenset()):
        self.losses, self.limit, self.costs, self.float_ms, self.together = losses, limit, costs, float_ms, together
        self.calls = 0

    def full(self, kept):
        self.calls += 1
        loss = sum(loss for unit, loss in self.losses.items() if unit not in kept)
        loss += 5 * bool(self.together - kept)  # of no use unless all of them are float
        ms = None if self.costs is None else BASE_MS + sum(self.costs[unit] for unit in kept)
        return Measured(loss, loss <= self.limit, loss, 0.0, ms, ms and ms / self.float_ms)

    def trial(self, kept):
        measured = self.full(kept)
        return measured, measured.median_ms and measured.median_ms - BASE_MS


def pool(names):
    return [Candidate(name, frozenset(name.split("+"))) for name in names]


EVEN = dict.fromkeys("abcdefghijkl", 1.0)
HARMLESS = dict.fromkeys("abcdefghijkl", 0.0)
CASES = {  # name: (bench, candidates, steps, what is float at the end, a word of why)
    "met already": (Units({"a": 1}, 1), ["a"], 5, "", ""),
    "the one that hurts": (Units({"a": 1, "b": 9, "c": 1}, 2), ["a", "b", "c"], 5, "b", ""),
    "beyond the first ones tried": (Units({**HARMLESS, "z": 9}, 1), [*HARMLESS, "z"], 9, "z", ""),
    "the cheaper of two": (Units({"a": 3, "b": 3}, 3, {"a": 4, "b": 1}), ["a", "b"], 5, "b", ""),
    "much for much time": (Units({"a": 4, "b": 3}, 4, {"a": 8, "b": 1}), ["a", "b"], 5, "b", ""),
    "only both": (Units({"a": 1}, 2, together=frozenset("bc")), ["a", "b", "c"], 5, "bc", ""),
    "taken back": (Units({"a": 3, "b": 9}, 3.5, {"a": 0.1, "b": 5}), ["a", "b"], 5, "b", ""),
    "overlapping": (Units({"a": 4, "b": 4}, 0), ["a+b", "a", "b"], 5, "ab", ""),
    "steps used up": (Units(EVEN, 0), list(EVEN), 3, "abc", "--budget-steps 3 are used up"),
    "all in float": (Units({"a": 1, "b": 1}, -1), ["a", "b"], 9, "ab", "all that can be"),
    "met, but slower": (Units({"a": 3, "b": 3}, 0, {"a": 12, "b": 1}), ["a", "b"], 9, "ab", ""),
    "slower than float": (Units({"a": 3, "b": 9}, 0, {"a": 12, "b": 11}), ["a", "b"], 9, "b", "1.05 of its float"),
    "slower from the start": (Units({"a": 3}, 0, {"a": 1}, float_ms=5), ["a"], 9, "", "2.00 of its float"),
    "no number": (Units({"a": math.nan}, 0), ["a"], 9, "a", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_search(name):
    bench, names, steps, kept, why = CASES[name]
    told = []
    done = search(bench, pool(names), steps=steps, tell=told.append)
    assert "".join(sorted(done.chosen.kept)) == kept
    assert why in done.why
    assert bool(done.why) != done.chosen.measured.met
    assert (tuple(told), done.steps[0].change) == (done.steps, "")
    assert done.chosen.note == ("slower than float" if "slower" in name else "")


def test_a_search_starts_from_what_is_asked_to_be_float():
    done = search(Units({"a": 1, "b": 2, "c": 3}, 2), pool("abc"), start=frozenset("a"), steps=5)
    assert [step.kept for step in done.steps] == [{"a"}, {"a", "c"}]


def made_of(**fields):
    fields = {name: np.array(values) for name, values in fields.items()}
    return Samples(**{"signal": np.ones((1, 4)), "noise": np.zeros((1, 4)), **fields})


FIGURES = [  # (goal, samples, figure, standard error)
    ("min_snr", made_of(signal=[[4.0, 6], [1, 1]], noise=[[0.1, 0.1], [0.1, 0.1]]), 10, 0),
    ("min_snr", made_of(signal=[[1.0, 1]], noise=[[0.1, math.nan]]), math.nan, math.nan),
    ("min_snr", made_of(), math.inf, 0),
    ("min_snr", made_of(signal=[[1.0, 1]], noise=[[0.05, 0.15]]), 10, 10 / math.log(10) * 0.5 / math.sqrt(2)),
    ("min_agreement", made_of(agree=[True, True, True, False]), 0.75, math.sqrt(0.75 * 0.25 / 4)),
    ("max_drop", made_of(lost=[0, 1, -1, 0]), 0, math.sqrt(0.5 / 4)),
    ("max_drop", made_of(lost=[0, 1, 0, 0]), 0.25, math.sqrt(0.75 * 0.25 / 4)),
]


@pytest.mark.parametrize(("goal", "seen", "figure", "error"), FIGURES)
def test_figures(goal, seen, figure, error):
    np.testing.assert_allclose(GOALS[goal].figure(seen), (figure, error), atol=1e-12)


def test_a_figure_that_is_no_number_is_not_met():
    assert not any(goal.met(math.nan, 0) for goal in GOALS.values())


class Fixed:
    """A session that answers what it is fed, changed."""

    def __init__(self, change):
        self.change = change
        self.inputs = self.outputs = [type("Spec", (), {"name": "y"})]

    def run(self, feeds):
        return {"y": self.change(feeds["y"])}


def test_samples():
    feeds = [{"y": np.array([row], np.float32)} for row in ([0, 2, 1], [3, 0, 0], [0, 0, 1])]
    made = compare_samples(Fixed(lambda y: y), Fixed(lambda y: y - [[0, 2, 0]]), feeds, classes=[1, 0, 1])
    np.testing.assert_allclose(made.signal, [[5, 9, 1]])
    np.testing.assert_allclose(made.noise, [[4, 4, 4]])
    assert made.agree.tolist() == [False, True, True]
    assert made.lost.tolist() == [1, 0, 0]
    assert (made.kl > 0).all()
    with pytest.raises(ValueError, match="no row of classes"):
        compare_samples(Fixed(np.squeeze), Fixed(np.squeeze), feeds, classes=[1, 0, 1])


NETWORK = """(float[1,3,8,8] image) => (float[1,4,8,8] y)
<float[4,3,3,3] w1, float[4,4,1,1] w2, float[4,4,3,3] w3, float[4] b> {
    c1 = Conv <pads = [1,1,1,1]> (image, w1, b) r1 = Relu (c1) c2 = Conv (r1, w2, b)
    y = Conv <pads = [1,1,1,1]> (c2, w3, b) }"""


@pytest.fixture(scope="module")
def bad_middle(build, feeds):
    """(graph, plan, inputs): the first channel that c2 reads is always 0, and its weights are huge."""
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=(4, 4, 1, 1))
    w1[0], w2[:, 0] = 0, 200
    graph = build(NETWORK, w1=w1, w2=w2, b=np.zeros(4))
    inputs = list(feeds(graph, 4))
    return graph, plan(graph, collect(graph, inputs), TFLITE_XNNPACK), inputs


def test_the_bad_unit_errs_most_by_itself(bad_middle):
    graph, planned, inputs = bad_middle
    errors = measure_sensitivity(graph, planned, inputs)
    assert list(errors.units) == ["r1", "c2", "y"]
    assert errors.units["c2"] > 0.3  # what it reads is as exact as for the others
    assert max(errors.units["r1"], errors.units["y"]) < 1e-3
    assert set(errors.values) == {"image", "r1", "c2", "y"}
    assert max(errors.values.values()) < 1e-3
    assert candidates(graph.graph, planned, errors)[0] == Candidate("c2", frozenset({"c2"}))
    with pytest.raises(QuantizeError, match="no inputs"):
        measure_sensitivity(graph, planned, [])


def test_modules_within_modules_are_candidates(build):
    """a.b.0, a.b.1, a.b ... but not what holds more than an eighth of all units, unless it is their own module."""
    count = 32
    nodes = "".join(f"v{i + 1} = Conv (v{i}, w, b) " for i in range(count))
    graph = build(f"(float[1,2,4,4] v0) => (float[1,2,4,4] v{count}) <float[2,2,1,1] w, float[2] b> {{ {nodes} }}")
    for i, node in enumerate(graph.graph):
        node.metadata_props[NAME_SCOPES] = str(["", f"a.{i // 8}.{i // 4}.{i // 2}", "conv"])
    statistics = collect(graph, [{"v0": np.ones((1, 2, 4, 4), np.float32)}])
    planned = plan(graph, statistics, TFLITE_XNNPACK)
    outputs = [unit.output for unit in planned.units]
    found = candidates(graph.graph, planned, Sensitivity(dict.fromkeys(outputs, 0.1), {}))
    sizes = {each.name: len(each.units) for each in found}
    assert sizes["a.0.0.0"] == 2
    assert sizes["a.0.0"] == 4
    assert not {"a", "a.0"} & sizes.keys()


@pytest.mark.parametrize(
    ("patterns", "units"), [(["c2"], {"c2"}), (["c1"], {"r1"}), (["[ry]*", "c2"], {"r1", "y", "c2"})]
)
def test_select(bad_middle, patterns, units):
    assert select(bad_middle[0].graph, bad_middle[1], patterns) == units


def test_a_pattern_without_a_unit_is_refused(bad_middle):
    with pytest.raises(QuantizeError, match="'nothing\\*'; there are: r1, c2, y"):
        select(bad_middle[0].graph, bad_middle[1], ["c2", "nothing*"])


def test_the_search_follows_a_leading_figure_and_decibels_where_it_ties():
    """Of two units one wins a standard error and more, the other decibels alone; of two ties the decibels decide."""
    measured = {
        frozenset(): Measured(0.50, False, 0.10, 10.0, standard_error=0.05, sign=1),
        frozenset("a"): Measured(0.53, False, 0.01, 20.0, standard_error=0.05, sign=1),
        frozenset("b"): Measured(0.70, False, 0.09, 10.5, standard_error=0.05, sign=1),
        frozenset("c"): Measured(0.54, False, 0.02, 17.0, standard_error=0.05, sign=1),
    }
    met = Measured(0.9, True, 0.0, 50.0, standard_error=0.05, sign=1)

    class Told:
        def full(self, kept):
            return measured.get(kept, met)

        def trial(self, kept):
            return measured.get(kept, met), None

    def first(names):
        return search(Told(), [Candidate(name, frozenset(name)) for name in names], steps=3).steps[1].change

    assert (first("ab"), first("ba"), first("ac"), first("ca")) == ("+ b", "+ b", "+ a", "+ a")
