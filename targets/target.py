"""What a target is: a format of artifacts, how a graph becomes one, how it is opened, and what its int8 kernels are."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..artifacts.errors import UnsupportedOp

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..artifacts.manifest import Manifest
    from ..artifacts.sizes import Sizes
    from ..graph.kernels import KernelSet
    from ..graph.qparams import QParams
    from ..runtime.contents.contents import Contents
    from ..runtime.footprint import Footprint
    from ..runtime.inspectors.accelerated import Expose
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.profilers.kernel import Describe
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.session import Session
    from ..tasks.suppression import Suppression
    from .accelerators import Coverage
    from .clients.client import Client

Layouts = Callable[
    ["ir.Model", str, "KernelSet", str | None, Mapping[str, Any]],
    "Mapping[str, Callable[[np.ndarray], np.ndarray | None]]",
]


STATIC = ("int8", "int16x8")  # precisions whose activations are integers, by ranges that calibration sets


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of `export` that one target has.

    Attributes:
        name: of the argument in Python; `--name-with-dashes` on the command line.
        choices: what it may be; None for a switch, which is True or False.
        elsewhere: what the option means to `export` without this target: an error, or nothing.
        precisions: that it is for; empty for all.
        choices_of: {precision: those of its choices that it has there}, where they are not all.
        deprecated: what to take instead; empty where it stays.
    """

    name: str
    help: str
    choices: tuple[str, ...] | None = None
    default: str | bool | None = None
    elsewhere: Literal["error", "ignored"] = "error"
    precisions: tuple[str, ...] = ()
    choices_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deprecated: str = ""

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--{self.name.replace('_', '-')}"


IMAGE_INPUT = Option(name="image_input", default=False, help="only coreml and coreai: the input is an image of Apple's")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of device: its int8 kernels, and what else a converter has to know of it.

    Attributes:
        name: for `--profile`.
        device: which, in words.
        load_kernels: gives the kernel set; called when it is needed, because that imports NumPy.
        load_int16_kernels: the same for precision int16x8; None where the profile has not got it.
        integer_only: the device has no float kernels beside them.
        float16: the device computes in float16 what is float; the graph is made safe for that.
        accelerator: what its artifacts are for, of the target's `accelerators`, which also validates them.
        precisions: what it can be asked for.
        refusal: why not for another, and what to take instead.
    """

    name: str
    device: str
    load_kernels: Callable[[], "KernelSet"]
    load_int16_kernels: Callable[[], "KernelSet"] | None = None
    integer_only: bool = False
    float16: bool = False
    accelerator: str | None = None
    precisions: tuple[str, ...] = ("int8",)
    refusal: str = "it names the device's int8 kernels"

    def kernels(self, precision: str = "int8") -> "KernelSet":
        """The kernel set of a quantised precision."""
        wide = self.load_int16_kernels if precision == "int16x8" else None
        return (wide or self.load_kernels)()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a converter has to know beside the graph; each reads what concerns it.

    Attributes:
        metadata: facts for the file, "preprocess" and "labels" among them.
        profile: of the device's int8 kernels, of those that the target has.
        options: values of the target's own options, by name.
        pixels: the artifact takes pixels, uint8, and so does the graph.
        softmax, top_k: what is put behind a classifier.
        suppression: what is put behind a detector, by the graph's names; None for nothing.
        any_batch: the artifact takes any number of images at once.
        sizes: the heights and widths that it takes; None for the graph's own.
        beyond_float16: {an operator's first output: why float16 cannot compute it}.
    """

    precision: str
    metadata: dict[str, Any]
    profile: Profile
    options: Mapping[str, Any]
    pixels: bool = False
    softmax: bool = False
    top_k: int = 0
    suppression: "Suppression | None" = None
    any_batch: bool = False
    sizes: "Sizes | None" = None
    beyond_float16: Mapping[str, str] = field(default_factory=dict)

    @property
    def half_weights(self) -> bool:
        """Whether float constants are stored in half precision."""
        return self.precision == "fp16"


@dataclass(frozen=True, kw_only=True)
class AppRuntime:
    """What an app of one platform needs to run this target's artifacts; bundles/ does the rest.

    Attributes:
        distribution: the Python package of the runtime, "" where the platform's wrapper is not in Python.
        cmake: the option by which CMake finds it, "" where there is no C++ wrapper.
        sources: {template: its place in the bundle} that only this runtime needs; without `cmake` no C++ wrapper is
            made where there is a `distribution`.
        output_types: that the platform's runtime can read; empty for all.
        layouts: in which its wrapper gives an image to the artifact; empty for all.
        single_file: whether it takes no artifact whose constants lie in a file beside it.
        advice: {precision: what it costs there, and what to take instead}.
        session: options of the target's session, with which it computes as this runtime does.
        integers: it takes artifacts with int8 or uint8 at both ends, and no others; they have a footprint.
        name: of the runtime, where a platform has a choice of them.
        gradle: the libraries that an Android module depends on.
        others: {name: another runtime of the same platform}, which is taken where it is asked for.
        waits: its calls return before they are done, in languages where a caller has to say that it waits.
    """

    distribution: str = ""
    cmake: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    output_types: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    single_file: bool = False
    advice: Mapping[str, str] = field(default_factory=dict)
    session: Mapping[str, Any] = field(default_factory=dict)
    integers: bool = False
    name: str = ""
    gradle: tuple[str, ...] = ()
    others: "Mapping[str, AppRuntime]" = field(default_factory=dict)
    waits: bool = False


IOS_SOURCES = {  # of the runtime's own wrapper: its place in the bundle
    "Package.swift": "Package.swift",
    "Model.swift": "Sources/ImageModel/Model.swift",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A format of artifacts. All that edgeport knows of a target by name is in its file of this package.

    Attributes:
        position: among the targets, where they are listed.
        ending: of the names of its artifacts.
        is_folder: whether an artifact is a folder, not a file.
        also_opens: other endings of what `open` takes.
        extra: the extra of `pip install edgeport[...]` that brings what it needs; "" for none.
        needs: {module: distribution} that have to be there.
        purposes: {distribution: what it is for}, of those.
        machines: on which these can be installed, in words; empty for all.
        profiles: of devices, the default first.
        precision: what is written where none is asked for.
        experimental: it may change with the next release of what it needs; its description says so.
        refused: {precision: why there is no such artifact, and what to take instead}.
        float16: the precisions in which all that is float is computed in float16.
        limits: {precision: the name of what `runtime.compare` judges it by}, of those not judged by their own.
        options: of its own, for `export`.
        lower: (graph as the artifact computes it, its path, recipe) -> the artifact lies there.
        open: (path, threads, options of the session) -> a session.
        inspect: path -> what is inside; None where it cannot be looked into.
        read_contents: path -> what is written in an artifact, which is not run for it.
        predict_coverage: contents -> what accelerators take of it, by the rules that are known.
        list_clients: (path, contents, manifest) -> what known programs make of it.
        layout: recipe -> how the artifact takes an image, for the manifest.
        folds: the normalisation is cheaper in the first convolution than in front of it.
        orders_channels: the format itself brings an image's channels to the model's order, BGR where that is so.
        why_no_suppression: recipe -> why its artifacts have no non-maximum suppression in them; "" where they have.
        any_batch: whether its artifacts can take any number of images at once.
        why_one_size: (profile, values of its own options) -> why its artifacts take images of one size alone; "" where
            they can take several.
        wants_image: whether the values of its own options make the artifact take an image.
        device_runtime: the name in devices/backends/ of what runs it on a device; None where none does.
        device_files: artifact -> what has to be on a device; the first is what the runtime opens.
        device_tool: the program that times it on a device without Python; None where there is none.
        device_packages: what the environment of emulated devices needs for it, of Python's packages.
        large_on_device: they come into it only where they are asked for.
        counted: inferences whose instructions are counted on an emulated device: runtimes differ in how alike they are.
        read_in_graph_order: (graph as it was lowered, layout of the image input, kernels, profile and options of the
            manifest) -> {value: puts a tensor of the artifact into the graph's order of dimensions}; None where the
            artifact has that order.
        footprint: artifact -> what it needs on a microcontroller; None where none runs the format.
        app_runtimes: {platform: what an app needs there}, for the platforms of `bundle` that run it.
        accelerators: beside its plain session, what runs an artifact: "cpu", "gpu", "npu".
        expose: (path, names, path of a copy) -> the copy gives these values of the artifact as outputs, too.
        open_accelerated: (path, accelerator, "fp32" or "fp16", threads) -> a session with a `residency`; it may crash.
        open_profiler: (path, threads) -> a session that its runtime's own profiler watches; None where there is none.
        describe_events: (path, what that profiler has said, here or on a device) -> the kernels and their times.
        profiler_files: {name: content} of what that profiler needs on a device beside the artifact.
        check_profiled: raises UsageError for an artifact that cannot be profiled.
        no_profiler: why there is none, and what there is instead.
        plan_activations: artifact -> bytes of all its activations, placed by their lifetimes; None where only the
            runtime knows.
    """

    name: str
    position: int
    ending: str
    is_folder: bool = False
    also_opens: tuple[str, ...] = ()
    extra: str
    needs: Mapping[str, str]
    purposes: Mapping[str, str]
    machines: str = ""
    profiles: tuple[Profile, ...]
    precision: str = "fp32"
    experimental: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    float16: frozenset[str] = frozenset()
    limits: Mapping[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    lower: Callable[["ir.Model", Path, Recipe], None]
    open: Callable[[Path, int, Mapping[str, Any]], "Session"]
    inspect: "Callable[[Path], Inspector] | None" = None
    read_contents: "Callable[[Path], Contents] | None" = None
    predict_coverage: "Callable[[Contents], Sequence[Coverage]]" = lambda contents: ()
    list_clients: "Callable[[Path, Contents, Manifest | None], Sequence[Client]]" = lambda path, contents, manifest: ()
    layout: Callable[[Recipe], str] = lambda recipe: "nhwc" if recipe.pixels else "nchw"
    folds: bool = False
    orders_channels: bool = False
    why_no_suppression: Callable[[Recipe], str] = lambda recipe: ""
    any_batch: bool = False
    why_one_size: Callable[[Profile, Mapping[str, Any]], str] = lambda profile, options: "its artifacts take one size"
    wants_image: Callable[[Mapping[str, Any]], bool] = lambda options: False
    device_runtime: str | None = None
    device_files: Callable[[Path], Sequence[Path]] = lambda path: (path,)
    device_tool: str | None = None
    device_packages: tuple[str, ...] = ()
    large_on_device: bool = False
    counted: int = 5
    read_in_graph_order: "Layouts | None" = None
    footprint: "Callable[[Path], Footprint] | None" = None
    app_runtimes: Mapping[str, AppRuntime] = field(default_factory=dict)
    accelerators: tuple[str, ...] = ()
    expose: "Expose | None" = None
    open_accelerated: Callable[[Path, str, str, int], "Session"] | None = None
    open_profiler: "Callable[[Path, int], ProfilingSession] | None" = None
    describe_events: "Describe | None" = None
    profiler_files: Callable[[], Mapping[str, bytes]] = dict
    check_profiled: Callable[[Path], None] = lambda path: None
    no_profiler: str = ""
    plan_activations: Callable[[Path], int] | None = None

    def profile(self, name: str | None) -> Profile:
        """The profile of that name where the target has it, else its default."""
        return next((each for each in self.profiles if each.name == name), self.profiles[0])

    def recorded_profile(self, name: str) -> Profile | None:
        """The profile that a manifest names, also as schema 1 did; None where there is no such one."""
        former = {f"{self.name}_{each.name}": each for each in self.profiles}
        former |= {each.name.replace("-", "_"): each for each in self.profiles}
        return next((each for each in self.profiles if each.name == name), former.get(name))

    def kernels(self, profile: str | None = None, precision: str = "int8") -> "KernelSet":
        """The kernels of a profile, for a quantised precision."""
        return self.profile(profile).kernels(precision)

    def own_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Its own options with their values, the defaults where none are given."""
        return {option.name: values.get(option.name, option.default) for option in self.options}

    @property
    def install(self) -> str:
        """What pip has to install for it."""
        return f"edgeport[{self.extra}]" if self.extra else "edgeport"

    def check_precision(self, precision: str) -> None:
        """Raises UnsupportedOp where the target has no such precision."""
        if precision in self.refused:
            raise UnsupportedOp(f"{self.name}: no precision {precision}: {self.refused[precision]}")

    def limits_of(self, precision: str) -> str:
        """What `runtime.compare` judges such an artifact by."""
        return self.limits.get(precision, precision)

    def write(self, graph: "ir.Model", path: Path, recipe: Recipe) -> None:
        """Writes the artifact of a canonical graph. Raises ExportError."""
        from ..exporters.classifier_head import add_classifier_head

        if recipe.softmax or recipe.top_k:
            graph = add_classifier_head(
                graph, softmax=recipe.softmax, top_k=recipe.top_k, quant=self._quantization_of_probabilities(recipe)
            )
        if recipe.suppression:
            from ..exporters.detection_head import add_detection_head

            graph = add_detection_head(graph, recipe.suppression)
        self.lower(graph, path, recipe)

    def _quantization_of_probabilities(self, recipe: Recipe) -> "QParams | None":
        """That of the softmax kernel, of a device without float. Raises UnsupportedOp for --top-k there."""
        if recipe.precision not in STATIC or not recipe.profile.integer_only:
            return None
        if recipe.top_k:
            raise UnsupportedOp(
                f"{self.name}: profile {recipe.profile.name} has no integer kernel that finds the highest scores; "
                "leave out --top-k, and let the application do it"
            )
        type_ = "int16" if recipe.precision == "int16x8" else "int8"
        return recipe.profile.kernels(recipe.precision).of_type(type_)["Softmax"].fixed_output

    def missing(self) -> list[str]:
        """The distributions that are not installed."""
        return [name for module, name in self.needs.items() if importlib.util.find_spec(module) is None]
