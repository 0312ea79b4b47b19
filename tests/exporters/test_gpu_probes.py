"""What is written down of LiteRT's GPU accelerator is true: probes are run again on the GPU in software."""

import pytest
from edgeport.targets.gpu_measured import MEASURED, RUNTIME
from software_gpu import gpu, needs_gpu

from benchmarks.gpu_probes.probes import PROBES, content, measure_all, runtime

__all__ = ["gpu"]

ROOM_DB = 3.0  # drivers round float16 differently
EXACT_DB = 100.0  # above it only the order of sums differs


@needs_gpu
@pytest.mark.parametrize("every", [60, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_the_accelerator_does_what_is_written_down(gpu, every):
    """Where it fails after an update of LiteRT: python -m benchmarks.gpu_probes, and look at what changed."""
    assert runtime() == RUNTIME
    for name, found in measure_all(list(PROBES)[::every]):
        written = MEASURED[name]
        assert (found.taken, found.reason, found.wrong) == (written.taken, written.reason, written.wrong), name
        for mine, theirs in ((found.fp32_db, written.fp32_db), (found.fp16_db, written.fp16_db)):
            assert (mine is None) == (theirs is None), name
            assert mine is None or mine > min(EXACT_DB, theirs - ROOM_DB), name


def test_every_probe_is_written_down_and_is_a_file():
    assert list(MEASURED) == list(PROBES)
    for probe in PROBES.values():
        assert content(probe)[4:8] == b"TFL3"


def test_the_hazards_that_files_must_not_have():
    """Each was found in a file that somebody ran; a runtime that mends one shows it here."""
    wrong = {name for name, found in MEASURED.items() if found.wrong}
    for name in (
        *("ADD 6x8, constant 6x8", "MUL 3x6x8, constant 3x6x1", "SUB 3x6x8, constant 3x6x8"),
        *("PAD 3x6x8 on axis 1", "PAD 1x4x6x8 on axis 0", "SOFTMAX 8"),
        *("BATCH_MATMUL 1x4x6x8 by tensor 1x1x8x5", "CONV_2D in 4 groups, 2 to 2 channels in each"),
        *("FULLY_CONNECTED, computed weights", "TOPK_V2 2x5x7", "int32 ADD 6x8, constant 8"),
    ):
        assert name in wrong
    for name in (
        *("ADD 6x8, constant 8", "ADD 1x4x6x8, constant 1x4x6x8", "PAD 1x4x6x8 on axis 2", "SOFTMAX 6x8"),
        *("BATCH_MATMUL 1x4x6x8 by tensor 1x4x8x5", "CONV_2D in 4 groups, 8 to 8 channels in each"),
    ):
        assert MEASURED[name].taken
        assert name not in wrong
