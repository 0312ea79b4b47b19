"""Name the classes of ImageNet (ILSVRC 2012), in the order of the outputs of its classifiers."""

from pathlib import Path


def imagenet_classes() -> list[str]:
    """List the names of ImageNet's 1000 classes: what a classifier's output at that index means.

    The first word that WordNet 3.0 (Princeton University) has for each synset of ILSVRC 2012, in the order of their
    numbers; "crane bird" and "maillot tank suit" tell apart two that would have the same.

    Returns:
        1000 names, each once; they can be the `labels` of an export.

    Example:
        >>> from edgeport.models import imagenet_classes
        >>> imagenet_classes()[282]
        'tiger cat'
    """
    return Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
