"""`num_classes=0`: a model of every family without its classifier, as timm has it."""

import edgeport
import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import UsageError
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.index import VARIANTS

TINY = [variant.name for variant in VARIANTS if variant.name.endswith("_test")]
# of every kind of head: linear, convolution, with a norm of its own, with layers in front, two of them
HEADS = (
    *("levit_128s", "crossvit_9_240", "deit_tiny_distilled_patch16_224", "efficientformer_l1", "vgg11"),
    *("efficientvit_m0", "efficientvit_b0", "repvit_m0_9", "tiny_vit_5m_224", "hgnetv2_b0", "poolformer_s12"),
    *("convnext_atto", "mobilenetv3_small_050", "inception_v4", "swin_tiny_patch4_window7_224", "shvit_s1"),
)
COMPUTED = ("levit_128s", "crossvit_9_240", "deit_tiny_distilled_patch16_224", "mobilenetv3_small_050")


@pytest.mark.parametrize("name", TINY)
def test_it_gives_an_embedding(name):
    variant = get_variant(name)
    headless, whole = create_model(name, num_classes=0), create_model(name)
    with torch.inference_mode():
        embedding = headless(torch.zeros(2, *variant.input_size))
    assert embedding.shape[0] == 2
    assert embedding.ndim == 2
    assert set(headless.state_dict()) < set(whole.state_dict())


@pytest.mark.parametrize("name", HEADS)
def test_its_tensors_are_timms(timm, name):
    with torch.device("meta"):
        ours, theirs = create_model(name, num_classes=0), timm.create_model(name, num_classes=0)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}


@pytest.mark.parametrize("name", COMPUTED)
def test_its_embedding_is_timms(timm, name):
    size = get_variant(name).input_size
    theirs = timm.create_model(name, num_classes=0).eval()
    redraw(theirs, input_size=size)
    ours = create_model(name, num_classes=0)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, *size, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():  # in float64, as random weights may amplify what float32 rounds
        torch.testing.assert_close(ours.double()(image), theirs.double()(image), rtol=1e-6, atol=1e-6)


def test_a_checkpoint_with_a_classifier_is_taken_without_it(tmp_path):
    whole = create_model("mobilenetv2_test", num_classes=7)
    redraw(whole, seed=3, input_size=(3, 64, 64))
    torch.save(whole.state_dict(), tmp_path / "seven.pt")
    result = edgeport.export(
        "mobilenetv2_test",
        "onnx",
        weights=str(tmp_path / "seven.pt"),
        num_classes=0,
        benchmark=False,
        output_dir=tmp_path,
    )
    session = edgeport.open_session(result.path)
    assert [spec.name for spec in session.outputs] == ["embedding"]
    image = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    (got,) = session.run({session.inputs[0].name: image}).values()
    whole.classifier = torch.nn.Identity()
    with torch.inference_mode():
        np.testing.assert_allclose(got, whole(torch.from_numpy(image)).numpy(), atol=1e-4)
    manifest = edgeport.info(result.path)["manifest"]
    assert (manifest["num_classes"], manifest["weights"]["seed"]) == (0, None)
    assert not result.verdict.startswith("fail")
    again = edgeport.validate(result.path, weights=str(tmp_path / "seven.pt"))
    assert again.verdict == result.verdict


@pytest.mark.parametrize("option", [{"softmax": True}, {"top_k": 2}, {"labels": [f"class {i}" for i in range(10)]}])
def test_options_of_classifiers_are_refused(option, tmp_path):
    with pytest.raises(UsageError, match="--num-classes 0 leaves it away"):
        edgeport.export("mobilenetv2_test", "onnx", weights="random", num_classes=0, output_dir=tmp_path, **option)
