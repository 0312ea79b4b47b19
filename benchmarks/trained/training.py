"""One network, trained on the crops; its checkpoint says that it is there.

python -m benchmarks.trained.training NETWORK CHECKPOINT [EPOCHS]
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trained import photographs
from benchmarks.trained.networks import NETWORKS, create_network

EPOCHS, BATCH = 10, 64
RATE, DECAY = 3e-3, 0.05
SMOOTHING = 0.1
SEED = 0


def train(name: str, epochs: int = EPOCHS) -> nn.Module:
    """The network in eval mode; on one thread the same one each time."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    pixels, labels = crops("train")
    side = NETWORKS[name].side
    model = create_network(name).train()
    draw_tokens(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    total = epochs * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=total)
    for _ in range(epochs):
        for some in torch.randperm(len(labels)).split(BATCH):
            loss = F.cross_entropy(model(inputs(flip(pixels[some]), side)), labels[some], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def draw_tokens(model: nn.Module) -> None:
    """Position tables and class tokens start as small noise, not as zeros."""
    for name, parameter in model.named_parameters():
        if name in ("pos_embed", "cls_token"):
            nn.init.trunc_normal_(parameter, std=0.02)


def crops(split: str) -> tuple[Tensor, Tensor]:
    """(uint8 (n, 3, 64, 64), labels int64 (n,))."""
    pairs = list(photographs.crops(split))
    pixels = np.stack([pixels for pixels, _ in pairs]).transpose(0, 3, 1, 2)  # nhwc -> nchw
    return torch.from_numpy(np.ascontiguousarray(pixels)), torch.tensor([label for _, label in pairs])


def flip(pixels: Tensor) -> Tensor:
    """Each image mirrored or not, its diagonal, too: (n, c, h, w), h equal to w -> same."""
    choose = torch.rand(2, len(pixels), 1, 1, 1) < 0.5
    pixels = torch.where(choose[0], pixels.flip(3), pixels)
    return torch.where(choose[1], pixels.transpose(2, 3), pixels)


def inputs(pixels: Tensor, side: int) -> Tensor:
    """uint8 (n, 3, h, w) -> float32 (n, 3, side, side) in -1..1."""
    x = pixels.float() / 127.5 - 1
    return x if x.shape[2] == side else F.interpolate(x, (side, side), mode="bicubic")


def save(model: nn.Module, checkpoint: Path) -> None:
    """The weights, all at once."""
    whole = checkpoint.with_suffix(".tmp")
    torch.save(model.state_dict(), whole)
    os.replace(whole, checkpoint)


if __name__ == "__main__":
    network, where, *epochs = sys.argv[1:]
    began = time.process_time()
    save(train(network, *map(int, epochs)), Path(where))
    print(json.dumps({"cpu_seconds": time.process_time() - began}), flush=True)
