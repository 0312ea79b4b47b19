// A detector's outputs -> boxes in the image's pixels, exactly as the model was checked. Pure Kotlin, no Android.
package org.example.vision

enum class Box { XYXY, CXCYWH, XYWH }

/** SEPARATE: the class is an output of its own. */
enum class Values { CLASSES, OBJECTNESS, SCORE_CLASS, SEPARATE }

enum class Activation { NONE, SIGMOID, SOFTMAX }

enum class Background { NONE, FIRST, LAST }

/**
 * What decoding depends on; bundle.json says the same.
 *
 * @param joined boxes and scores are one output
 * @param share boxes are shares of the input's size, not its pixels
 * @param columns (values, boxes), not (boxes, values)
 * @param suppresses non-maximum suppression is still to be done
 * @param width values of a box in the output of boxes and scores, or scores of a box in that of scores
 * @param ignored of them, those behind the classes
 */
class Decoding(
    val box: Box,
    val values: Values,
    val activation: Activation,
    val background: Background,
    val joined: Boolean,
    val share: Boolean,
    val columns: Boolean,
    val suppresses: Boolean,
    val width: Int,
    val ignored: Int,
    val lowestScore: Double,
    val scoreThreshold: Double,
    val iouThreshold: Double
)

/** An object: its sides in pixels, its class and its score. */
class DetectedBox(
    val left: Double, val top: Double, val right: Double, val bottom: Double, val score: Double, val index: Int
) {
    val hasArea: Boolean get() = right > left && bottom > top
}

private const val MOST_CANDIDATES = 1000 // of an image, into non-maximum suppression
private const val MOST_BOXES = 300 // and out of it

/** In pixels of the model's input, the highest score first. */
fun decode(outputs: Outputs, how: Decoding, input: Preprocessing): List<DetectedBox> {
    val boxes = outputs.getValue(if (how.joined) "detections" else "boxes")
    val stride = if (how.joined) how.width else 4
    val count = boxes.size / stride
    val scores = if (how.joined) null else outputs.getValue("scores")
    val classes = if (how.values == Values.SEPARATE) outputs.getValue("classes") else null
    val lowest = how.lowestScore.toFloat()
    fun value(row: Int, at: Int) = boxes[if (how.columns) at * count + row else row * stride + at]
    val found = ArrayList<DetectedBox>()
    for (row in 0 until count) {
        val (score, index) = when {
            classes != null -> Pair(scores!![row], classes[row].toInt())
            scores != null -> bestOf(scores.copyOfRange(row * how.width, (row + 1) * how.width), how)
            else -> bestOf(FloatArray(stride - 4 - how.ignored) { value(row, 4 + it) }, how)
        }
        if (!(score >= lowest)) continue
        val side = toCorners(DoubleArray(4) { value(row, it).toDouble() }, how.box)
        if (how.share) for (i in 0 until 4) side[i] *= (if (i % 2 == 0) input.width else input.height).toDouble()
        val box = DetectedBox(side[0], side[1], side[2], side[3], score.toDouble(), index)
        if (box.hasArea) found.add(box) // one without an area overlaps nothing, not even itself
    }
    found.sortByDescending { it.score }
    return if (how.suppresses) suppressed(found.take(MOST_CANDIDATES), how.iouThreshold).take(MOST_BOXES)
    else found.take(MOST_BOXES)
}

/** In pixels of the image, within its borders, of scores from [least] on; what is outside of it as a whole is left out. */
fun decode(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement, least: Double): List<DetectedBox> =
    decode(outputs, how, input).filter { it.score >= least }.map {
        DetectedBox(
            within(at.x(it.left), at.imageWidth), within(at.y(it.top), at.imageHeight),
            within(at.x(it.right), at.imageWidth), within(at.y(it.bottom), at.imageHeight), it.score, it.index
        )
    }.filter { it.hasArea }

/** The answer as golden files have it, in one row. */
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray =
    decode(outputs, how, input, at, how.scoreThreshold)
        .flatMap { listOf(it.left, it.top, it.right, it.bottom, it.score, it.index.toDouble()) }.toDoubleArray()

private fun within(place: Double, most: Int): Double = minOf(maxOf(place, 0.0), most.toDouble())

/** (score, class) of one box, of its values behind the sides. */
private fun bestOf(values: FloatArray, how: Decoding): Pair<Float, Int> {
    if (how.values == Values.SCORE_CLASS) return Pair(values[0], values[1].toInt())
    activate(values, how.activation)
    var first = 0
    var last = values.size
    if (how.values == Values.OBJECTNESS) {
        for (i in 1 until last) values[i] *= values[0]
        first = 1
    }
    if (how.background == Background.FIRST) first += 1
    if (how.background == Background.LAST) last -= 1
    var best = first
    for (i in first until last) if (values[i] > values[best]) best = i
    return Pair(values[best], best - first)
}

private fun activate(values: FloatArray, activation: Activation) {
    if (activation == Activation.SIGMOID) {
        for (i in values.indices) {
            val power = Math.exp(-minOf(maxOf(values[i], -80f), 80f).toDouble()).toFloat()
            values[i] = 1f / (1f + power)
        }
    } else if (activation == Activation.SOFTMAX) {
        var most = values[0]
        for (value in values) most = maxOf(most, value)
        var total = 0f
        for (i in values.indices) {
            values[i] = Math.exp((values[i] - most).toDouble()).toFloat()
            total += values[i]
        }
        for (i in values.indices) values[i] /= total
    }
}

private fun toCorners(side: DoubleArray, form: Box): DoubleArray {
    if (form == Box.XYXY) return side
    for (i in 0 until 2) {
        if (form == Box.CXCYWH) side[i] -= side[i + 2] / 2
        side[i + 2] += side[i]
    }
    return side
}

private fun suppressed(boxes: List<DetectedBox>, threshold: Double): List<DetectedBox> {
    val kept = ArrayList<DetectedBox>()
    for (each in boxes) {
        if (kept.none { it.index == each.index && overlap(it, each) > threshold }) kept.add(each)
    }
    return kept
}

private fun overlap(a: DetectedBox, b: DetectedBox): Double {
    val width = minOf(a.right, b.right) - maxOf(a.left, b.left)
    val height = minOf(a.bottom, b.bottom) - maxOf(a.top, b.top)
    val shared = maxOf(width, 0.0) * maxOf(height, 0.0)
    val areas = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top)
    return shared / (areas - shared)
}
