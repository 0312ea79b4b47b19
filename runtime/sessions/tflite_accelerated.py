"""Runs a .tflite model with LiteRT's CompiledModel: on a GPU or an NPU, with the CPU for what they refuse.

LiteRT tells what it gave to the accelerator only in its log on stderr, which is read here. A file that its GPU
accelerator cannot bear may crash it: whoever opens this session does so in a process of its own (../child_session.py).
"""

import re
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ..backends import native_stderr
from ..residency import Refusal, Residency
from ..session import check_feeds
from .litert import open_interpreter, runtime_name, why
from .tflite import operators
from .tflite_ports import SIGNATURE, Ports, describe

_ADAPTER = re.compile(r"Selected adapter: (?P<name>.+?), arch=.*adapterType=(?P<kind>.*)")
_NO_GPU = re.compile(r"No adapters found|Couldn't load Vulkan|Failed to initialize WebGPU|GPU accelerator could not")
_NO_NPU = re.compile(r"NPU accelerator could not be loaded|No compiler plugin found")
_SHARES = re.compile(r"(?P<taken>\d+|No) operations will run on the GPU, and (?:the remaining|all) (?P<left>\d+)")
_PARTITION = "Initializing WebGPU-based API from graph"
_REFUSED = "operations are not supported by GPU delegate:"
_REFUSAL = re.compile(r"(?P<operator>[A-Z][A-Z0-9_]+): (?P<reason>.+)")


class CompiledModelSession:
    """A TFLite model on an accelerator.

    Args:
        accelerator: "cpu", "gpu" or "npu"; what it refuses, the CPU computes.
        precision: of a GPU's arithmetic: "fp16", as phones compute by default, or "fp32".
        threads: of what the CPU computes; an accelerator's driver takes what it wants.

    Raises:
        ArtifactError: the file is not a whole TFLite model, or LiteRT refuses it.
        RuntimeUnavailable: LiteRT is not installed, or there is no such accelerator here.
    """

    def __init__(self, path: str | Path, *, accelerator: str = "gpu", precision: str = "fp32", threads: int = 1):
        self._path, self.threads = Path(path), threads
        interpreter, _ = open_interpreter(self._path, threads, delegates=False)
        self._ports = Ports(interpreter, describe(self._path))
        self.inputs, self.outputs = self._ports.inputs, self._ports.outputs
        with native_stderr() as said:
            start = time.perf_counter()
            try:
                self._compile(accelerator, precision)
            except (ValueError, RuntimeError) as e:
                raise self._refused(why(e), said(), accelerator) from e
            self.load_ms = (time.perf_counter() - start) * 1e3
            log = said()
        if accelerator == "npu" and _NO_NPU.search(log):
            raise self._refused("", log, accelerator)
        tensors = [details["name"] for details in interpreter.get_tensor_details()]
        self.residency = read_residency(log, accelerator, precision, len(operators(interpreter)), tensors)
        adapter = _ADAPTER.search(log)
        self.emulated = adapter is not None and "CPU" in adapter["kind"]  # a software Vulkan: right numbers, no times
        self.runtime = f"{runtime_name()} CompiledModel on {self.residency.device}"

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return self._ports.inward(check_feeds(self.inputs, feeds))

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            with native_stderr():
                for port, array in zip(self._ports.ins, arrays, strict=True):
                    self._buffers_in[port.spec.name].write(array)
                self._model.run_by_name(self._signature, self._buffers_in, self._buffers_out)
                if self.emulated:
                    wait_for_other_threads()
                return [
                    self._buffers_out[port.spec.name]
                    .read(int(np.prod(port.physical)), np.dtype(port.spec.dtype))
                    .reshape(port.physical)
                    for port in self._ports.outs
                ]
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{self._path}: LiteRT cannot run it ({why(e)})") from e

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return self._ports.outward(arrays)

    def close(self) -> None:
        self._model.close()

    def _compile(self, accelerator: str, precision: str) -> None:
        self._model = _compile(self._path, accelerator, precision, self.threads)
        signatures = self._model.get_signature_list()
        self._signature = SIGNATURE if SIGNATURE in signatures else next(iter(signatures))
        names = signatures[self._signature]
        self._buffers_in = {
            name: self._model.create_input_buffer_by_name(self._signature, name) for name in names["inputs"]
        }
        self._buffers_out = {
            name: self._model.create_output_buffer_by_name(self._signature, name) for name in names["outputs"]
        }

    def _refused(self, reason: str, log: str, accelerator: str) -> ArtifactError | RuntimeUnavailable:
        if accelerator == "gpu" and _NO_GPU.search(log):
            return RuntimeUnavailable(
                "there is no GPU with Vulkan here that LiteRT can use; to compute as one does, in software: "
                "edgeport devices setup gpu"
            )
        if accelerator == "npu" and _NO_NPU.search(log):
            return RuntimeUnavailable("there is no NPU here that LiteRT can use: its vendor's libraries are missing")
        return ArtifactError(f"{self._path}: LiteRT refuses it ({reason})")


def wait_for_other_threads() -> None:
    """Returns once no other thread of this process computes, or wants to.

    LiteRT waits a few seconds for an accelerator, then gives up (status 7); a GPU in software may take longer on a busy
    machine. Its threads are those of this process, so Linux knows whether they are done.
    """
    own = str(threading.get_native_id())
    while any(_is_runnable(task) for task in Path("/proc/self/task").iterdir() if task.name != own):
        time.sleep(0.01)


def _is_runnable(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    except FileNotFoundError:  # it has ended
        return False


def read_residency(log: str, accelerator: str, precision: str, operators: int, tensors: Collection[str]) -> Residency:
    """What LiteRT's log says of where a file's operators run.

    Args:
        log: of compiling the file.
        operators: of the file, how many.
        tensors: their names, to find them in reasons.
    """
    adapter = _ADAPTER.search(log)
    device = adapter["name"] if adapter else {"cpu": "CPU"}.get(accelerator, accelerator.upper())
    shares = _SHARES.findall(log)
    partitions = log.count(_PARTITION) if accelerator == "gpu" else 1
    accelerated = operators if partitions else 0
    if shares:
        accelerated = int(shares[-1][0].replace("No", "0"))
    refused = tuple(_refusals(log, tensors)) if shares else ()
    return Residency(accelerator, device, precision, operators, accelerated, partitions, refused)


def _refusals(log: str, tensors: Collection[str]) -> "list[Refusal]":
    known, found = set(tensors), {}
    for line in log.partition(_REFUSED)[2].splitlines():
        if _SHARES.match(line):
            break
        match = _REFUSAL.match(line)
        if match is None:
            continue
        words = [word.strip('"').rstrip(".") for word in match["reason"].split()]
        tensor = next((word for word in words if word in known), "")
        found[line] = Refusal(match["operator"], _general(match["reason"], tensor), tensor)
    return list(found.values())


def _general(reason: str, tensor: str) -> str:
    """The reason without the tensor's name, as it is the same for others."""
    if not tensor:
        return reason.rstrip(".")
    return " ".join(reason.replace(f'Tensor "{tensor}"', "a tensor").replace(tensor, "").split()).rstrip(".")


def _compile(path: Path, accelerator: str, precision: str, threads: int) -> Any:
    try:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.cpu_options import CpuOptions
        from ai_edge_litert.gpu_options import GpuOptions
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import Options
    except ImportError as e:
        raise RuntimeUnavailable("TFLite models need LiteRT: pip install 'edgeport[tflite]'") from e
    wanted = HardwareAccelerator.CPU | HardwareAccelerator[accelerator.upper()]
    options = Options(
        hardware_accelerators=wanted,
        cpu_options=CpuOptions(num_threads=threads),
        gpu_options=GpuOptions(enforce_f32=precision == "fp32"),
    )
    return CompiledModel.from_file(str(path), options=options)
