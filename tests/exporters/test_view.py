"""The view algebra against numpy, over random shapes, permutations and splits."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from edgeport.exporters.tflite.view import View, common_factors, unify
from hypothesis import given
from hypothesis import strategies as st

shapes = st.lists(st.sampled_from([1, 2, 3, 4, 6, 8, 12]), min_size=1, max_size=4).map(tuple)


@st.composite
def regrouped(draw, shape):
    """Another shape of the same product, made by cutting the prime factors anew (so many reshapes are expressible)."""
    primes = [p for s in shape for p in _primes(s)]
    if draw(st.booleans()):
        primes = draw(st.permutations(primes))
    cuts = sorted(draw(st.lists(st.integers(0, len(primes)), max_size=4)))
    bounds = [0, *cuts, len(primes)]
    return tuple(prod(primes[a:b]) for a, b in pairwise(bounds))


def _primes(n):
    out, p = [], 2
    while n > 1:
        while n % p == 0:
            out.append(p)
            n //= p
        p += 1
    return out


@st.composite
def walks(draw):
    """A start shape, a memory order of its dimensions, and a list of transposes and reshapes."""
    shape = draw(shapes)
    order = draw(st.permutations(range(len(shape))))
    steps, now = [], shape
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            perm = draw(st.permutations(range(len(now))))
            steps.append(("transpose", tuple(perm)))
            now = tuple(now[p] for p in perm)
        else:
            now = draw(regrouped(now))
            steps.append(("reshape", now))
    return shape, tuple(order), steps


@given(walks())
def test_a_view_walks_as_numpy_does(walk):
    shape, order, steps = walk
    logical = np.arange(prod(shape)).reshape(shape)
    view = View.of(shape, order)
    buffer = logical.transpose(order).copy()
    for kind, arg in steps:
        after = getattr(view, kind)(arg)
        if after is None:  # materialise, as the lowering does: the walk goes on from a row-major buffer
            buffer, view = view.read(buffer).copy(), View.of(view.shape)
            after = view.reshape(arg)
            assert after is not None, "a row-major buffer can always be reshaped"
        view, logical = after, getattr(logical, kind)(arg)
        assert view.shape == logical.shape
        np.testing.assert_array_equal(view.read(buffer), logical)
        np.testing.assert_array_equal(view.merged().read(buffer), logical)
        np.testing.assert_array_equal(view.write(logical).ravel(), buffer.ravel())


@given(walks(), st.randoms(use_true_random=False))
def test_unified_views_share_factors_and_meaning(walk, random):
    shape, order, _ = walk
    logical = np.arange(prod(shape)).reshape(shape)
    a = View.of(shape, order)
    fine = [list(_primes(s)) for s in shape]
    for d in fine:
        random.shuffle(d)
    b = View.of(shape).refine([tuple(d) for d in fine])
    both = unify([a, b])
    assert both is not None, "one factor a dimension unifies with anything"
    assert both[0].dims == both[1].dims
    np.testing.assert_array_equal(both[0].read(logical.transpose(order)), logical)
    np.testing.assert_array_equal(both[1].read(logical), logical)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [((6, 4), (2, 12), (2, 3, 4)), ((6, 4), (4, 6), None), ((24,), (2, 3, 4), (2, 3, 4)), ((), (), ())],
)
def test_common_factors(a, b, expected):
    assert common_factors(a, b) == expected


def test_inexpressible_reshape_is_refused_not_guessed():
    view = View.of((6, 4), (1, 0))
    assert view.reshape((4, 6)) is None


def test_mobilevit_unfold_is_only_a_view():
    # (n, c, h, w) in NHWC -> (n*ph*pw, h/2*w/2, c): no data moves
    n, c, h, w = 1, 3, 4, 6
    logical = np.arange(n * c * h * w).reshape(n, c, h, w)
    buffer = logical.transpose(0, 2, 3, 1).copy()
    view = View.of((n, c, h, w), (0, 2, 3, 1))
    for kind, arg in [
        ("reshape", (n * c * h // 2, 2, w // 2, 2)),
        ("transpose", (0, 2, 1, 3)),
        ("reshape", (n, c, h * w // 4, 4)),
        ("transpose", (0, 3, 2, 1)),
        ("reshape", (n * 4, h * w // 4, c)),
    ]:
        view, logical = getattr(view, kind)(arg), getattr(logical, kind)(arg)
    np.testing.assert_array_equal(view.read(buffer), logical)
    assert view.of_dim(2) == view.order[-1:], "channels stay innermost"
