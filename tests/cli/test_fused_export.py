"""What is exported has its training branches fused; the reference keeps them."""

from edgeport.exporters.canonicalize import canonicalize
from edgeport.pipeline.progress import Progress
from edgeport.pipeline.sources.loading import load_source
from torch import nn


def convolutions(module):
    return sum(isinstance(m, nn.Conv2d) for m in module.modules())


def test_a_zoo_model_is_exported_fused():
    source = load_source("repvgg_test", Progress(), weights="random")
    reference = source.session().module
    before = convolutions(reference)
    graph = canonicalize(source.graph()).graph
    assert sum(node.op_type == "Conv" for node in graph) == before // 2
    assert convolutions(reference) == before


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
    source = load_source(f"{tmp_path / 'own.py'}:make", Progress(), shapes={"": (3, 8, 8)})
    assert [node.op_type for node in canonicalize(source.graph()).graph] == ["Conv"]
