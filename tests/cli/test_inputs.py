import numpy as np
import pytest
from edgeport.artifacts.errors import UsageError
from edgeport.models import PreprocessSpec, get_variant
from edgeport.pipeline.data.choose import choose_calibration, separate
from edgeport.pipeline.data.dataset import Dataset, generate_dataset, open_folder
from edgeport.pipeline.input_spec import InputSpec
from edgeport.pipeline.progress import Progress
from edgeport.runtime.session import TensorSpec

LENET = InputSpec.of_image(get_variant("lenet5"))
TWO = InputSpec((TensorSpec("x", (1, 4, 6), "float32"), TensorSpec("ids", (2, 3), "int64")))


def numbers(items, source="folder") -> Dataset:
    return Dataset(
        source, list(items), lambda item: {"x": np.full((1, 1), item, np.float32)}, lambda item: bytes([item])
    )


def test_take_is_evenly_spaced():
    assert numbers(range(10)).take(3).items == [0, 3, 6]
    assert numbers(range(3)).take(5).items == [0, 1, 2]


@pytest.mark.parametrize("count", range(2, 30))
def test_one_folder_for_both_is_split(count):
    calibration, validation = separate(numbers(range(count)), numbers(range(count)), (300, 50), Progress())
    assert sorted([*calibration.items, *validation.items]) == list(range(count))
    assert len(validation) == max(1, count // 5)


def test_the_same_image_in_another_folder_does_not_validate():
    calibration, validation = separate(numbers(range(5)), numbers([3, 4, 5, 6], "other"), (300, 50), Progress())
    assert (calibration.items, validation.items) == ([0, 1, 2, 3, 4], [5, 6])
    with pytest.raises(UsageError, match="all its inputs calibrate too"):
        separate(numbers(range(5)), numbers([3, 4], "other"), (300, 50), Progress())


def test_what_does_not_calibrate_may_validate():
    calibration, validation = separate(numbers(range(8)), numbers(range(8), "other"), (2, 3), Progress())
    assert (len(calibration), len(validation)) == (2, 3)
    assert not {*calibration.items} & {*validation.items}


def test_generated_inputs_look_like_images():
    inputs = generate_dataset(InputSpec.of_image(PreprocessSpec()), 3, seed=0)
    arrays = [feed["image"] for feed in inputs]
    assert [array.shape for array in arrays] == [(1, 3, 224, 224)] * 3
    assert arrays[0].dtype == np.float32
    np.testing.assert_array_equal(next(iter(inputs))["image"], arrays[0])
    assert np.abs(arrays[0] - arrays[1]).max() > 0.1
    mean, std = (np.reshape(values, (1, 3, 1, 1)) for values in (PreprocessSpec().mean, PreprocessSpec().std))
    pixels = arrays[0] * std + mean
    assert -1e-6 < pixels.min() < pixels.max() < 1 + 1e-6
    neighbours = np.corrcoef(pixels[0, 0, :, :-1].ravel(), pixels[0, 0, :, 1:].ravel())[0, 1]
    assert 0.5 < neighbours < 0.99  # white noise would have 0


def test_generated_calibration_is_loud():
    events = []
    progress = Progress(events.append)
    assert len(choose_calibration(LENET, progress, open, data=None, count=None, seed=0)) == 32
    assert [event.kind for event in events] == ["warning"]
    assert "GENERATED" in events[0].text
    assert progress.warnings == [events[0].text]


def test_images(given):
    inputs = open_folder(str(given / "photos"), LENET)
    assert len(inputs) == 12
    array = next(iter(inputs))["image"]
    assert (array.shape, array.dtype) == ((1, 1, 32, 32), np.float32)
    assert len(set(inputs.digests())) == 12


@pytest.mark.parametrize("name", ["good.npz", "packed.npz"])
def test_npz_rows_in_any_order(given, name):
    inputs = open_folder(str(given / name), LENET)
    wanted = np.load(given / name)["images"]
    for row in (7, 2, 9, 0):
        np.testing.assert_array_equal(inputs.load(row)["image"], wanted[row : row + 1])
    np.testing.assert_array_equal(np.concatenate([feed["image"] for feed in inputs]), wanted)


def test_generated_inputs_of_any_type():
    first, second = generate_dataset(TWO, 2, seed=3)
    assert {name: array.shape for name, array in first.items()} == {"x": (1, 4, 6), "ids": (2, 3)}
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}
    assert set(first["ids"].ravel()) <= set(range(10))
    assert np.abs(first["x"] - second["x"]).max() > 0.1
    np.testing.assert_array_equal(next(iter(generate_dataset(TWO, 1, seed=3)))["x"], first["x"])


NPZ = {  # what the arrays are -> what is said, None where they are taken
    "all": ({"x": np.ones((5, 4, 6)), "ids": np.ones((5, 2, 3), np.int32), "labels": np.arange(5)}, None),
    "missing": ({"x": np.ones((5, 4, 6))}, "holds no array 'ids'"),
    "shape": ({"x": np.ones((5, 4, 7)), "ids": np.ones((5, 2, 3), int)}, r"has shape \(5, 4, 7\)"),
    "no integers": ({"x": np.ones((5, 4, 6)), "ids": np.ones((5, 2, 3))}, "must be integers"),
    "rows": ({"x": np.ones((5, 4, 6)), "ids": np.ones((4, 2, 3), int)}, "different numbers of rows"),
}


@pytest.mark.parametrize("what", NPZ)
def test_npz_of_several_inputs(tmp_path, what):
    arrays, said = NPZ[what]
    np.savez(tmp_path / "feeds.npz", **arrays)
    if said:
        with pytest.raises(UsageError, match=said):
            open_folder(str(tmp_path / "feeds.npz"), TWO)
        return
    inputs = open_folder(str(tmp_path / "feeds.npz"), TWO)
    assert len(inputs) == 5
    assert {name: array.shape for name, array in inputs.load(4).items()} == {"x": (1, 4, 6), "ids": (2, 3)}


def test_images_for_what_is_no_image(given):
    with pytest.raises(UsageError, match="takes no image but 'x' 1x4x6, 'ids' 2x3"):
        open_folder(str(given / "photos"), TWO)
