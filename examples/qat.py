"""Quantisation-aware training in minutes of one core: what int8 costs by calibration alone, and after training.

    python -m examples.qat                                      MobileViT for TFLite
    python -m examples.qat mobilenetv3 --target onnx --weights mobilenetv3.pt

Run it from the repository's root. The networks and the pictures are those of `python -m benchmarks.trained`: crops of
photographs that ship with scikit-learn and scikit-image; a network without --weights is trained first, which takes two
minutes or so. The network with fake quantisation then learns to answer as the float one does (distillation), on the
training crops, without their labels. What is measured is the artifact itself, on test crops that nothing has seen.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import edgeport
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.trained import photographs
from benchmarks.trained.networks import NETWORKS, create_network
from benchmarks.trained.reference import inputs as draw_inputs
from benchmarks.trained.training import crops, flip, inputs, save, train

BATCH = 64


def distill(
    qat: edgeport.QatModule, teacher: nn.Module, images: torch.Tensor, side: int, *, epochs: float, rate: float
) -> None:
    """An ordinary loop: AdamW with a falling rate; the loss is the divergence from the float network's answers."""
    steps = round(epochs * len(images) / BATCH)
    optimizer = torch.optim.AdamW(qat.parameters(), lr=rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    qat.train()
    for step, some in zip(range(steps), batches(len(images)), strict=False):
        x = inputs(flip(images[some]), side)
        with torch.no_grad():
            wanted = teacher(x).log_softmax(1)
        loss = F.kl_div(qat(x).log_softmax(1), wanted, log_target=True, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 20 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.5f}", flush=True)
    qat.eval()


def batches(count: int) -> Iterator[torch.Tensor]:
    """Indices of BATCH images, each image once in an epoch, without end."""
    while True:
        yield from torch.randperm(count).split(BATCH)


def answer(path: Path, images: np.ndarray) -> np.ndarray:
    """The logits of an artifact: (n, c, h, w) -> (n, classes)."""
    session = edgeport.open_session(path)
    (taken,), (given,) = session.inputs, session.outputs
    return np.concatenate([session.run({taken.name: image[None]})[given.name] for image in images])


def simulate(module: nn.Module, images: np.ndarray) -> np.ndarray:
    """The logits of a module."""
    with torch.inference_mode():
        return torch.cat([module(part) for part in torch.from_numpy(images).split(100)]).numpy()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", default="mobilevit", choices=tuple(NETWORKS))
    parser.add_argument("--target", default="tflite")
    parser.add_argument("--profile")
    parser.add_argument("--weights", type=Path, help="of the float network; without, it is trained first")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--output-dir", type=Path, default=Path("out"))
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    side = NETWORKS[args.network].side
    if args.weights is None:
        args.weights = args.output_dir / f"{args.network}.pt"
        args.weights.parent.mkdir(parents=True, exist_ok=True)
        save(train(args.network), args.weights)
    model = create_network(args.network)
    model.load_state_dict(torch.load(args.weights, weights_only=True))
    calibration, _ = draw_inputs(args.network, "calibration")
    test, labels = draw_inputs(args.network, "test")

    qat = edgeport.prepare_qat(
        model.eval(),
        args.target,
        profile=args.profile,
        calibration=calibration,
        input_shape=(3, side, side),
        name=args.network,
    )
    options = {"precision": "int8", "benchmark": False, "validation": test[:50]}
    calibrated = edgeport.export(qat, args.target, output_dir=args.output_dir / "calibrated", **options)
    images, _ = crops("train")
    start = time.process_time()
    distill(qat, model, images, side, epochs=args.epochs, rate=args.rate)
    print(f"trained in {time.process_time() - start:.0f} CPU seconds", flush=True)
    trained = edgeport.export(qat, args.target, output_dir=args.output_dir / "trained", **options)

    wanted, made = simulate(model, test), answer(trained.path, test)
    rows = {"float": wanted, "calibrated": answer(calibrated.path, test), "trained": made}
    print(f"{len(labels)} test crops of {len(photographs.NAMES)} photographs, {trained.path}")
    for name, logits in rows.items():
        top1, same = ((logits.argmax(1) == wished).mean() for wished in (labels, wanted.argmax(1)))
        print(f"{name:10} top-1 {100 * top1:.2f} %, the float network's class on {100 * same:.2f} %")
    same = (simulate(qat, test).argmax(1) == made.argmax(1)).mean()
    print(f"the trained module and its artifact: the same class on {100 * same:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
