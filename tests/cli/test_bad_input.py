import shutil

import pytest

# what: (arguments, exit code, what the sentence says); {given} is the folder of conftest.py
CASES = {
    "unknown model": ("export mobilevit_z", 2, "there is no model 'mobilevit_z'; the nearest: mobilevit_"),
    "no such weights": ("export lenet5 --weights {given}/no.pth", 2, "no.pth is not a weights file"),
    "corrupt weights": ("export lenet5 --weights {given}/corrupt.pth", 2, "corrupt.pth is not a readable torch file"),
    "corrupt safetensors": ("export lenet5 --weights {given}/corrupt.safetensors", 2, "is not a readable safetensors"),
    "foreign weights": ("export lenet5 --weights {given}/lenet1.pth", 2, "missing: "),
    "nan weights": ("export lenet5 --weights {given}/nan.pth", 2, "holds NaN"),
    "no classes": ("export lenet5 --num-classes=-1", 2, "must be 0 or more"),
    "no such images": ("export lenet5 --int8 --calibration-data {given}/no", 2, "is no folder of images"),
    "no images": ("export lenet5 --int8 --calibration-data {given}/empty", 2, "there are no images in"),
    "no image": ("export lenet5 --int8 --calibration-data {given}/no_image --no-validate", 2, "a.jpg is not an image"),
    "no image to validate": ("export lenet5 --validation-data {given}/no_image", 2, "a.jpg is not an image"),
    "truncated image": ("export lenet5 --validation-data {given}/truncated", 2, "01.png is not a readable image"),
    "one image for both": ("export lenet5 --int8 --calibration-data {given}/one", 2, "needs at least 2 inputs"),
    "npz, wrong shape": (
        "export lenet5 --int8 --calibration-data {given}/shape.npz",
        2,
        "has shape (10, 1, 28, 32), the model wants (n, 1, 32, 32)",
    ),
    "npz, pixels": ("export lenet5 --validation-data {given}/pixels.npz", 2, "must be float in C order (preprocessed)"),
    "npz, no rows": ("export lenet5 --validation-data {given}/none.npz", 2, "is empty"),
    "npz, two arrays": (
        "export lenet5 --validation-data {given}/two.npz",
        2,
        "holds no array 'image', which the model takes; it holds: images, labels",
    ),
    "npz, objects": ("export lenet5 --validation-data {given}/objects.npz", 2, "has shape (1,)"),
    "npz, nan": ("export lenet5 --validation-data {given}/nan.npz", 2, "row 3 holds NaN"),
    "npz, cut": ("export lenet5 --validation-data {given}/cut.npz", 2, "is not a readable .npz"),
    "npz, missing": ("export lenet5 --validation-data {given}/no.npz", 2, "cannot be read (No such file"),
    "factory, no file": ("export {given}/no.py:net --input-shape 3,8,8", 2, "no such file"),
    "factory, no function": ("export {given}/models.py:nut --input-shape 3,8,8", 2, "has no function 'nut'; it has: "),
    "factory, no shape": ("export {given}/models.py:net", 2, "give --input-shape"),
    "factory, other shape": (
        "export {given}/models.py:net --input-shape 1,8,8",
        2,
        "does not run on an input of 1x8x8",
    ),
    "factory, no syntax": ("export {given}/broken.py:net --input-shape 3,8,8", 2, "SyntaxError"),
    "factory, raises": (
        "export {given}/models.py:fails --input-shape 3,8,8",
        2,
        "fails at line 24: RuntimeError: no weights here",
    ),
    "factory, no module": ("export {given}/models.py:number --input-shape 3,8,8", 2, "but returned a int"),
    "factory, speechless": ("export {given}/models.py:speechless --input-shape 3,8,8", 2, "Speechless: no message"),
    "forward, speechless": ("export {given}/models.py:speechless_forward --input-shape 3,8,8", 2, "no message"),
    "factory, base": ("export {given}/models.py:base_exception --input-shape 3,8,8", 2, "BaseException: base"),
    "factory, generator": ("export {given}/models.py:generator_exit --input-shape 3,8,8", 2, "GeneratorExit"),
    "factory, leaves": ("export {given}/models.py:leaves_at_once --input-shape 3,8,8", 2, "ends the program at"),
    "property, leaves": ("export {given}/models.py:leaving_property --input-shape 3,8,8", 2, "ends the program at"),
    "factory, no init": ("export {given}/models.py:no_init --input-shape 3,8,8", 2, "AttributeError"),
    "factory, meta": ("export {given}/models.py:meta --input-shape 3,8,8", 2, "is on the 'meta' device"),
    "factory, lazy": ("export {given}/models.py:lazy --input-shape 3,8,8", 2, "has no shape yet"),
    "output in itself": ("export {given}/models.py:loop --input-shape 3,8,8", 2, "is nested too deeply, or within"),
    "factory, classes": ("export {given}/models.py:net --input-shape 3,8,8 --num-classes 3", 2, "decides its own"),
    "factory, nan": ("export {given}/models.py:nan --input-shape 3,8,8 --no-validate", 3, "'0.weight' holds NaN"),
    "factory, images": (
        "export {given}/models.py:net --input-shape 3,8,8 --int8 --calibration-data {given}/photos",
        2,
        "say how it was trained: --scale, --mean and --std",
    ),
    "factory, pixels": (
        "export {given}/models.py:net --input-shape 3,8,8 --input uint8 --target onnx",
        2,
        "models.py:net --target onnx --input-shape 3,8,8 --input uint8 --scale 1/255 --mean 0.485,0.456,0.406",
    ),
    "a mean that is none": ("export lenet5 --mean red", 2, "mean: must be a number, or one for each channel"),
    "three means for one channel": ("export lenet5 --mean 1,2,3", 2, "mean: has 3 values, the model takes 1 channel"),
    "preprocessing of no image": (
        "export {given}/models.py:net --input-shape x=1x3x8x8 --input-shape y=2 --mean 0",
        2,
        "its forward takes input, not x, y",
    ),
    "outside the dialect": ("export {given}/models.py:outside --input-shape 3,8,8", 3, "'tail'"),
    "output folder in a file": ("export lenet5 --output-dir {given}/models.py", 2, "cannot be written"),
    "read-only file system": ("export lenet5 --output-dir /proc/here", 2, "cannot be written"),
    "benchmark of nothing": ("benchmark {given}/no.tflite", 2, "no.tflite: no such file"),
    "benchmark of text": ("benchmark {given}/models.py", 2, "no runtime for the suffix '.py'"),
    "info of nothing": ("info no_such_model", 2, "there is no model"),
    "info of a folder": ("info {given}", 2, "is a folder, not a model"),
    "export of an artifact": ("export {given}/no.tflite", 2, "no.tflite: is an artifact by its name"),
    "export of a photograph's folder": ("export {given}/photos", 2, "photos: is a folder, not a model"),
    "no memory for it": ("export lenet5 --num-classes 1000000000000", 2, "too little memory for it"),
    "more threads than a system gives": ("export lenet5 --threads 100000", 2, "from 1 to 512, not 100000"),
    "more processes": ("sweep --models lenet5 --jobs 100000", 2, "from 1 to 512, not 100000"),
    "list of nothing": ("list --family mobilenet", 2, "there is no family 'mobilenet'"),
    "validate nothing": ("validate {given}/no.tflite", 2, "no such file"),
}


@pytest.mark.parametrize("what", CASES)
def test_one_sentence_one_code_no_file(edgeport, given, tmp_path, what):
    arguments, code, words = CASES[what]
    done = edgeport(*arguments.format(given=given).split())
    errors = [line for line in done.err.splitlines() if line.startswith("edgeport: ")]
    assert done.code == code, done.err
    assert len(errors) == 1
    assert done.err.endswith(errors[0] + "\n")  # one line, and the last one
    assert words in errors[0]
    assert done.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        "export",
        "export lenet5 --target toaster",
        "export lenet5 --int8 --precision fp32",
        "export lenet5 --num-runs 0",
        "export lenet5 --threads -1",
        "export lenet5 --input-shape 3,a",
        "export lenet5 --seed x",
        "bake lenet5",
        "benchmark",
    ],
)
def test_usage(edgeport, arguments):
    done = edgeport(*arguments.split())
    assert done.code == 2
    assert "usage: edgeport" in done.err


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("manifest", [True, False])
def test_validate_a_truncated_file(edgeport, exported, tmp_path, share, manifest):
    whole = exported["int8"].read_bytes()
    path = tmp_path / exported["int8"].name
    path.write_bytes(whole[: int(len(whole) * share)])
    if manifest:
        beside = exported["int8"].name + ".json"
        shutil.copy(exported["int8"].with_name(beside), tmp_path / beside)
    done = edgeport("validate", path, *([] if manifest else ["--reference", "lenet5"]))
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "export it again" in done.err or "is not a whole TFLite model" in done.err or "is empty" in done.err


def test_validate_without_a_manifest(edgeport, exported, tmp_path):
    shutil.copy(exported["fp32"], tmp_path / "foreign.tflite")
    done = edgeport("validate", "foreign.tflite")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "name what to compare with by --reference" in done.err


def test_validate_with_other_weights(edgeport, exported, given):
    done = edgeport("validate", exported["fp32"], "--weights", given / "lenet5.pth")
    assert done.code == 2
    assert "was not made from these weights" in done.err


def test_validate_with_a_damaged_manifest(edgeport, exported, tmp_path):
    shutil.copy(exported["fp32"], tmp_path / "a.tflite")
    (tmp_path / "a.tflite.json").write_text('{"schema": 1}')
    done = edgeport("validate", "a.tflite")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "a.tflite.json: is not an edgeport manifest" in done.err


def test_a_bug_is_a_bug(edgeport, monkeypatch):
    from edgeport.pipeline import prepare

    def broken(*_):
        raise ValueError("nobody expected this")

    monkeypatch.setattr(prepare, "to_graph", broken)
    with pytest.raises(ValueError, match="nobody expected this"):
        edgeport("export", "lenet5")


def test_a_forward_that_changes_its_input_and_prints(edgeport, given):
    """The artifact is fed what the reference was fed, and stdout has the result alone."""
    model = f"{given / 'models.py'}:in_place"
    done = edgeport("export", model, "--input-shape", "3,16,16", "--json", "--num-runs", 1)
    assert done.json["verdict"] == "ok"
    assert "hello from the model" in done.err


@pytest.mark.parametrize(
    ("name", "words"), [("leaves", "the model does not run on"), ("tires", "fails when it is run")]
)
def test_a_forward_that_fails_or_leaves(edgeport, given, tmp_path, name, words):
    done = edgeport("export", f"{given / 'models.py'}:{name}", "--input-shape", "3,16,16", "--no-benchmark")
    assert done.code == 2
    assert words in done.error
    assert not list(tmp_path.rglob("*.tflite"))
