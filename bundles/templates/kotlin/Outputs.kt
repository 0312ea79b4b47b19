// What a model gives, as far as its answer comes from it. Pure Kotlin, no Android.
package org.example.vision

enum class NumberType { FLOAT32, INT32, INT64 }

/**
 * An output that is read.
 *
 * @param role what it is to the task
 * @param index its place among the model's outputs
 * @param size how many numbers
 * @param tolerance what one of them may be off on other hardware; [gpuTolerance] on a GPU, in float16
 */
class Output(
    val role: String,
    val name: String,
    val index: Int,
    val size: Int,
    val type: NumberType,
    val tolerance: Float,
    val gpuTolerance: Float
)

/** The numbers of each output that is read, by its role. */
typealias Outputs = Map<String, FloatArray>
