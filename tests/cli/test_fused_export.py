"""What is exported has its training branches fused; the reference keeps them."""

from edgeport.cli.console import Console
from edgeport.cli.preparation import fused, to_graph
from edgeport.cli.subject import load_subject
from torch import nn


def convolutions(module):
    return sum(isinstance(m, nn.Conv2d) for m in module.modules())


def test_a_zoo_model_is_exported_fused():
    console = Console(quiet=True)
    subject = load_subject("repvgg_test", console, weights="random")
    before = convolutions(subject.module)
    graph = to_graph(subject, console, {}).graph
    assert sum(node.op_type == "Conv" for node in graph) == before // 2
    assert convolutions(subject.module) == before


OWN = """
from torch import nn
class Own(nn.Conv2d):
    def fuse(self):
        raise NotImplementedError
def make():
    return nn.Sequential(Own(3, 4, 1))
"""


def test_a_users_module_stays_as_it_is(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    console = Console(quiet=True)
    subject = load_subject(f"{tmp_path / 'own.py'}:make", console, input_shape=(3, 8, 8))
    assert fused(subject) is subject.module
