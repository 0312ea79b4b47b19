// A model's outputs -> keypoints in the image's pixels, exactly as the model was checked. Pure Kotlin, no Android.
package org.example.vision

enum class Form { HEATMAPS, BINS, BOXES, POINTS }

/**
 * What decoding depends on; bundle.json says the same.
 *
 * @param count of keypoints
 * @param rows of a heatmap, bins of y, values of a box, or the list of points
 * @param columns of a heatmap, bins of x, boxes, or values of a point
 * @param share coordinates are shares of the input's size, not its pixels
 */
class Decoding(
    val form: Form, val count: Int, val rows: Int, val columns: Int, val share: Boolean, val scoreThreshold: Double
)

class Point(val x: Double, val y: Double, val score: Double)

/** All keypoints, in pixels of the upright image. */
fun decode(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): List<Point> =
    (0 until how.count).let { keypoints ->
        when (how.form) {
            Form.HEATMAPS -> keypoints.map { ofHeatmap(outputs.getValue("heatmaps"), it, how, input) }
            Form.BINS -> keypoints.map { ofBins(outputs.getValue("x"), outputs.getValue("y"), it, how, input) }
            Form.BOXES -> ofBestBox(outputs.getValue("detections"), how)
            Form.POINTS -> keypoints.map { ofPoint(outputs.getValue("points"), it * how.columns, how, input) }
        }
    }.map { Point(at.x(it.x), at.y(it.y), it.score) }

/** The answer as golden files have it, in one row. */
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray =
    decode(outputs, how, input, at).flatMap { listOf(it.x, it.y, it.score) }.toDoubleArray()

/** The place of the highest of [count] values from [start] on, counted from there. */
private fun bestOf(values: FloatArray, start: Int, count: Int): Int {
    var best = 0
    for (i in 1 until count) if (values[start + i] > values[start + best]) best = i
    return best
}

/** The middle of the highest cell, a quarter of one towards its higher neighbour. */
private fun ofHeatmap(maps: FloatArray, index: Int, how: Decoding, input: Preprocessing): Point {
    val start = index * how.rows * how.columns
    val best = bestOf(maps, start, how.rows * how.columns)
    val x = best % how.columns
    val y = best / how.columns
    fun at(row: Int, column: Int) =
        maps[start + minOf(maxOf(row, 0), how.rows - 1) * how.columns + minOf(maxOf(column, 0), how.columns - 1)]
    val right = Math.signum(at(y, x + 1) - at(y, x - 1))
    val below = Math.signum(at(y + 1, x) - at(y - 1, x))
    return Point(
        (x + 0.5 + right / 4) * input.width / how.columns, (y + 0.5 + below / 4) * input.height / how.rows,
        maps[start + best].toDouble()
    )
}

/** The highest bin along x, and along y. */
private fun ofBins(x: FloatArray, y: FloatArray, index: Int, how: Decoding, input: Preprocessing): Point {
    val column = bestOf(x, index * how.columns, how.columns)
    val row = bestOf(y, index * how.rows, how.rows)
    return Point(
        column.toDouble() * input.width / how.columns, row.toDouble() * input.height / how.rows,
        minOf(x[index * how.columns + column], y[index * how.rows + row]).toDouble()
    )
}

/** Those of the box with the highest score. */
private fun ofBestBox(values: FloatArray, how: Decoding): List<Point> {
    val best = bestOf(values, 4 * how.columns, how.columns)
    fun at(row: Int) = values[row * how.columns + best].toDouble()
    return (0 until how.count).map { Point(at(5 + 3 * it), at(6 + 3 * it), at(7 + 3 * it)) }
}

/** The coordinates as they are; of score 1 where no scores are given. */
private fun ofPoint(values: FloatArray, start: Int, how: Decoding, input: Preprocessing): Point {
    val width = if (how.share) input.width else 1
    val height = if (how.share) input.height else 1
    val score = if (how.columns == 3) values[start + 2].toDouble() else 1.0
    return Point(values[start].toDouble() * width, values[start + 1].toDouble() * height, score)
}
