"""Every operator of the table: written by coremltools' builder, read back, compared with numpy or torch."""

import cases_elementwise
import cases_linear
import cases_movement
import cases_spatial
import numpy as np
import pytest
import torch
from edgeport.runtime.mil import interpreter  # noqa: F401  (fills the table)
from edgeport.runtime.mil.table import OPS
from edgeport.targets.registry import open_session
from mil_packages import save

CASES = [*cases_elementwise.CASES, *cases_spatial.CASES, *cases_linear.CASES, *cases_movement.CASES]

# these are tested where they matter, in test_coreml_session.py
ELSEWHERE = {"const", "classify", "constexpr_cast"}

BIT_FOR_BIT = {"quantize", "dequantize", "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operator(tmp_path, case):
    path = save(tmp_path / "a.mlpackage", case.emit, case.inputs, target=case.target)
    session = open_session(path)
    results = list(session.run(dict(zip("abc", case.inputs, strict=False))).values())
    expected = case.expected(*map(torch.tensor, case.inputs))
    expected = list(expected) if isinstance(expected, list | tuple) else [expected]
    assert len(results) == len(expected)
    tolerance = 0 if case.op in BIT_FOR_BIT else 1e-5
    for result, want in zip(results, expected, strict=True):
        assert result.shape == np.asarray(want).shape
        np.testing.assert_allclose(result, np.asarray(want, np.float32), rtol=tolerance, atol=tolerance)


def test_every_operator_has_a_case():
    assert {case.op for case in CASES} | ELSEWHERE == OPS.keys()
