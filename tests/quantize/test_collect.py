import numpy as np
import pytest
from edgeport.quantize import QuantizeError, Statistics, collect
from edgeport.quantize.calibration.collect import KEEP_EVERY

TEXT = (
    "(float[1,3,{size},{size}] x) => (float[1,2,1,1] y) <float[8,3,3,3] w, float[8] b, float[2,8,1,1] w2, float[2] b2,"
    " int64[2] axes> {{ c = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w, b) r = Relu(c)"
    " t = Transpose<perm=[0,1,3,2]>(r) g = ReduceMean(t, axes) y = Conv(g, w2, b2) }}"
)


@pytest.fixture(scope="module")
def model(build):
    return build(TEXT.format(size=16), axes=[2, 3])


def test_extremes_are_those_of_the_values(model, feeds, run):
    stats = collect(model, feeds(model, 3))
    assert set(stats.values) == {"x", "c", "r", "g", "y"}  # t is a view
    outputs = [run(model, feed)["y"] for feed in feeds(model, 3)]
    assert stats["y"].min == pytest.approx(min(float(y.min()) for y in outputs), rel=1e-5)
    assert stats["y"].mean_max == pytest.approx(np.mean([y.max() for y in outputs]), rel=1e-5)
    assert stats["r"].min == 0
    assert stats["x"].histogram.counts.sum() == 3 * 3 * 16 * 16
    assert stats.samples == 3


def test_histograms_count_a_bounded_sample(build, feeds):
    model = build(TEXT.format(size=128), axes=[2, 3])
    counts = collect(model, feeds(model, 1))["c"].histogram.counts
    assert 8 * 128 * 128 // 10 < counts.sum() <= 1 << 14


def test_save_and_load(model, feeds, tmp_path):
    stats = collect(model, feeds(model, 2))
    for name in "ab":
        stats.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = Statistics.load(tmp_path / "a.npz")
    assert list(loaded.values) == list(stats.values)
    for name, value in stats.values.items():
        same = loaded[name]
        assert (same.min, same.max, same.mean_min, same.mean_max) == (
            value.min,
            value.max,
            value.mean_min,
            value.mean_max,
        )
        np.testing.assert_array_equal(same.histogram.counts, value.histogram.counts)
        assert (same.histogram.exponent, same.histogram.first) == (value.histogram.exponent, value.histogram.first)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not a zip"])
def test_a_file_that_holds_no_statistics(content, tmp_path):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(QuantizeError, match="holds no calibration statistics"):
        Statistics.load(tmp_path / "s.npz")


def test_memory_does_not_grow_with_the_inputs(model, feeds):
    import tracemalloc

    def peak(count):
        tracemalloc.start()
        collect(model, feeds(model, count))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(2)
    few, many = peak(50), peak(300)
    activations = 300 * 8 * 16 * 16 * 4 * 2  # what keeping c and r would take
    assert many < few + activations / 50


def test_progress_counts_the_inputs(model, feeds):
    done = []
    collect(model, feeds(model, 3), progress=done.append)
    assert done == [1, 2, 3]


def test_an_interrupted_calibration_goes_on(model, feeds, tmp_path):
    """From what was kept on disk; the inputs that were run are not run again, and the statistics are the same."""
    inputs = list(feeds(model, KEEP_EVERY + 5))
    kept = []
    with pytest.raises(KeyboardInterrupt):
        collect(model, _interrupted(inputs, KEEP_EVERY + 2), keep=kept.append)
    (partial,) = kept
    assert partial.samples == KEEP_EVERY
    partial.save(tmp_path / "partial.npz")
    done = []
    known = Statistics.load(tmp_path / "partial.npz")
    resumed = collect(model, inputs, known=known, progress=done.append)
    assert done == list(range(KEEP_EVERY + 1, KEEP_EVERY + 6))
    whole = collect(model, inputs)
    for name, value in whole.values.items():
        other = resumed[name]
        assert (other.min, other.max) == (value.min, value.max)
        assert (other.mean_min, other.mean_max) == pytest.approx((value.mean_min, value.mean_max), rel=1e-12)
        np.testing.assert_array_equal(other.histogram.counts, value.histogram.counts)


def _interrupted(inputs, after):
    yield from inputs[:after]
    raise KeyboardInterrupt


def test_statistics_of_another_graph(model, build, feeds):
    other = build("(float[1,3] x) => (float[1,3] y) { y = Relu(x) }")
    with pytest.raises(QuantizeError, match="of another graph"):
        collect(model, feeds(model), known=collect(other, feeds(other)))


def _bad(value):
    x = np.zeros((1, 3, 16, 16), np.float32)
    x[0, 1, 2, 3] = value
    return x


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ([], "no calibration inputs"),
        ([{"image": _bad(0)}], r"input 1 feeds \['image'\], the model wants \['x'\]"),
        ([{"x": _bad(0)}, {"x": _bad(0)[0]}], r"'x' of input 2 has shape \(3, 16, 16\), not \(1, 3, 16, 16\)"),
        ([{"x": _bad(np.nan)}], "value 'x' .an input of the model. holds NaN or infinity for input 1"),
        ([{"x": _bad(0)}, {"x": _bad(-np.inf)}], "holds NaN or infinity for input 2"),
    ],
)
def test_bad_inputs(feed, message, model):
    with pytest.raises(QuantizeError, match=message):
        collect(model, feed)


def test_bad_weights_are_placed_in_the_module(build, feeds):
    model = build(TEXT.format(size=8), axes=[2, 3], b2=[0, np.nan])
    model.graph.node(len(list(model.graph)) - 1).metadata_props["pkg.torch.onnx.name_scopes"] = "['', 'head', 'conv2d']"
    with pytest.raises(QuantizeError, match=r"value 'y' .Conv 'node_y' .at 'head'.. holds NaN"):
        collect(model, feeds(model))
