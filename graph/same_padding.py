"""TensorFlow's padding SAME."""


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What padding SAME puts before and after `size` elements (TensorFlow's definition)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
