// The scores of characters along an image -> the classes of its characters, by CTC's best path, exactly as the model was
// checked. Pure Kotlin, no Android.
package org.example.vision

/** @param blank the class that is no character */
class Decoding(val steps: Int, val classes: Int, val blank: Int)

/** The best class of each step, repeats once, blanks out. */
fun decode(scores: FloatArray, how: Decoding): List<Int> {
    val found = ArrayList<Int>()
    var before = how.blank
    for (step in 0 until how.steps) {
        val start = step * how.classes
        var best = 0
        for (i in 1 until how.classes) if (scores[start + i] > scores[start + best]) best = i
        if (best != before && best != how.blank) found.add(best)
        before = best
    }
    return found
}

/** The answer as golden files have it, in one row. */
@Suppress("UNUSED_PARAMETER")
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray =
    decode(outputs.getValue("scores"), how).map { it.toDouble() }.toDoubleArray()
