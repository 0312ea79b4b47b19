// The best of a classifier's scores. Pure Kotlin, no Android.
package org.example.vision

class Decoding(val classes: Int)

/** (class, score) of the highest, best first; of equal ones the lower class. */
fun top(scores: FloatArray, count: Int): List<Pair<Int, Float>> =
    scores.indices.sortedByDescending { scores[it] }.take(count).map { Pair(it, scores[it]) }

/** The answer as golden files have it, in one row. */
@Suppress("UNUSED_PARAMETER")
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray =
    top(outputs.getValue("scores"), 5).flatMap { listOf(it.first.toDouble(), it.second.toDouble()) }.toDoubleArray()
