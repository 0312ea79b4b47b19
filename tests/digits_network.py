"""A small network that reads digits, one unit of which int8 cannot hold, and the digits as images in class folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from edgeport.models.preprocess import PreprocessSpec, load_image, preprocess
from PIL import Image
from torch import nn
from torch.nn import functional as F

SIZE = 32
SPEC = PreprocessSpec(input_size=(3, SIZE, SIZE))  # what its images get
TRAIN, CALIBRATE = 1000, 100
HUGE = 300.0

FACTORY = """
import torch
from pathlib import Path

from digits_network import Net


def good():
    model = Net()
    model.load_state_dict(torch.load(Path(__file__).with_name("good.pth"), weights_only=True))
    return model


def bad():
    model = good()
    model.spoil()
    return model
"""


class Net(nn.Module):
    """stem -> relu -> middle -> relu -> last -> relu -> mean -> head. Channel 0 after the stem is always 0."""

    def __init__(self):
        super().__init__()
        self.stem, self.middle = nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 16, 3, 2, 1)
        self.last, self.head = nn.Conv2d(16, 16, 3, 2, 1), nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.middle(x))
        return self.head(F.relu(self.last(x)).mean((2, 3)))

    def die(self):
        """Let channel 0 be 0 for every input."""
        with torch.no_grad():
            self.stem.weight[0], self.stem.bias[0] = 0, -1

    def spoil(self):
        """Give `middle` weights for the dead channel so large that per-channel int8 rounds all others away."""
        with torch.no_grad():
            self.middle.weight[:, 0] = HUGE


def write(folder: Path) -> None:
    """Writes models.py (good, bad), calibration/ and validation/, with a folder for each class."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    for turn, i in enumerate(order[TRAIN:]):
        into = folder / ("calibration" if turn < CALIBRATE else "validation") / str(data.target[i])
        into.mkdir(parents=True, exist_ok=True)
        drawn(data.images[i]).save(into / f"{turn:04}.png")
    image = folder / "one.png"
    inputs = []
    for i in order[:TRAIN]:
        drawn(data.images[i]).save(image)
        inputs.append(preprocess(load_image(image), SPEC))
    torch.save(trained(np.stack(inputs), data.target[order[:TRAIN]]).state_dict(), folder / "good.pth")
    (folder / "models.py").write_text(FACTORY)


def drawn(digit: np.ndarray) -> Image.Image:
    """(8, 8) in 0..16 -> an image."""
    return Image.fromarray((digit * 255 / 16).astype(np.uint8)).convert("RGB").resize((SIZE, SIZE))


def trained(images: np.ndarray, labels: np.ndarray) -> Net:
    """The network after some seconds of one core."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Net()
    fit(model, torch.tensor(images), torch.tensor(labels), epochs=12, before_step=model.die)
    model.die()
    return model.eval()


def fit(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    epochs: int = 8,
    rate: float = 1e-2,
    before_step: Callable[[], None] = lambda: None,
) -> None:
    """Train the module on the images, in batches of 40; the learning rate rises to `rate` and falls again."""
    batch = 40
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(images) // batch)
    model.train()
    for _ in range(epochs):
        for some in torch.randperm(len(images)).split(batch):
            before_step()
            loss = F.cross_entropy(model(images[some]), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
