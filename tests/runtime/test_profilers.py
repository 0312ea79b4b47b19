"""What profilers find out without running anything: operators of kernels, MACs, live memory, undisturbed runs."""

import numpy as np
import pytest
from edgeport.pipeline.profile_summary import explain, undisturbed
from edgeport.runtime.contents.contents import Contents, Operator, Tensor
from edgeport.runtime.cpu import matrix_instructions
from edgeport.runtime.profilers.kernel import bytes_of, size_bytes
from edgeport.runtime.profilers.macs import count_macs
from edgeport.runtime.profilers.memory import largest_moment, weights_bytes
from edgeport.runtime.profilers.xnnpack import align

CONV, LINEAR, LOOKUP = "Convolution (NHWC, QC8) IGEMM", "Fully Connected (NC, QS8, QC8W) GEMM", "Invalid Unary Op"
RESHAPE, MOVE, CONVERT = "Static Reshape (NC)", "Transpose (ND, X8) Transpose", "Convert (NC)"
ALIGNED = {
    "one to one": (["CONV_2D", "ADD", "SOFTMAX"], [CONV, "Add (ND)", "Softmax (NC, F32)"], [[0], [1], [2]]),
    "a pad inside its convolution": (["ADD", "PAD", "CONV_2D"], ["Add (ND)", CONV], [[0], [1, 2]]),
    "a 1x1 convolution": (["CONV_2D", "CONV_2D"], [LINEAR, CONV], [[0], [1]]),
    "SiLU as a table": (
        ["CONV_2D", "LOGISTIC", "MUL", "DEPTHWISE_CONV_2D", "LOGISTIC", "MUL"],
        [CONV, LOOKUP, "Convolution (NHWC, QC8) DWConv", LOOKUP],
        [[0], [1, 2], [3], [4, 5]],
    ),
    "a gate is no SiLU": (
        ["LOGISTIC", "MUL", "CONV_2D"],
        ["Sigmoid (NC)", "Multiply (ND)", CONV],
        [[0], [1], [2]],
    ),
    "a variance": (
        ["MEAN", "SUB", "MUL", "MEAN", "ADD", "RSQRT", "MUL"],
        *(
            [
                *("Mean (ND) Reduce2", "Subtract (ND)", "Mean Squared (ND) Reduce2", "Add (ND)"),
                *("Reciprocal Square Root (NC)", "Multiply (ND)"),
            ],
            [[0], [1], [2, 3], [4], [5], [6]],
        ),
    ),
    "a reshape of the runtime's own": (
        ["RESHAPE", "FULLY_CONNECTED", "DEQUANTIZE"],
        [RESHAPE, RESHAPE, LINEAR, CONVERT],
        [[0], [], [1], [2]],
    ),
    "views that vanish": (
        ["TRANSPOSE", "RESHAPE", "TRANSPOSE", "RESHAPE", "BATCH_MATMUL"],
        [MOVE, MOVE, "Batch Matrix Multiply (NC, QS8) GEMM"],
        [[0, 1], [2, 3], [4]],
    ),
    "nothing": ([], [], []),
}


@pytest.mark.parametrize("what", ALIGNED)
def test_alignment(what):
    operators, kernels, wanted = ALIGNED[what]
    assert align(operators, kernels) == wanted


def test_every_operator_is_in_one_kernel():
    rng = np.random.default_rng(0)
    kinds = ["CONV_2D", "ADD", "RESHAPE", "PAD", "LOGISTIC", "MUL", "UNKNOWN_OPERATOR"]
    names = [CONV, "Add (ND)", RESHAPE, LOOKUP, "Multiply (ND)", "Something New (NC)"]
    for _ in range(50):
        operators = rng.choice(kinds, rng.integers(1, 20)).tolist()
        kernels = rng.choice(names, rng.integers(1, 20)).tolist()
        parts = align(operators, kernels)
        assert len(parts) == len(kernels)
        assert sorted(i for part in parts for i in part) == list(range(len(operators)))


def tensor(name: str, *shape: int, dtype: str = "int8", constant: bool = False) -> Tensor:
    return Tensor(name=name, shape=shape, dtype=dtype, constant=constant)


def operator(kind: str, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> Operator:
    return Operator(
        kind=kind,
        inputs=tuple(tensor(f"in{i}", *shape) for i, shape in enumerate(inputs)),
        outputs=(tensor("out", *output),),
    )


# operator, shapes of its inputs, of its result: multiply-accumulates by hand
COUNTED = [
    ("CONV_2D", [(1, 8, 8, 3), (16, 5, 5, 3), (16,)], (1, 4, 4, 16), 4 * 4 * 16 * 5 * 5 * 3),
    ("DEPTHWISE_CONV_2D", [(1, 8, 8, 6), (1, 3, 3, 6)], (1, 8, 8, 6), 8 * 8 * 6 * 9),
    ("FULLY_CONNECTED", [(4, 7, 32), (10, 32)], (4, 7, 10), 4 * 7 * 10 * 32),
    ("BATCH_MATMUL", [(2, 5, 8), (2, 8, 6)], (2, 5, 6), 2 * 5 * 8 * 6),
    ("BATCH_MATMUL", [(2, 8, 5), (2, 8, 6)], (2, 5, 6), 2 * 5 * 8 * 6),  # the first is transposed
    ("TRANSPOSE_CONV", [(4,), (16, 2, 2, 8), (1, 5, 5, 8)], (1, 10, 10, 16), 5 * 5 * 8 * 2 * 2 * 16),
    ("Convolution", [(1, 3, 8, 8), (16, 3, 5, 5)], (1, 16, 4, 4), 4 * 4 * 16 * 5 * 5 * 3),
    ("GroupConvolution", [(1, 6, 8, 8), (6, 1, 1, 3, 3)], (1, 6, 8, 8), 8 * 8 * 6 * 9),
    ("ConvolutionBackpropData", [(1, 8, 5, 5), (8, 16, 2, 2)], (1, 16, 10, 10), 5 * 5 * 8 * 2 * 2 * 16),
    ("MatMul", [(1, 7, 32), (32, 10)], (1, 7, 10), 7 * 32 * 10),
    ("Conv", [(1, 6, 8, 8), (6, 1, 3, 3)], (1, 6, 8, 8), 8 * 8 * 6 * 9),
    ("Gemm", [(1, 32), (32, 10), (10,)], (1, 10), 320),
    ("ADD", [(1, 8), (1, 8)], (1, 8), 0),
    ("Conv", [(1, 6, 8, 8), ()], (1, 6, 8, 8), 0),  # a weight whose shape is not known
]


@pytest.mark.parametrize(("kind", "inputs", "output", "wanted"), COUNTED)
def test_macs(kind, inputs, output, wanted):
    assert count_macs(operator(kind, inputs, output)) == wanted


def test_bytes_are_of_what_a_kernel_reads_and_writes_outside_of_itself():
    x, weight = tensor("x", 1, 8, 8, 4), tensor("w", 16, 1, 1, 4, constant=True)
    inner, out = tensor("conv", 1, 8, 8, 16), tensor("act", 1, 8, 8, 16, dtype="float32")
    joined = [
        Operator(kind="CONV_2D", inputs=(x, weight), outputs=(inner,)),
        Operator(kind="DEQUANTIZE", inputs=(inner,), outputs=(out,)),
    ]
    assert bytes_of(joined) == 8 * 8 * 4 + 16 * 4 + 8 * 8 * 16 * 4
    assert bytes_of(joined[:1]) == 8 * 8 * 4 + 16 * 4 + 8 * 8 * 16
    assert size_bytes(tensor("half", 3, dtype="int4")) == 2
    assert size_bytes(Tensor(name="open", shape=None, dtype="int8")) == 0


def test_the_largest_moment():
    x, a, b, out = tensor("x", 100), tensor("a", 400), tensor("b", 50), tensor("out", 10)
    skip = Operator(kind="ADD", inputs=(x, b), outputs=(out,))
    contents = Contents(
        operators=(
            Operator(kind="CONV_2D", inputs=(x, tensor("w", 7, constant=True)), outputs=(a,)),
            Operator(kind="CONV_2D", inputs=(a, tensor("w", 7, constant=True)), outputs=(b,)),
            skip,
        ),
        inputs=(x,),
        outputs=(out,),
    )
    assert largest_moment(contents) == (100 + 400 + 50, "b")  # the input lives on beside them
    assert weights_bytes(contents) == 7  # one constant, read twice
    unknown = Contents(operators=(skip,), inputs=(Tensor(name="x", shape=None, dtype="int8"),))
    assert largest_moment(unknown) == (None, "")


def test_runs_that_waited_are_left_out():
    quiet = np.tile([[100.0], [9000.0], [0.5]], 9)
    assert undisturbed(quiet).tolist() == [100, 9000, 0.5]
    busy = quiet.copy()
    busy[0, 2:] += 4000  # in most runs another process had the core
    busy[1, 3:] += 8000
    assert undisturbed(busy).tolist() == [100, 9000, 0.5]
    assert undisturbed(np.array([[-2.0, 1.0, -1.0]])).tolist() == [0]  # what rounding makes of almost nothing


@pytest.mark.parametrize(
    ("kernels_ms", "busy", "words"),
    [
        (9.6, False, ""),
        (10.4, True, ""),
        (9.0, False, "1.000 ms (10%) less than a run's 10.000 ms: the rest is what the runtime does around"),
        (9.0, True, "caches cold"),
        (12.0, False, "2.000 ms (20%) more than a run's 10.000 ms: the profiler takes its own time at each of the 7"),
        (12.0, True, "waits"),
    ],
)
def test_what_is_missing_is_said(kernels_ms, busy, words):
    said = explain(kernels_ms, 10.0, 7, busy)
    assert words in said
    assert bool(said) == bool(words)


def test_matrix_instructions(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nFeatures : fp asimd asimddp i8mm sve2\n")
    assert matrix_instructions(info) == "SVE2, I8MM, dot product, NEON"
    assert matrix_instructions(tmp_path / "none") == ""
