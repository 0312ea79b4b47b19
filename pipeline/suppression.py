"""Non-maximum suppression in an artifact: what is put behind its detector, and what it is then compared with."""

import copy
import dataclasses
from typing import TYPE_CHECKING

from ..graph.edit import name_of
from ..runtime.session import Session
from ..targets.target import Recipe, Target
from ..tasks.suppression import SuppressedSession, Suppression
from .progress import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from .prepare import Prepared


def ask_for_suppression(target: Target, recipe: Recipe, prepared: "Prepared") -> Recipe:
    """The recipe with the suppression that was asked for, where the target can do it in an artifact of this kind."""
    asked = prepared.suppression
    if asked is None or target.why_no_suppression(recipe):
        return recipe
    return dataclasses.replace(recipe, suppression=named_as_graph(asked, prepared.reference, prepared.graph))


def tell_no_suppression(target: Target, recipe: Recipe, prepared: "Prepared", progress: Progress) -> None:
    """Says where what was asked for is left to the application."""
    if prepared.suppression and not recipe.suppression:
        progress.note(
            f"{target.name} {recipe.precision}: the artifact gives all boxes: {target.why_no_suppression(recipe)}; the "
            "application has to suppress them, as the wrappers of a bundle for linux do"
        )


def named_as_graph(suppression: Suppression, reference: Session, graph: "ir.Model") -> Suppression:
    """The suppression by the names of the graph's outputs, which come in the reference's order."""
    names = {spec.name: name_of(value) for spec, value in zip(reference.outputs, graph.graph.outputs, strict=True)}
    meaning = suppression.meaning
    outputs = {role: names[name] for role, name in meaning.outputs.items()}
    return dataclasses.replace(suppression, meaning=dataclasses.replace(meaning, outputs=outputs))


def behind_suppression(prepared: "Prepared", recipe: Recipe) -> "Prepared":
    """What an artifact is compared with that does the suppression: the reference and its meaning behind the same."""
    suppression = prepared.suppression
    if recipe.suppression is None or suppression is None or isinstance(prepared.reference, SuppressedSession):
        return prepared
    reference, meaning = SuppressedSession(prepared.reference, suppression), suppression.to_meaning()
    judge = copy.copy(prepared.judge)
    if judge is not None:
        judge.reference, judge.meaning = reference, meaning
    kinds = {spec.name: prepared.kinds[spec.name] for spec in reference.outputs if spec.name in prepared.kinds}
    return dataclasses.replace(prepared, reference=reference, meaning=meaning, kinds=kinds, judge=judge)
