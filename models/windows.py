"""Cut feature maps into windows and number the relative positions inside one. Maps: (n, h, w, c)."""

import torch
from torch import Tensor, cat


def to_windows(x: Tensor, window: int) -> Tensor:
    """Squares of neighbouring pixels as tokens; (n, h, w, c) -> (n * h/window * w/window, window * window, c)."""
    n, h, w, c = x.shape
    rows = x.reshape(n * h // window, window, w // window, window * c)  # four axes: kernels and delegates like no more
    return rows.transpose(1, 2).reshape(-1, window * window, c)


def from_windows(x: Tensor, window: int, h: int, w: int) -> Tensor:
    """The inverse of to_windows; (n * h/window * w/window, window * window, c) -> (n, h, w, c)."""
    c = x.shape[-1]
    rows = x.reshape(-1, w // window, window, window * c)
    return rows.transpose(1, 2).reshape(-1, h, w, c)


def to_grid(x: Tensor, grid: int) -> Tensor:
    """grid * grid equally spaced pixels as tokens (arXiv:2204.01697 §3.3).

    (n, h, w, c) -> (n * h/grid * w/grid, grid * grid, c)
    """
    n, h, w, c = x.shape
    x = x.reshape(n * grid, h // grid, grid, w // grid * c).transpose(1, 2)  # (n g, g, h/g, w/g c)
    return x.reshape(n, grid * grid, -1, c).transpose(1, 2).reshape(-1, grid * grid, c)


def from_grid(x: Tensor, grid: int, h: int, w: int) -> Tensor:
    """The inverse of to_grid; (n * h/grid * w/grid, grid * grid, c) -> (n, h, w, c)."""
    c = x.shape[-1]
    cells = h // grid * (w // grid)
    x = x.reshape(-1, cells, grid * grid, c).transpose(1, 2).reshape(-1, grid, h // grid, w // grid * c)
    return x.transpose(1, 2).reshape(-1, h, w, c)


def shifted(x: Tensor, shift: int) -> Tensor:
    """The map moved up and left by `shift` pixels (down and right where negative), what leaves returning opposite."""
    if shift:
        x = cat((x[:, shift:], x[:, :shift]), dim=1)
        x = cat((x[:, :, shift:], x[:, :, :shift]), dim=2)
    return x


def shift_mask(h: int, w: int, window: int, shift: int) -> Tensor:
    """Which tokens of a shifted map's windows are strangers (arXiv:2103.14030 §3.2, fig. 4).

    float32 (windows, window * window, window * window): 0 where the pixels were neighbours before the shift, else -100.
    """

    def part(side: int) -> Tensor:  # 0: before the last window, 1: its part that stayed, 2: what came from the far end
        at = torch.arange(side)
        return (at >= side - window).long() + (at >= side - shift).long()

    parts = 3 * part(h)[:, None] + part(w)  # (h, w)
    parts = to_windows(parts[None, :, :, None], window).flatten(1)
    return -100.0 * (parts[:, None] != parts[:, :, None]).float()


def relative_index(h: int, w: int) -> Tensor:
    """Row of a table of (2h - 1) * (2w - 1) offsets for each pair of pixels of an (h, w) window; int64 (hw, hw).

    Entry (i, j) is that of the offset from pixel j to pixel i, rows first (arXiv:2103.14030 eq. 4).
    """
    y, x = torch.arange(h * w) // w, torch.arange(h * w) % w
    return (y[:, None] - y + h - 1) * (2 * w - 1) + (x[:, None] - x + w - 1)


def distance_index(side: int, stride: int = 1) -> Tensor:
    """Row of a table of side * side pairs of distances for each pixel kept and each pixel (arXiv:2104.01136 §4.2.4).

    int64 (kept, side * side); kept is every pixel, or with a stride every stride-th of every stride-th row.
    """
    key, query = torch.arange(side), torch.arange(0, side, stride)
    distance = (query[:, None] - key).abs()  # (q, side)
    table = distance[:, None, :, None] * side + distance[None, :, None, :]  # (qy, qx, ky, kx)
    return table.reshape(len(query) ** 2, side * side)
