"""What int8 costs PP-OCR's networks: strings, text maps and directions as in float, and the time beside float's.

python -m benchmarks.ocr                            all, on every target; a line of JSON each
python -m benchmarks.ocr recogniser --targets tflite
python -m benchmarks.ocr --write                    also into benchmarks/results/ocr.jsonl and docs/generated/tasks.md

The package is installed by `make test`, or `pip install --no-deps --target .venv/clients rapidocr-onnxruntime`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import edgeport
import numpy as np

from benchmarks import journal
from benchmarks.ocr.networks import NETWORKS, RESULTS, TARGETS, Network, run_all

RUNS = 30


def measure(network: Network, targets: Sequence[str], counts: dict[str, int], folder: str) -> dict[str, dict[str, Any]]:
    """{target: "agree", the mean over the test inputs, "worst", "verdict", and "ratio" of int8's time to float's}."""
    assert network.path is not None
    calibration, test = (list(network.inputs(split, counts[split])) for split in ("calibration", "test"))
    source = edgeport.load(str(network.path), input_shape=network.shape)
    results = edgeport.export_all(
        source,
        targets,
        precision="int8",
        calibration=calibration,
        num_calibration_samples=len(calibration),
        validation=test[:8],
        num_validation_samples=8,
        num_runs=RUNS,
        output_dir=folder,
    )
    found = {}
    wanted = run_all(edgeport.open_session(network.path), test)
    for result in results:
        if isinstance(result, edgeport.ExportFailure):
            found[result.target] = {"error": result.error}
            continue
        agree = network.agree(wanted, run_all(edgeport.open_session(result.path), test))
        found[result.target] = {
            "agree": float(np.mean(agree)),
            "worst": min(agree),
            "verdict": result.verdict,
            "ratio": result.ratio,
        }
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ocr", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], metavar="NETWORK")
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS, metavar="TARGET")
    parser.add_argument("--write", action="store_true", help="keep the results, and write the page anew")
    args = parser.parse_args(argv)
    for name in args.networks or NETWORKS:
        network = NETWORKS[name]
        if network.path is None:
            parser.error("rapidocr-onnxruntime is not installed")
        with tempfile.TemporaryDirectory() as folder:
            for target, facts in measure(network, args.targets, network.counts, folder).items():
                row = {"network": name, "target": target, "told": network.told, **network.counts, **facts}
                print(json.dumps(row), flush=True)
                if args.write:
                    journal.append([row], RESULTS)
    if args.write:
        from benchmarks.trained_tasks import page

        page.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
