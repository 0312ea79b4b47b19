"""Models that people bring: of the field's own packages, exported in float and in int8 to every target.

pip install --no-deps -r benchmarks/field_requirements.txt
python -m benchmarks.field_models                those without a result, then the page
python -m benchmarks.field_models yolo11n --again

Weights are the packages' random ones, seeded; where these give next to nothing, drawn anew (edgeport.models.redraw).
Those of RapidOCR's files are trained. Each model runs in a process of its own. Results are kept in
benchmarks/results/field.jsonl, the page is docs/generated/field.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from benchmarks import journal

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "field.jsonl", ROOT / "docs" / "generated" / "field.md"
TARGETS = ("tflite", "openvino", "coreml", "onnx")
PRECISIONS = ("fp32", "int8")
AS_TRAINED_DB = 20.0  # trained networks amplify noise by no more


@dataclass(frozen=True)
class Brought:
    """A model that somebody brings.

    Attributes:
        package: it is of.
        make: gives it.
        shape: of its input.
        redraws: whether its weights are drawn anew, because those of its package give next to nothing before training.
        finish: what is done to it then.
        reads: whether it reads text, so that it is calibrated and judged on pictures of text.
        task: what its outputs mean, where they do not say it themselves, as `--task` takes it.
    """

    package: str
    make: Callable[[], Any]
    shape: tuple[int, ...]
    redraws: bool = False
    finish: Callable[[Any], Any] = lambda model: model
    reads: bool = False
    task: str | None = None


def segmenter(name: str, encoder: str = "resnet18", **options: Any) -> Brought:
    def make() -> Any:
        import segmentation_models_pytorch

        return getattr(segmentation_models_pytorch, name)(encoder, encoder_weights=None, classes=3, **options)

    return Brought("segmentation-models-pytorch", make, (3, 128, 128))


def hugging_face(name: str, config: str, shape: tuple[int, ...] = (3, 224, 224), **options: Any) -> Brought:
    def make() -> Any:
        import transformers

        return getattr(transformers, name)(getattr(transformers, config)(**options))

    return Brought("transformers", make, shape, redraws=True)


def detr(name: str, backbone: str, sizes: dict[str, Any], task: str | None = None, **options: Any) -> Brought:
    """A detector of transformers with a small backbone, and of its outputs the two that tell boxes."""

    def make() -> Any:
        import torch
        import transformers

        class Detector(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                stages = {"out_features": ["stage2", "stage3", "stage4"]}
                inner = getattr(transformers, f"{backbone}Config")(hidden_sizes=CHANNELS, **sizes, **stages)
                config = getattr(transformers, f"{name}Config")(backbone_config=inner, backbone=None, **options)
                self.model = getattr(transformers, f"{name}ForObjectDetection")(config)

            def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                found = self.model(pixel_values=image)
                return found.logits, found.pred_boxes

        return Detector()

    return Brought("transformers", make, (3, 192, 192), redraws=True, task=task)


def yolo(name: str, size: int = 160) -> Brought:
    def make() -> Any:
        from ultralytics import YOLO

        return YOLO(f"{name}.yaml").model

    return Brought("ultralytics", make, (3, size, size), redraws=True, finish=lambda model: model.fuse())


def face(name: str, shape: tuple[int, ...], **options: Any) -> Brought:
    def make() -> Any:
        import facenet_pytorch.models.mtcnn
        from facenet_pytorch.models import inception_resnet_v1

        known = {**vars(facenet_pytorch.models.mtcnn), **vars(inception_resnet_v1)}
        return known[name](pretrained=None if name == "InceptionResnetV1" else False, **options)

    return Brought("facenet-pytorch", make, shape)


def rapid_ocr(part: str, shape: tuple[int, ...]) -> Brought:
    def make() -> Path:
        (file,) = Path(str(resources.files("rapidocr_onnxruntime"))).glob(f"models/*{part}*.onnx")
        return file

    return Brought("rapidocr-onnxruntime", make, shape, reads=True)


def recogniser() -> Any:
    from easyocr.model.vgg_model import Model

    class Recogniser(Model):
        def forward(self, image: Any) -> Any:
            return super().forward(image, None)

    return Recogniser(1, 256, 256, 97)


def craft() -> Any:
    from easyocr.craft import CRAFT

    return CRAFT(pretrained=False)


def pictures_of_text(shape: tuple[int, ...], count: int, seed: int) -> list[Any]:
    """Words on crops of a photograph, in -1..1 as RapidOCR gives them; a high picture has several lines."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont
    from sklearn.datasets import load_sample_image

    random, (channels, height, width) = np.random.default_rng(seed), shape
    assert channels == 3
    photograph = Image.fromarray(load_sample_image("china.jpg"))
    made = []
    for _ in range(count):
        left, top = int(random.integers(photograph.width - width)), int(random.integers(photograph.height - height))
        picture = photograph.crop((left, top, left + width, top + height))
        draw, size = ImageDraw.Draw(picture), int(random.integers(24, 34))
        for line in range(max(1, height // 64)):
            text = " ".join(str(word) for word in random.choice(WORDS, 3))
            place = (int(random.integers(4, 20)), line * 64 + int(random.integers(2, 12)))
            ink, edge = ("white", "black") if random.random() < 0.5 else ("black", "white")
            draw.text(place, text, ink, font=ImageFont.load_default(size), stroke_width=2, stroke_fill=edge)
        made.append(np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)
    return made


WORDS = ("Hello", "world", "EXIT", "2026", "Price 12.50", "Coffee", "open", "No parking", "Street", "tickets")
SMALL_VIT = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 128}
CHANNELS = [16, 32, 64, 96]
RESNET = {"embedding_size": 16, "depths": [1, 1, 1, 1], "layer_type": "basic"}
HGNET = {
    "stem_channels": [3, 8, 8],
    "stage_in_channels": [8, 16, 32, 64],
    "stage_mid_channels": [8, 8, 16, 16],
    "stage_out_channels": CHANNELS,
    "stage_num_blocks": [1, 1, 1, 1],
    "stage_numb_of_layers": [2, 2, 2, 2],
}
DETR = {
    "d_model": 64,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "decoder_layers": 2,
    "num_queries": 40,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
HYBRID = {
    **DETR,
    "encoder_in_channels": CHANNELS[1:],
    "encoder_hidden_dim": 64,
    "decoder_in_channels": [64, 64, 64],
    "num_denoising": 0,
    "task": "detect:rtdetr,scores=output_0,boxes=output_1",  # queries come in the order of their scores
}
MODELS: dict[str, Brought] = {
    "unet": segmenter("Unet", "mobilenet_v2"),
    "unet++": segmenter("UnetPlusPlus"),
    "fpn": segmenter("FPN"),
    "pspnet": segmenter("PSPNet"),
    "deeplabv3+": segmenter("DeepLabV3Plus", "mobilenet_v2"),
    "linknet": segmenter("Linknet"),
    "pan": segmenter("PAN"),
    "segformer": segmenter("Segformer", "mit_b0"),
    "hf mobilevit": hugging_face("MobileViTForImageClassification", "MobileViTConfig", (3, 256, 256)),
    "hf mobilenetv2": hugging_face("MobileNetV2ForImageClassification", "MobileNetV2Config"),
    "hf vit": hugging_face("ViTForImageClassification", "ViTConfig", **SMALL_VIT),
    "hf dinov2": hugging_face("Dinov2Model", "Dinov2Config", hidden_size=64, num_hidden_layers=3),
    "hf convnext": hugging_face("ConvNextForImageClassification", "ConvNextConfig", hidden_sizes=[32, 64, 96, 128]),
    "hf swin": hugging_face(
        "SwinForImageClassification", "SwinConfig", embed_dim=32, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8]
    ),
    "hf segformer": hugging_face("SegformerForSemanticSegmentation", "SegformerConfig", (3, 128, 128)),
    "hf yolos": hugging_face(
        "YolosForObjectDetection", "YolosConfig", (3, 160, 160), image_size=[160, 160], **SMALL_VIT
    ),
    "hf dpt": hugging_face("DPTForDepthEstimation", "DPTConfig", (3, 384, 384), num_hidden_layers=12),
    "hf deformable detr": detr("DeformableDetr", "ResNet", RESNET, encoder_layers=2, **DETR),
    "hf rt-detr": detr("RTDetr", "RTDetrResNet", RESNET, **HYBRID),
    "hf rt-detr v2": detr("RTDetrV2", "RTDetrResNet", RESNET, **HYBRID),
    "hf d-fine": detr("DFine", "HGNetV2", HGNET, **HYBRID),
    "yolov5nu": yolo("yolov5n"),
    "yolov8n": yolo("yolov8n"),
    "yolov8n-seg": yolo("yolov8n-seg"),
    "yolov8n-pose": yolo("yolov8n-pose"),
    "yolov8n-cls": yolo("yolov8n-cls"),
    "yolov10n": yolo("yolov10n"),
    "yolo11n": yolo("yolo11n"),
    "yolo26n": yolo("yolo26n"),
    "facenet": face("InceptionResnetV1", (3, 160, 160)),
    "mtcnn pnet": face("PNet", (3, 48, 48)),
    "mtcnn rnet": face("RNet", (3, 24, 24)),
    "mtcnn onet": face("ONet", (3, 48, 48)),
    "pp-ocr detector": rapid_ocr("det", (3, 224, 320)),
    "pp-ocr angle": rapid_ocr("cls", (3, 48, 192)),
    "pp-ocr recogniser": rapid_ocr("rec", (3, 48, 320)),
    "easyocr recogniser": Brought("easyocr", recogniser, (1, 64, 256)),
    "easyocr craft": Brought("easyocr", craft, (3, 160, 160)),
}


def measure(name: str) -> list[dict[str, Any]]:
    """A cell for each target and precision: the verdict, or the sentence why there is none."""
    import edgeport
    import torch
    from edgeport.artifacts.errors import EdgeportError
    from edgeport.models import redraw
    from edgeport.pipeline.sources.torchvision_on_cpu import declare

    declare()
    brought = MODELS[name]
    torch.manual_seed(0)
    try:
        model = brought.make()
        if brought.redraws:
            redraw(model.eval(), seed=0, input_size=brought.shape, most_lost_db=AS_TRAINED_DB)
        source = edgeport.load(brought.finish(model), input_shape=brought.shape, name=name.replace(" ", "_"))
    except EdgeportError as e:
        return [cell(name, target, precision, str(e)) for target in TARGETS for precision in PRECISIONS]
    cells, (calibration, validation) = (
        [],
        (
            (pictures_of_text(brought.shape, count, seed) if brought.reads else None)
            for seed, count in ((0, 16), (1, 4))
        ),
    )
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                results = edgeport.export_all(
                    source,
                    TARGETS,
                    precision=precision,
                    output_dir=folder,
                    benchmark=False,
                    calibration=calibration if precision == "int8" else None,
                    validation=validation,
                    num_calibration_samples=16,
                    num_validation_samples=4,
                    task=brought.task,
                )
            except EdgeportError as e:
                cells += [cell(name, target, precision, str(e)) for target in TARGETS]
                continue
            cells += [cell(name, r.target, precision, getattr(r, "error", None) or r.verdict, r) for r in results]
    return cells


def cell(name: str, target: str, precision: str, verdict: str, result: Any = None) -> dict[str, Any]:
    agreement = getattr(result, "agreement", None)
    return {
        "model": name,
        "package": MODELS[name].package,
        "target": target,
        "precision": precision,
        "verdict": verdict,
        "snr_db": round(agreement.snr_db, 1) if agreement else None,
        "made": hasattr(result, "path"),
    }


def page(cells: Sequence[dict[str, Any]]) -> str:
    """docs/generated/field.md."""
    known = {(each["model"], each["target"], each["precision"]): each for each in cells}
    names = [name for name in MODELS if any(each["model"] == name for each in cells)]
    header = ["model", "package", *(f"{target} {precision}" for target in TARGETS for precision in PRECISIONS)]
    rows = [
        [name, MODELS[name].package, *(show(known.get((name, t, p))) for t in TARGETS for p in PRECISIONS)]
        for name in names
    ]
    refused: dict[str, list[str]] = {}
    for each in cells:
        if not each["made"] or each["verdict"].startswith("fail"):
            refused.setdefault(each["verdict"], []).append(f"{each['model']} ({each['target']} {each['precision']})")
    made = sum(each["made"] and not each["verdict"].startswith("fail") for each in cells)
    return "\n".join(
        [
            "# Models of the field's packages",
            "",
            "Written by `python -m benchmarks.field_models`; do not edit. A cell is the SNR in dB against the model; a",
            "dash stands for a refusal, whose sentence is below. Random weights (seed 0) and generated inputs, so int8",
            "figures are of noise; but for PP-OCR's files, whose weights are trained, and which get pictures of text.",
            f"{made} of {len(cells)} artifacts are made and pass.",
            "",
            *("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)),
            "",
            *(["## What is refused or fails", ""] if refused else []),
            *(f"- {', '.join(where)}: {sentence}" for sentence, where in refused.items()),
            "",
        ]
    )


def show(each: dict[str, Any] | None) -> str:
    if each is None or not each["made"]:
        return "-"
    return ("**fails** " if each["verdict"].startswith("fail") else "") + str(each["snr_db"])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], metavar="NAME")
    parser.add_argument("--again", action="store_true", help="also models that have a result")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page")
    parser.add_argument("--one", choices=MODELS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return 0
    cells = journal.read(RESULTS)
    for name in [] if arguments.render else arguments.names or MODELS:
        if any(each["model"] == name for each in cells) and not arguments.again:
            continue
        command = [sys.executable, "-m", "benchmarks.field_models", "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", flush=True)
            continue
        fresh = json.loads(done.stdout.strip().splitlines()[-1])
        cells = [each for each in cells if each["model"] != name] + fresh
        print(name, *(f"{each['target']} {each['precision']}: {each['verdict'][:60]}" for each in fresh), sep="\n  ")
        RESULTS.write_text("".join(f"{json.dumps(each)}\n" for each in cells))
    PAGE.write_text(page(cells), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
