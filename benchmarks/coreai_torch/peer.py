"""Convert one zoo model with coreai-torch, in its own environment; one line of JSON.

python -m benchmarks.coreai_torch.peer MODEL FOLDER PRECISION
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.coreai_torch.material import module_of


def main() -> None:
    """Writes FOLDER/peer_PRECISION.aimodel."""
    name, folder, precision = sys.argv[1:]
    import coreai_torch
    import torch

    module, image = module_of(name)
    module, image = (module.half(), image.half()) if precision == "fp16" else (module, image)
    start = time.perf_counter()
    program = torch.export.export(module, (image,)).run_decompositions(coreai_torch.get_decomp_table())
    converter = coreai_torch.TorchConverter()
    converter.add_exported_program(program, input_names=["image"], output_names=["logits"])
    converter.to_coreai().save_asset(Path(folder, f"peer_{precision}.aimodel"))
    print(json.dumps({"seconds": round(time.perf_counter() - start, 2)}))


if __name__ == "__main__":
    main()
