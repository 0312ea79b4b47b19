"""The figures of tasks: their arithmetic against other people's, their errors, and what they are judged by."""

import contextlib
import io
import math
from pathlib import Path

import numpy as np
import pytest
from edgeport.pipeline.options import BUDGETS
from edgeport.tasks import text
from edgeport.tasks.agreement import jackknife, summarize
from edgeport.tasks.average_precision import average_precision, match
from edgeport.tasks.boxes import Boxes, overlaps, suppress
from edgeport.tasks.find import unknown_meaning
from edgeport.tasks.registry import budgets, get_task, list_tasks, tasks
from edgeport.tasks.task import Meaning
from edgeport.tasks.verdict import judge_task
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def meaning_of(task: str, head: int = 0, **more) -> Meaning:
    known = get_task(task)
    found = known.heads[head]
    return Meaning(task=known, head=found, outputs={}, settings=found.settings, **({"size": (100, 200)} | more))


def random_boxes(rng, count: int, classes: int = 3) -> Boxes:
    low = rng.uniform(0, 150, (count, 2))
    corners = np.concatenate([low, low + rng.uniform(5, 60, (count, 2))], 1)
    return Boxes(corners, rng.permutation(np.linspace(0.3, 0.99, count)), rng.integers(0, classes, count))


def moved(boxes: Boxes, rng, by: float) -> Boxes:
    """The boxes a little elsewhere, with other scores; some are lost, some are new."""
    kept = boxes.take(rng.random(len(boxes)) > 0.2)
    other = random_boxes(rng, 2)
    corners = kept.corners + rng.normal(0, by, kept.corners.shape)
    return Boxes(
        np.concatenate([corners, other.corners]),
        np.concatenate([np.clip(kept.scores + rng.normal(0, 0.1, len(kept)), 0.01, 1), other.scores]),
        np.concatenate([kept.classes, other.classes]),
    )


def by_pycocotools(truths: list[Boxes], found: list[Boxes]) -> tuple[float, float]:
    """(AP over all overlaps, AP at 0.5), as COCO's own code computes it."""

    def rows(images: list[Boxes], *, scored: bool) -> list[dict]:
        made = []
        for image, boxes in enumerate(images):
            for corners, score, each in zip(boxes.corners, boxes.scores, boxes.classes, strict=True):
                box = [*corners[:2], *(corners[2:] - corners[:2])]
                row = {"image_id": image, "category_id": int(each), "bbox": [float(value) for value in box]}
                row |= {"score": float(score)} if scored else {"area": float(box[2] * box[3]), "iscrowd": 0}
                made.append(row | {"id": len(made) + 1})
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(truths))],
            "annotations": rows(truths, scored=False),
            "categories": [{"id": each} for each in range(3)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows(found, scored=True)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


@pytest.mark.parametrize("by", [0.0, 2.0, 8.0])
def test_average_precision_is_cocos(by):
    rng = np.random.default_rng(0)
    truths = [random_boxes(rng, count) for count in (6, 1, 9, 4, 0, 7)]
    found = [moved(each, rng, by) for each in truths]
    ours = average_precision([match(t, f) for t, f in zip(truths, found, strict=True)])
    assert (float(ours.mean()), float(ours[0])) == pytest.approx(by_pycocotools(truths, found), abs=1e-9)


def test_the_float_model_finds_its_own_boxes():
    """Also where its boxes below the threshold are among the answers, which no truth corresponds to."""
    task, rng = get_task("detect"), np.random.default_rng(1)
    meaning = meaning_of("detect")
    answers = [random_boxes(rng, 12) for _ in range(4)]
    answers = [Boxes(each.corners, each.scores - 0.28, each.classes) for each in answers]
    figures = task.reduce([task.compare(meaning, each, each) for each in answers])
    assert figures == {"ap": 1.0, "ap50": 1.0, "score_error": 0.0}
    assert math.isnan(task.reduce([task.compare(meaning, answers[0].take(np.zeros(0, int)), answers[0])])["ap"])


def test_suppression_keeps_the_best_of_each_object_and_class():
    corners = np.array([(0, 0, 10, 10), (1, 0, 11, 10), (0, 0, 10, 10), (50, 50, 60, 60)], float)
    boxes = Boxes(corners, np.array([0.5, 0.9, 0.4, 0.3]), np.array([0, 0, 1, 0]))
    kept = suppress(boxes, 0.5)
    assert kept.scores.tolist() == [0.9, 0.4, 0.3]
    assert overlaps(corners[:1], corners[1:2])[0, 0] == pytest.approx(90 / 110)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).random(30)
    errors = jackknife(lambda records: {"mean": float(np.mean(records))}, list(values))
    assert errors["mean"] == pytest.approx(values.std(ddof=1) / math.sqrt(30))
    assert jackknife(lambda records: {"mean": 1.0}, [1.0]) == {}


def test_the_standard_error_is_that_of_the_figure():
    """Of mIoU, no mean of samples: over many drawn sets of images its spread is about what one set says of itself."""
    task, meaning, rng = get_task("segment"), meaning_of("segment"), np.random.default_rng(0)

    def draw() -> list:
        maps = rng.integers(0, 3, (40, 8, 8))
        flips = rng.random(maps.shape) < rng.uniform(0, 0.3, (40, 1, 1))
        return [task.compare(meaning, a, b) for a, b in zip(maps, np.where(flips, 0, maps), strict=True)]

    sets = [draw() for _ in range(60)]
    spread = np.std([task.reduce(each)["miou"] for each in sets])
    told = np.mean([jackknife(task.reduce, each)["miou"] for each in sets])
    assert told == pytest.approx(spread, rel=0.3)


def test_miou_and_pixels():
    task, meaning = get_task("segment"), meaning_of("segment")
    ref, cand = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 2]])
    assert task.reduce([task.compare(meaning, ref, cand)]) == pytest.approx(
        {"miou": (1 / 2 + 1 / 3 + 0) / 3, "pixels": 0.5}
    )
    assert task.reduce([task.compare(meaning, ref * 0, cand)]) == {}, "a map of one class tells nothing"


def test_three_lines_of_a_hundred_are_three_percent():
    """And so within a budget of 0.03, which 1 - 0.97 is above."""
    assert text.reduce([(i > 2, int(i < 3), 4) for i in range(100)])["string_errors"] == 0.03


def test_a_box_beyond_the_image_is_drawn_where_it_is_in_it():
    from edgeport.tasks.pictures import draw_boxes
    from PIL import Image

    boxes = np.array([[-50.0, -50, 250, 60], [90, 80, 130, 99], [200, 200, 300, 300]])
    drawn = np.asarray(
        draw_boxes(Image.new("RGB", (100, 100)), boxes, np.array([0, 1, 2]), ["one", "a light 0.50", "no"])
    )
    assert drawn[10, :2].any()
    assert drawn[10, -2:].any(), "its sides are the image's"
    above = round(80 * drawn.shape[0] / 100) - 8  # in the words over the second, which begin left of it
    assert drawn[above, drawn.shape[1] * 3 // 4 : drawn.shape[1] * 8 // 9].any()


def test_strings():
    assert (text.edits("kitten", "sitting"), text.edits("", "abc"), text.edits("ab", "ab")) == (3, 3, 0)
    task, meaning = get_task("text"), meaning_of("text", labels=("a", "b"))
    scores = np.eye(4)[[1, 1, 0, 1, 2, 2, 3, 0]]
    assert task.decode(meaning, {"scores": scores}) == ("a", "a", "b", " ")
    last = meaning_of("text", head=2, labels=("a", "b", "c"))
    assert task.decode(last, {"scores": scores}) == ("b", "a", "b", "c", "a")
    records = [task.compare(meaning, tuple("abc"), tuple(cand)) for cand in ("abc", "abd", "ab", "abc")]
    assert task.reduce(records) == {"equal_strings": 0.5, "string_errors": 0.5, "cer": 2 / 12}


def test_points_of_every_head():
    task = get_task("keypoints")
    at = np.array([[40.0, 20.0], [130.0, 70.0]])  # of an image of 100 x 200
    maps = np.zeros((2, 50, 100))
    maps[0, 10, 20], maps[1, 35, 65] = 0.9, 0.8
    bins = [np.eye(side)[np.round(column).astype(int)] for side, column in ((400, at[:, 0] * 2), (200, at[:, 1] * 2))]
    pose = np.concatenate([np.zeros((5, 2)), np.zeros((6, 2))])
    pose[4], pose[5:, 1] = (0.1, 0.9), (40, 20, 1, 130, 70, 1)
    given = {
        "heatmaps": {"heatmaps": maps},
        "simcc": dict(zip("xy", bins, strict=True)),
        "pose": {"detections": pose},
        "points": {"points": at.ravel()},
    }
    assert given.keys() == {head.name for head in task.heads}
    for place, head in enumerate(task.heads):
        found = task.decode(meaning_of("keypoints", head=place), given[head.name])
        assert np.abs(found[:, :2] - at).max() <= 1.5, head.name
    meaning = meaning_of("keypoints")
    ref, cand = (np.concatenate([each, np.ones((2, 1))], 1) for each in (at, at + np.array([(3, 4), (30, 0)])))
    assert task.reduce([task.compare(meaning, ref, cand)]) == {"pck": 0.5, "pixel_error": 17.5}


def test_depth_embeddings_and_images():
    depth, near = get_task("depth"), np.full((4, 4), 2.0)
    assert depth.reduce([depth.compare(meaning_of("depth"), near, near * 1.1)]) == pytest.approx(
        {"abs_rel": 0.1, "delta1": 1.0}
    )
    assert depth.reduce([depth.compare(meaning_of("depth"), near, near * 1.3)])["delta1"] == 0.0
    embed, rng = get_task("embed"), np.random.default_rng(0)
    vectors = [embed.decode(meaning_of("embed"), {"vector": rng.normal(size=16)}) for _ in range(12)]
    same = embed.reduce(list(zip(vectors, vectors, strict=True)))
    assert same == pytest.approx({"cosine": 1.0, "neighbours": 1.0})
    assert embed.reduce(list(zip(vectors, vectors[::-1], strict=True)))["neighbours"] < 0.9
    image, picture = get_task("image"), rng.random((8, 8, 3))
    assert image.compare(meaning_of("image"), picture, picture + 0.1) == pytest.approx(20.0)


@pytest.mark.parametrize("name", [name for name in list_tasks() if name != "generic"])
def test_every_task_has_what_it_is_judged_by(name):
    task = tasks()[name]
    names = {spec.name for spec in task.figures}
    for limits in (*task.must.values(), *task.should.values()):
        assert limits.keys() <= names
    assert set(task.budgets.values()) <= names
    assert all(each.settings.keys() >= task.heads[0].settings.keys() for each in task.heads) or name != "detect"
    assert all(name.startswith("min_") == (task.figure(figure).sign > 0) for name, figure in task.budgets.items())


def test_the_budgets_of_all_tasks():
    assert [*budgets()] == [
        "min_ap",
        "min_miou",
        "min_pck",
        "max_abs_rel",
        "min_cosine",
        "min_psnr",
        "max_string_errors",
    ]


def agreement_of(name: str, value: float):
    task = get_task(name)
    from edgeport.tasks.agreement import TaskAgreement

    spec = task.figures[0]
    figures = summarize([spec], lambda records: {spec.name: float(np.mean(records))}, [value, value])
    return TaskAgreement(name, task.heads[0].name, figures, 2)


# what the numbers say, the task, its head, the figure -> how the verdict begins
JUDGED = [
    ("ok", "segment", 0, 0.97, "ok"),
    ("warn: SNR in dB 15, should be at least 20 (int8)", "segment", 0, 0.97, "ok"),
    (
        "warn: SNR in dB 15, should be at least 20 (int8)",
        "segment",
        0,
        0.8,
        "warn: mIoU with float 0.800 ± 0.000, should",
    ),
    ("ok", "segment", 0, 0.3, "fail: mIoU with float 0.300 ± 0.000, must be at least 0.500 (int8)"),
    ("fail: SNR in dB 5, must be at least 10 (int8)", "segment", 0, 0.97, "fail: SNR"),
    ("fail: SNR in dB 5, must be at least 10 (int8)", "detect", 0, 0.97, "ok"),  # rows in the order of their scores
    ("fail: SNR in dB 5, must be at least 10 (int8)", "detect", 1, 0.97, "fail: SNR"),
    ("warn: top-1 agreement 0.9", "classify", 0, 0.9, "warn: top-1 agreement 0.9"),
]


@pytest.mark.parametrize("case", range(len(JUDGED)))
def test_verdicts(case):
    numbers, task, head, value, expected = JUDGED[case]
    assert judge_task(numbers, meaning_of(task, head), agreement_of(task, value), "int8").startswith(expected)


def test_without_figures_the_numbers_judge():
    from edgeport.tasks.agreement import TaskAgreement

    nothing = TaskAgreement("detect", "yolo", (), 3, "the float model finds no objects in these inputs")
    assert judge_task("fail: SNR", meaning_of("detect"), nothing, "int8") == "fail: SNR"
    assert judge_task("ok", unknown_meaning(), TaskAgreement("generic", "numbers", (), 3), "int8") == "ok"


def test_the_guide_has_every_task_head_and_budget():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "tasks.md").read_text()
    for task in tasks().values():
        assert all(f"| `{task.name}:{head.name}` |" in guide for head in task.heads)
        assert all(f"`--{name.replace('_', '-')}`" in guide for name in task.budgets)
        assert all(f"`{setting}`" in guide for setting in get_task("detect").heads[0].settings)
    assert set(budgets()) < set(BUDGETS)
