"""The dialect's operators in PyTorch compute what ONNX Runtime computes, for one sample and for many at once."""

import numpy as np
import pytest
import torch
from cases import CASES
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.graph.dialect import OPS
from edgeport.graph.edit import array
from edgeport.quantize.training.operators import OPERATORS, UNTRAINED
from edgeport.quantize.training.program import write_program
from graphs import canonical_case, feeds, run_onnx


def test_every_operator_of_the_dialect_is_known_or_refused():
    assert OPERATORS.keys() | UNTRAINED == OPS.keys()
    assert not OPERATORS.keys() & UNTRAINED


def refused(graph):
    return any(node.op_type in UNTRAINED for node in graph.graph)


@pytest.mark.parametrize("name", CASES)
def test_what_onnx_runtime_computes(name):
    graph = canonical_case(name)
    if refused(graph):
        with pytest.raises(UnsupportedOp, match="cannot be trained through"):
            write_program(graph, {})
        return
    program = write_program(graph, {})
    constants = {each: torch.from_numpy(array(graph.graph.initializers[each]).copy()) for each in program.constants}
    samples = [feeds(graph, seed) for seed in (1, 2)]
    together = [torch.from_numpy(np.stack([sample[each] for sample in samples])) for each in program.inputs]

    def run(*inputs):
        return program.run({**constants, **dict(zip(program.inputs, inputs, strict=True))}, lambda key, x: x)

    several = torch.vmap(run)(*together)
    for index, sample in enumerate(samples):
        want = run_onnx(graph, sample)
        alone = run(*(each[index] for each in together))
        for output, one, many in zip(program.outputs, alone, several, strict=True):
            for got in (one, many[index]):
                assert got.numpy().dtype == want[output].dtype
                np.testing.assert_allclose(got.numpy(), want[output], rtol=1e-4, atol=1e-5)
