"""List the peers: what each is called, what it is asked for, which of its packages decide."""

from dataclasses import dataclass

FP32, INT8 = "fp32", "int8"
OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A converter. Its file here has its name, and so has its list of requirements.

    Attributes:
        packages: whose versions are told.
        makes: {format: precisions}.
        how: what it is asked for, in a few words.
    """

    name: str
    packages: tuple[str, ...]
    makes: dict[str, tuple[str, ...]]
    how: str


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name=OURS,
            packages=("edgeport", "torch", "ai-edge-litert", "openvino", "onnxruntime"),
            makes=dict.fromkeys(("tflite", "openvino", "onnx"), (FP32, INT8)),
            how="`edgeport export`, which runs in edgeport's own environment, as all measurements do",
        ),
        Peer(
            name="litert_torch",
            packages=("litert-torch", "litert-converter", "ai-edge-quantizer", "torch"),
            makes={"tflite": (FP32, INT8)},
            how="`litert_torch.convert` of the module; int8: ai-edge-quantizer's recipe `static_wi8_ai8`",
        ),
        Peer(
            name="onnx2tf",
            packages=("onnx2tf", "tensorflow"),
            makes={"tflite": (FP32, INT8)},
            how="`onnx2tf.convert` of the ONNX file; int8: its `integer_quant`, per channel, float inputs and outputs",
        ),
        Peer(
            name="onnxsim",
            packages=("onnxsim", "tensorflow"),
            makes={"tflite": (FP32, INT8)},
            how="`simplify`, then its own TFLite emitter with NHWC inputs; int8: its `int8_quantize`",
        ),
        Peer(
            name="timmx",
            packages=("timmx", "timm", "litert-torch"),
            makes={"tflite": (FP32, INT8)},
            how="`export_model` of timm's model with the same weights; int8: its PT2E mode, per channel",
        ),
        Peer(
            name="nncf",
            packages=("nncf", "openvino"),
            makes={"openvino": (FP32, INT8)},
            how="OpenVINO's `convert_model` of the ONNX file; int8: `nncf.quantize`, preset MIXED",
        ),
        Peer(
            name="onnxruntime",
            packages=("onnxruntime", "onnx"),
            makes={"onnx": (INT8,)},
            how="`quant_pre_process` and `quantize_static` of the ONNX file: Q/DQ, per channel, its other defaults",
        ),
    )
}
FORMATS = ("tflite", "openvino", "onnx")
MODELS = (
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "resnet50",
    "regnetx_004",
    "mobilenetv4_conv_small",
    "convnext_atto",
    "mobilevit_s",
    "edgenext_small",
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "levit_128s",
)
