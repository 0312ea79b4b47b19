"""The zoo in the order in which a benchmark takes it."""

import math
from collections.abc import Callable

from edgeport.models import Variant, get_variant, list_models


def sorted_variants(size: Callable[[Variant], float], most_params: float = math.inf) -> list[Variant]:
    """The variants with less than `most_params` parameters, the smallest first."""
    variants = sorted((get_variant(name) for name in list_models()), key=size)
    return [variant for variant in variants if variant.params < most_params]


def smallest_of_families(size: Callable[[Variant], float], most_params: float = math.inf) -> list[Variant]:
    """The smallest variant of each family, of those with less than `most_params` parameters; the smallest first."""
    smallest = {variant.family: variant for variant in reversed(sorted_variants(size, most_params))}
    return list(smallest.values())[::-1]
