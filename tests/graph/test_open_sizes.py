"""How numbers follow from an image's size: what is found from a few sizes holds at all others."""

import numpy as np
import pytest
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.artifacts.sizes import Side, Sizes
from edgeport.graph.edit import shape
from edgeport.graph.open_sizes import Term, at_size, fit, mark, marks
from graphs import canonical
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = [(96, 96), (32, 32), (160, 160), (32, 160)]
EVERY = [(h, w) for h in range(32, 161, 32) for w in range(32, 161, 32)]

# what a model does with a size -> the number
KNOWN = {
    "a feature map's height": lambda h, w: h // 16,
    "a doubled width": lambda h, w: 2 * w,
    "positions": lambda h, w: (h // 8) * (w // 8),
    "positions and a class token": lambda h, w: (h // 8) * (w // 8) + 1,
    "anchors of three maps": lambda h, w: sum((h // s) * (w // s) for s in (8, 16, 32)),
    "three anchors at each place": lambda h, w: 3 * (h // 16) * (w // 16),
    "a width less its frame": lambda h, w: w - 3,
    "an end without padding": lambda h, w: (h - 3) // 2 + 1,
    "places of a map without padding": lambda h, w: ((h - 1) // 2) * ((w - 1) // 2),
}


@pytest.mark.parametrize("what", KNOWN)
def test_what_models_do_with_a_size_is_found(what):
    number = KNOWN[what]
    term = fit(SIZES, [number(*size) for size in SIZES])
    assert isinstance(term, Term), what
    assert {size: term.at(size) for size in EVERY} == {size: number(*size) for size in EVERY}
    assert Term.of_list(term.to_list()) == term


def test_what_stays_is_a_number():
    assert fit(SIZES, [7] * 4) == 7


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=4))
def test_whatever_is_found_is_right_where_it_was_seen(numbers):
    found = fit(SIZES, numbers)
    if isinstance(found, Term):
        assert [found.at(size) for size in SIZES] == numbers
    elif found is not None:
        assert set(numbers) == {found}


def test_numbers_without_a_rule_are_not_guessed():
    assert fit(SIZES, [9, 2, 25, 11]) is None


def test_a_graph_at_another_size():
    """Its marked constants follow; the graph itself stays as it was."""
    text = "g (float[1,3,8,8] x) => (float[1,64,3] y) { r = Reshape (x, s) y = Transpose <perm=[0,2,1]> (r) }"
    model = canonical(text, {"s": [1, 3, 64]})
    node = next(node for node in model.graph if node.op_type == "Reshape")
    mark(node, 1, [1, 3, Term(1, (0, 1), (0, 1))])
    other = at_size(model, (4, 6))
    assert (shape(other.graph.outputs[0]), shape(model.graph.outputs[0])) == ((1, 24, 3), (1, 64, 3))
    assert [list(numbers) for numbers in marks(other).values()] == [[1, 3, Term(1, (0, 1), (0, 1))]]


def test_a_constant_of_one_size_is_named():
    model = canonical("g (float[1,3,8,8] x) => (float[1,192] y) { y = Reshape (x, s) }", {"s": [1, 192]})
    with pytest.raises(UnsupportedOp, match="Reshape 'y' has a constant that is of one size alone"):
        at_size(model, (4, 6))


RANGE, LISTED = Side(smallest=32, largest=128, step=32), Side.of((32, 64, 96))


@pytest.mark.parametrize(
    "wrong",
    [{"smallest": 160}, {"step": 0}, {"listed": (32, 64, 128)}, {"largest": 1 << 20}, {"largest": 1 << 15, "step": 1}],
)
def test_a_side_that_contradicts_itself(wrong):
    with pytest.raises(ValueError, match="the sizes are"):
        Side(**{"smallest": 32, "largest": 128, "step": 32} | wrong)


@pytest.mark.parametrize("wrong", [{"default": (33, 64)}, {"height": Side.of((64,)), "width": Side.of((64,))}])
def test_sizes_that_contradict_themselves(wrong):
    given = {"height": RANGE, "width": RANGE, "default": (64, 64)}
    Sizes(**given)
    with pytest.raises(ValueError, match="the sizes are"):
        Sizes(**given | wrong)


def test_sizes_in_words():
    ranged = Side.of(range(32, 97))
    assert str(Sizes(height=ranged, width=ranged, default=(64, 64))) == "height and width each from 32 to 96"
    listed = Sizes(height=LISTED, width=LISTED, default=(64, 64))
    assert str(listed) == "height and width each 32, 64 or 96"
    assert listed.holds((32, 96))
    assert not listed.holds((32, 48))
    assert np.all([listed.holds(size) for size in listed.corners])


def test_one_side_alone():
    wide = Sizes(height=Side.of((48,)), width=RANGE, default=(48, 128))
    assert str(wide) == "height 48, width from 32 to 128 in steps of 32"
    assert wide.corners == [(48, 32), (48, 64)]
    assert wide.other == (48, 32)
    assert wide.holds((48, 96))
    assert not wide.holds((32, 48))
