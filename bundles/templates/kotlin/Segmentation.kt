// A segmenter's outputs -> the class of each pixel of the image, exactly as the model was checked. Pure Kotlin, no
// Android.
package org.example.vision

/** A score for each class, the score of one class, or classes. */
enum class Form { SCORES, THRESHOLD, IDS }

/**
 * What decoding depends on; bundle.json says the same.
 *
 * @param classes scores of a cell
 * @param height of the map that the model gives, like [width]
 */
class Decoding(val form: Form, val classes: Int, val height: Int, val width: Int, val threshold: Double)

/** The class of a pixel that the model did not see: the crop left it out. */
const val UNSEEN = -1

/** The class at (x, y) is [classes]`[y * width + x]`. */
class ClassMap(val width: Int, val height: Int, val classes: IntArray)

/** Of the map that the model gives. */
fun decode(outputs: Outputs, how: Decoding): ClassMap {
    val given = outputs.getValue(if (how.form == Form.IDS) "ids" else "scores")
    val threshold = how.threshold.toFloat()
    val area = how.width * how.height
    val classes = IntArray(area) { i ->
        when (how.form) {
            Form.IDS -> given[i].toInt()
            Form.THRESHOLD -> if (given[i] > threshold) 1 else 0
            Form.SCORES -> {
                var best = 0
                for (c in 1 until how.classes) if (given[c * area + i] > given[best * area + i]) best = c
                best
            }
        }
    }
    return ClassMap(how.width, how.height, classes)
}

/** Of the image: for each pixel the class of the cell that its middle lies in. */
fun toImage(map: ClassMap, at: Placement, input: Preprocessing): ClassMap {
    val rows = cells(at.imageHeight, at.height, at.top, input.height, map.height)
    val columns = cells(at.imageWidth, at.width, at.left, input.width, map.width)
    val classes = IntArray(at.imageWidth * at.imageHeight)
    var i = 0
    for (row in rows) {
        for (column in columns) {
            classes[i++] = if (row < 0 || column < 0) UNSEEN else map.classes[row * map.width + column]
        }
    }
    return ClassMap(at.imageWidth, at.imageHeight, classes)
}

/** The answer as golden files have it, in one row. */
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray {
    val map = toImage(decode(outputs, how), at, input)
    return DoubleArray(map.classes.size) { map.classes[it].toDouble() }
}

/** For each pixel of the image along an axis the cell, of [count] along the input's [side]; UNSEEN outside of them. */
private fun cells(size: Int, resized: Int, start: Int, side: Int, count: Int): IntArray = IntArray(size) {
    val middle = (2L * it + 1) * resized - 2L * start * size // in units of 1 / (2 size) of the input's pixels
    val cell = if (middle < 0) UNSEEN.toLong() else middle * count / (2L * size * side)
    if (cell < count) cell.toInt() else UNSEEN
}
