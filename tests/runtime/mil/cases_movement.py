"""Cases of operators that move elements, of gather and of scatter."""

import numpy as np
import torch
import torch.nn.functional as F
from mil_packages import mb
from op_case import IMAGE, PLACES, Case, X, Y, call, real


def numpy_scatter(data: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, mode: str) -> np.ndarray:
    result = data.numpy().copy()
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    functions |= {"max": np.maximum, "min": np.minimum, "update": lambda old, new: new}
    for i, place in enumerate(indices.tolist()):
        result[place] = functions[mode](result[place], updates.numpy()[i])
    return result


def batch_to_space(x: torch.Tensor) -> torch.Tensor:
    """(4, 3, 2, 5) in blocks of 2 x 2, one row and two columns cut off."""
    result = torch.zeros(1, 3, 4, 10)
    for i in range(4):
        result[:, :, i // 2 :: 2, i % 2 :: 2] = x[i]
    return result[:, :, 1:, :-2]


CASES = [
    # movement
    call("reshape", lambda x: x.reshape(2, 12), shape=[2, -1]),
    call("reshape", lambda x: x.reshape(1, 2, 3, 4), shape=[1, -1, 0, 0]),
    Case("reshape", lambda a, b: mb.reshape(x=a, shape=mb.shape(x=b)), (X, real(4, 6)), lambda x, y: x.reshape(4, 6)),
    Case(
        "reshape_like",
        lambda a, b: mb.reshape_like(x=a, ref_tensors=(a, b), begins=(0, 1), ends=(1, 0), end_masks=(False, True)),
        (X, real(5, 12)),
        lambda x, y: x.reshape(2, 12),
    ),
    call("transpose", lambda x: x.permute(2, 0, 1), perm=[-1, 0, 1]),
    call("expand_dims", lambda x: x[:, None, :, :, None], axes=[1, -1]),
    call("squeeze", lambda x: x.reshape(3, 4), real(1, 3, 1, 4), axes=[0, -2]),
    call("squeeze", lambda x: x.reshape(3, 4), real(1, 3, 1, 4)),
    call("flatten2d", lambda x: x.reshape(6, 4), axis=2),
    call("slice_by_index", lambda x: x[1:2, :2, 1:], begin=[1, 0, 1], end=[2, 2, 4]),
    call(
        "slice_by_index",
        lambda x: x.numpy()[:, ::2, ::-1],
        begin=[0, 0, 0],
        end=[2, 3, 0],
        stride=[1, 2, -1],
        begin_mask=[True, False, True],
        end_mask=[False, False, True],
    ),
    call(
        "slice_by_index",
        lambda x: x[:, -2, -3:-1],
        begin=[0, -2, -3],
        end=[2, 0, -1],
        squeeze_mask=[False, True, False],
    ),
    call("slice_by_size", lambda x: x[:, 1:, 1:3], begin=[0, 1, 1], size=[2, -1, 2]),
    Case(
        "slice_update",
        lambda a, b: mb.slice_update(x=a, update=b, begin=[0, 0, 1], end=[2, 3, 4], stride=[1, 2, 2]),
        (X, real(2, 2, 2)),
        lambda x, y: torch.stack(
            [
                torch.stack([y[:, i // 2, j // 2] if i % 2 == 0 and j % 2 else x[:, i, j] for j in range(4)], -1)
                for i in range(3)
            ],
            1,
        ),
        "iOS18",
    ),
    call("split", lambda x: x.split([1, 2], 1), axis=1, split_sizes=[1, 2]),
    call("split", lambda x: x.chunk(2, -1), axis=-1, num_splits=2),
    Case("concat", lambda a, b: mb.concat(values=(a, b), axis=-1), (X, Y), lambda x, y: torch.cat([x, y], -1)),
    Case(
        "concat",
        lambda a, b: mb.concat(values=(a, b), axis=1, interleave=True),
        (X, Y),
        lambda x, y: torch.stack([x, y], 2).reshape(2, 6, 4),
    ),
    Case("concat", lambda a: mb.concat(values=(a, Y), axis=0), (X,), lambda x: np.concatenate([x, Y])),
    Case("stack", lambda a, b: mb.stack(values=(a, b), axis=1), (X, Y), lambda x, y: torch.stack([x, y], 1)),
    call("pad", lambda x: F.pad(x, (1, 2, 0, 1), value=0.5), pad=[0, 1, 1, 2], constant_val=0.5),
    call("pad", lambda x: np.pad(x, ((0, 0), (2, 1), (0, 3)), mode="reflect"), pad=[2, 1, 0, 3], mode="reflect"),
    call("pad", lambda x: np.pad(x, ((0, 0), (2, 3), (1, 0)), mode="edge"), pad=[2, 3, 1, 0], mode="replicate"),
    call("crop", lambda x: x[..., 1:5, 2:6], IMAGE, crop_height=[1, 2], crop_width=[2, 0]),
    call("tile", lambda x: x.repeat(1, 2, 3), reps=[1, 2, 3]),
    call("reverse", lambda x: x.flip(0, 2), axes=[0, -1]),
    call("reverse", lambda x: x.flip(0, 1, 2)),
    call(
        "depth_to_space",
        lambda x: x.reshape(2, 2, 2, 1, 7, 6).permute(0, 3, 4, 1, 5, 2).reshape(2, 1, 14, 12),
        IMAGE,
        block_size=2,
    ),
    call(
        "space_to_depth",
        lambda x: torch.cat([x[:, :, i::2, j::2] for i in range(2) for j in range(2)], 1),
        IMAGE[:, :, :6],
        block_size=2,
    ),
    call("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), IMAGE, upscale_factor=2),
    call("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), IMAGE[:, :, :6], downscale_factor=np.uint32(2)),
    call(
        "space_to_batch",
        lambda x: torch.cat([F.pad(x, (0, 0, 1, 0))[:, :, i::2, j::3] for i in range(2) for j in range(3)]),
        IMAGE,
        block_shape=[2, 3],
        paddings=[[1, 0], [0, 0]],
    ),
    call("batch_to_space", batch_to_space, real(4, 3, 2, 5), block_shape=[2, 2], crops=[[1, 0], [0, 2]]),
    call("sliding_windows", lambda x: x.unfold(1, 2, 1).movedim(-1, 2), axis=1, size=2),
    call("sliding_windows", lambda x: np.stack([x[:, :, 0:2], x[:, :, 2:4]], 2), axis=-1, size=2, stride=2),
    Case("shape", lambda a: mb.shape(x=a), (X,), lambda x: np.array([2, 3, 4])),
    Case("fill", lambda a: mb.add(x=a, y=mb.fill(shape=[3, 4], value=2.5)), (X,), lambda x: x + 2.5),
    Case("fill", lambda a: mb.fill(shape=mb.shape(x=a), value=2.5), (X,), lambda x: torch.full_like(x, 2.5)),
    Case("fill_like", lambda a: mb.fill_like(ref_tensor=a, value=2.5), (X,), lambda x: torch.full_like(x, 2.5)),
    Case(
        "range_1d",
        lambda a: mb.add(x=a, y=mb.range_1d(start=1.0, end=3.0, step=0.5)),
        (X,),
        lambda x: x + torch.arange(1, 3, 0.5),
    ),
    Case(
        "range_1d",
        lambda a: mb.range_1d(start=9, end=mb.squeeze(x=a), step=-2),
        (np.array([2], np.int32),),
        lambda x: np.arange(9, 2, -2),
    ),
    Case(
        "one_hot",
        lambda a: mb.one_hot(indices=a, one_hot_vector_size=3, on_value=2.0, off_value=-1.0),
        (PLACES,),
        lambda x: 3.0 * F.one_hot(x.long(), 3) - 1,
    ),
    Case(
        "one_hot",
        lambda a: mb.one_hot(indices=a, one_hot_vector_size=3, axis=1),
        (PLACES,),
        lambda x: F.one_hot(x.long(), 3).movedim(-1, 1),
    ),
    call("band_part", lambda x: np.tril(np.triu(x, -1), 2), lower=1, upper=2),
    call("band_part", lambda x: np.triu(x), lower=0),
    call("cumsum", lambda x: x.cumsum(1), axis=1),
    call("cumsum", lambda x: x.flip(2).cumsum(2).flip(2) - x, axis=2, exclusive=True, reverse=True),
    call("argsort", lambda x: np.argsort(-x, 1), axis=1),
    call("argsort", lambda x: np.argsort(x, -1), ascending=True),
    call("topk", lambda x: list(x.topk(2, 2)), k=2),
    call("topk", lambda x: list(x.topk(2, 1, largest=False)), k=2, axis=1, ascending=True),
    call("non_zero", lambda x: x.nonzero(), np.array([[0, 1.5], [2, 0]], np.float32)),
    # gather
    Case("gather", lambda a, b: mb.gather(x=a, indices=b, axis=1), (X, PLACES), lambda x, i: x[:, i.long()]),
    Case(
        "gather",
        lambda a, b: mb.gather(x=a, indices=b, axis=2, batch_dims=1),
        (X, PLACES),
        lambda x, i: torch.stack([x[n][:, i[n].long()] for n in range(2)]),
    ),
    Case("gather", lambda a: mb.gather(x=a, indices=np.int32(-1), axis=-1), (X,), lambda x: x[..., -1], "iOS16"),
    Case(
        "gather_along_axis",
        lambda a, b: mb.gather_along_axis(x=a, indices=b, axis=1),
        (X[:, :, 0], PLACES),
        lambda x, i: x.gather(1, i.long()),
    ),
    Case(
        "gather_nd",
        lambda a, b: mb.gather_nd(x=a, indices=b),
        (X, np.array([[0, 2], [1, 0], [1, 1]], np.int32)),
        lambda x, i: x[[0, 1, 1], [2, 0, 1]],
    ),
    Case(
        "gather_nd",
        lambda a, b: mb.gather_nd(x=a, indices=b, batch_dims=1),
        (X, np.array([[[2, 3]], [[0, 1]]], np.int32)),
        lambda x, i: torch.stack([x[0, 2, 3:], x[1, 0, 1:2]]),
    ),
    *(
        Case(
            "scatter",
            lambda a, b, c, mode=mode: mb.scatter(data=a, indices=b, updates=c, axis=0, mode=mode),
            (real(4, 3), np.array([2, 0], np.int32), real(2, 3, 1)[..., 0]),
            lambda d, i, u, mode=mode: numpy_scatter(d, i, u, mode),
        )
        for mode in ("add", "sub", "mul", "div", "max", "min", "update")
    ),
    Case(
        "scatter",
        lambda a, b, c: mb.scatter(data=a, indices=b, updates=c, axis=1, mode="add"),
        (real(4, 3), np.array([2, 0], np.int32), real(4, 2, 1)[..., 0]),
        lambda d, i, u: d.index_add(1, i, u),
    ),
    Case(
        "scatter_along_axis",
        lambda a, b, c: mb.scatter_along_axis(data=a, indices=b, updates=c, axis=1, mode="add"),
        (real(2, 3), PLACES, real(2, 2)),
        lambda d, i, u: d.scatter_add(1, i.long(), u),
    ),
    Case(
        "scatter_nd",
        lambda a, b, c: mb.scatter_nd(data=a, indices=b, updates=c, mode="update"),
        (X, np.array([[0, 2], [1, 0]], np.int32), real(2, 4)),
        lambda d, i, u: d.index_put(([torch.tensor([0, 1]), torch.tensor([2, 0])]), u),
    ),
    Case(
        "non_maximum_suppression",
        lambda a, b: mb.non_maximum_suppression(boxes=a, scores=b, iou_threshold=0.5, max_boxes=3)[:3],
        (
            np.array([[[1.2, 1, 5], [1, 1, 5], [2, 2, 2], [2, 2, 2]]], np.float32),  # (1, 4, 3): the first two overlap
            np.array([[[0.8, 0.9, 0.7]]], np.float32),
        ),
        lambda boxes, scores: [
            torch.cat([boxes[:, :, 1:], torch.zeros(1, 4, 1)], 2),
            torch.tensor([[[0.9, 0.7, 0.0]]]),
            torch.tensor([[1, 2, -1]]),
        ],
    ),
]
