import pytest
from edgeport.graph.classifier import count_classes, is_classifier, num_classes
from graphs import graph


@pytest.mark.parametrize(
    ("shapes", "classes"),
    [
        ([(1, 10)], 10),
        ([(1, 1)], None),  # a score
        ([(2, 10)], None),  # two rows
        ([(10,)], None),
        ([(1, 10, 1, 1)], None),
        ([(1, 10), (1, 10)], None),
        ([], None),
    ],
)
def test_a_classifier_has_one_output_of_one_row(shapes, classes):
    assert count_classes(shapes) == classes


def test_a_graph_is_judged_by_its_outputs():
    model = graph("g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }", {})
    assert is_classifier(model.graph)
    assert num_classes(model.graph) == 4
