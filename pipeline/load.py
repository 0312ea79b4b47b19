"""`edgeport.load`: a model, whatever it comes as, ready to be exported."""

from ..models.foreign_preprocess import read_preprocess
from ..models.stated_preprocess import PreprocessLike
from .input_spec import ShapesLike, read_shapes
from .isolation import isolated
from .progress import Progress, ProgressCallback
from .sources.loading import load_source
from .sources.source import ExampleInputs, ModelLike, ModelSource


@isolated
def load(
    model: ModelLike,
    *,
    weights: str = "auto",
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: ShapesLike | None = None,
    example_inputs: ExampleInputs | None = None,
    name: str | None = None,
    preprocess: PreprocessLike | None = None,
    progress: ProgressCallback | None = None,
) -> ModelSource:
    """Loads a model.

    Args:
        model: a name of the zoo ("mobilevit_s"), "timm:NAME", "torchvision:NAME", "transformers:FOLDER" (or the name
            of one in the cache of Hugging Face's hub), code of your own ("path/to/file.py:factory" or
            "package.module:factory"), an .onnx or .pt2 file; or an nn.Module (which is copied to the CPU and stays as
            it is), an ExportedProgram or an ONNX model in memory.
        weights: a file, "pretrained", the name of public weights, "random" (seeded), or "auto": the model's own, of a
            zoo name the public ones where they are cached or can be downloaded, else random ones.
        weights_key: under which key or prefix of the file the weights are, with dots ("callbacks.ema"); None: where
            they fit, an average of the weights (EMA) first.
        seed: of random weights.
        num_classes: of a zoo or timm model; a new classifier head where the weights have others. 0: no classifier; the
            output is the embedding.
        input_shape: (3, 224, 224) for a model of one image, or {"name": (1, 3, 224, 224), ...}.
        example_inputs: for an nn.Module instead of shapes: a tensor, a tuple of tensors, or a dict of them.
        name: of the files, for a model in memory; its class's name otherwise.
        preprocess: how an image becomes the input, where the model does not say it, or otherwise than it says: an
            `edgeport.Preprocess`, a dict of its arguments, a variant of the zoo, torchvision's `weights.transforms()`,
            or an image processor of transformers. Only images need it, and artifacts that take pixels.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        The model as export, validate and debug take it.

    Raises:
        UsageError: no such model, its code fails, or an option that does not fit it.
        UnknownModel: no zoo model has that name; the message gives the nearest.
        UnknownCheckpoint, DownloadError, WeightsError: about its weights.
        ModelFileError: a file that is damaged, or not safe to load.
        InputShapeError: a shape that is missing or does not fit.
        ExportError: the module was converted to PyTorch's integer kernels.
        RuntimeUnavailable: timm, or what the file needs, is not installed.

    Example:
        >>> model = edgeport.load("mobilenetv3_small_100", weights="random")
        >>> model.input_spec.inputs[0].shape
        (1, 3, 224, 224)
    """
    return load_source(
        model,
        Progress(progress),
        weights=weights,
        weights_key=weights_key,
        seed=seed,
        num_classes=num_classes,
        shapes=read_shapes(input_shape),
        example_inputs=example_inputs,
        name=name,
        preprocess=read_preprocess(preprocess),
    )
