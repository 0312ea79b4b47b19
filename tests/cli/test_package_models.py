"""torchvision:NAME and transformers:FOLDER: what they say is known, their weights are read, or why not."""

import importlib.util
import json

import edgeport
import numpy as np
import pytest
import torch
from edgeport import Manifest
from edgeport.artifacts.errors import RuntimeUnavailable, UsageError

pytest.importorskip("torchvision_on_cpu")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """torch.hub's cache, empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


class TestTorchvision:
    def test_a_classifier(self, hub):
        source = edgeport.load("torchvision:mobilenet_v3_small")
        assert (source.task, source.output_names) == ("classify", ("logits",))
        assert "RANDOM" in source.warnings[0]
        spec = source.input_spec.preprocess
        assert (spec.resize, spec.crop_pct, spec.interpolation) == ("crop", 224 / 256, "bilinear")
        assert spec.mean == pytest.approx((0.485, 0.456, 0.406))

    def test_a_segmenter(self, hub, edgeport):
        options = ("--num-validation-samples", "2", "--no-benchmark", "--json", "--input-shape", "3,64,64")
        done = edgeport("export", "torchvision:lraspp_mobilenet_v3_large", "--target", "onnx", *options)
        assert done.code == 0, done.err
        assert json.loads(done.out)["task"]["name"] == "segment"
        labels = Manifest.read(json.loads(done.out)["manifest"]).task.labels
        assert (labels[0], labels[-1], len(labels)) == ("__background__", "tvmonitor", 21)

    def test_weights_that_were_downloaded_are_taken(self, hub):
        from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small

        torch.manual_seed(1)
        trained = mobilenet_v3_small().eval()
        name = MobileNet_V3_Small_Weights.DEFAULT.url.rpartition("/")[2]
        torch.save(trained.state_dict(), hub / name)
        source = edgeport.load("torchvision:mobilenet_v3_small", input_shape=(3, 64, 64))
        assert source.weights.source == str(hub / name)
        x = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            expected = trained(x).numpy()
        (given,) = source.session().run({"image": x.numpy()}).values()
        np.testing.assert_allclose(given, expected, atol=1e-5)

    def test_the_last_flow_between_two_images(self, hub):
        from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

        torch.manual_seed(1)
        trained = raft_small().eval()
        torch.save(trained.state_dict(), hub / Raft_Small_Weights.DEFAULT.url.rpartition("/")[2])
        source = edgeport.load("torchvision:raft_small", input_shape=(3, 128, 136))
        assert [(each.name, each.shape) for each in source.input_spec.inputs] == [
            ("image1", (1, 3, 128, 136)),
            ("image2", (1, 3, 128, 136)),
        ]
        frames = [torch.randn(1, 3, 128, 136) for _ in range(2)]
        with torch.no_grad():
            expected = trained(*frames)[-1].numpy()
        given = source.session().run({"image1": frames[0].numpy(), "image2": frames[1].numpy()})
        assert list(given) == ["flow"]
        np.testing.assert_allclose(given["flow"], expected, atol=1e-4)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("resnet81", "torchvision has no model 'resnet81'; the nearest: resnet18"),
            ("r3d_18", "takes clips of video; edgeport's models take images"),
        ],
    )
    def test_what_does_not_work_is_told(self, hub, name, words):
        with pytest.raises(UsageError, match=words):
            edgeport.load(f"torchvision:{name}")


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folders(transformers, tmp_path_factory):
    """Folders as save_pretrained writes them: (folder, {name: the model})."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved")
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
    names = {0: "cat", 1: "dog", 2: "bird"}
    vision = {**size, "image_size": 64, "patch_size": 16}
    models = {
        "vit": transformers.ViTForImageClassification(transformers.ViTConfig(**vision, id2label=names)),
        "segformer": transformers.SegformerForSemanticSegmentation(
            transformers.SegformerConfig(hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, decoder_hidden_size=16)
        ),
        "clip": transformers.CLIPModel(transformers.CLIPConfig(vision_config=vision, text_config=size)),
        "bert": transformers.BertModel(transformers.BertConfig(**size)),
    }
    for name, model in models.items():
        model.eval().save_pretrained(folder / name)
    mean = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    processor = transformers.ViTImageProcessor(size={"height": 64, "width": 64}, **mean)
    processor.save_pretrained(folder / "vit")
    return folder, models


class TestTransformers:
    def test_a_classifier(self, folders):
        folder, models = folders
        source = edgeport.load(f"transformers:{folder}/vit")
        assert (source.name, source.task, source.labels) == ("vit", "classify", ("cat", "dog", "bird"))
        assert source.warnings == ()
        spec = source.input_spec.preprocess
        assert (spec.input_size, spec.resize, spec.std) == ((3, 64, 64), "stretch", (0.25,) * 3)
        x = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            expected = models["vit"](x).logits.numpy()
        np.testing.assert_allclose(source.session().run({"pixel_values": x.numpy()})["logits"], expected, atol=1e-5)

    def test_nothing_is_printed(self, folders, capfd):
        edgeport.load(f"transformers:{folders[0]}/clip")
        assert capfd.readouterr() == ("", "")

    def test_the_tower_of_images_of_a_model_of_texts_and_images(self, folders):
        source = edgeport.load(f"transformers:{folders[0]}/clip")
        assert source.task == "embed,vector=image_embeds"
        assert source.labels is None

    def test_export(self, folders, tmp_path):
        options = {"benchmark": False, "output_dir": tmp_path, "input_shape": (3, 64, 64), "num_validation_samples": 2}
        result = edgeport.export(f"transformers:{folders[0]}/segformer", "onnx", **options)
        assert (result.verdict, result.task.task) == ("ok", "segment")

    @pytest.mark.parametrize(
        ("name", "words"),
        [("bert", "takes input_ids, no image"), ("none", "is no folder with a config.json, and not in the cache")],
    )
    def test_what_does_not_work_is_told(self, folders, name, words):
        with pytest.raises(UsageError, match=words):
            edgeport.load(f"transformers:{folders[0]}/{name}")

    def test_a_damaged_folder(self, folders, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "vit", "hidden_size": "x"}')
        with pytest.raises(UsageError, match="cannot be made"):
            edgeport.load(f"transformers:{tmp_path}")


@pytest.mark.parametrize("package", ["torchvision", "transformers"])
def test_a_package_that_is_not_there(monkeypatch, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name, *rest))
    with pytest.raises(RuntimeUnavailable, match=f"needs {package}: pip install {package}"):
        edgeport.load(f"{package}:resnet18")
