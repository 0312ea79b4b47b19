// The vectors of images, brought to length 1, and how alike two are. Pure Kotlin, no Android.
package org.example.vision

/** @param size of the vector */
class Decoding(val size: Int)

/** Of length 1; zeros as they are. */
fun normalised(vector: FloatArray): FloatArray {
    val length = lengthOf(vector)
    return FloatArray(vector.size) { (vector[it] / length).toFloat() }
}

/** 1 for the same direction, 0 for nothing in common; of vectors of any length. */
fun cosine(one: FloatArray, other: FloatArray): Double {
    require(one.size == other.size) { "two vectors have as many numbers" }
    return product(one, other) / (lengthOf(one) * lengthOf(other))
}

/** The answer as golden files have it, in one row. */
@Suppress("UNUSED_PARAMETER")
fun numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): DoubleArray {
    val vector = normalised(outputs.getValue("vector"))
    return DoubleArray(vector.size) { vector[it].toDouble() }
}

private fun product(one: FloatArray, other: FloatArray): Double {
    var total = 0.0
    for (i in one.indices) total += one[i].toDouble() * other[i]
    return total
}

private fun lengthOf(vector: FloatArray): Double {
    val length = Math.sqrt(product(vector, vector))
    return if (length > 0) length else 1.0
}
