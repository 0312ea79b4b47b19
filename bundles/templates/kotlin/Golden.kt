// The golden files of the bundle, as the tests read them.
package org.example.vision

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** One golden image: [read] gives the bytes of a file of golden/ by its name. */
class Golden(private val name: String, private val read: (String) -> ByteArray) {
    /** The image, a binary PPM of 8 bits. */
    fun image(): Pixels {
        val file = read("$name.ppm")
        val header = Regex("P6\\s+(\\d+)\\s+(\\d+)\\s+255\\s").find(String(file, 0, 64, Charsets.ISO_8859_1))
        requireNotNull(header) { "$name.ppm is no binary PPM of 8 bits" }
        val (width, height) = header.destructured
        val start = header.range.last + 1
        return Pixels(width.toInt(), height.toInt(), 3, file.copyOfRange(start, file.size))
    }

    /**
     * What is wrong with the pixels and the input that the wrapper makes of the image, which must be equal to the byte,
     * and with the answer that it makes of the golden outputs; or nothing.
     */
    fun problems(): List<String> {
        val how = ModelFacts.preprocessing
        val image = image()
        val pixels = how.pixels(image)
        val input = how.tensor(pixels)
        val bytes = ByteArray(input.capacity()).also { input.get(it) }
        val made = mapOf("$name.pixels" to pixels.bytes, "$name.input" to bytes)
        val found = made.filter { (file, content) -> !content.contentEquals(read(file)) }.map { "${it.key} differs" }
        val answer = numbers(outputs(), ModelFacts.decoding, how, how.placement(image.width, image.height))
        return if (agree(answer, floats("$name.answer"))) found else found + "$name.answer differs"
    }

    /** What the model gave when the bundle was made. */
    fun outputs(): Outputs {
        val stored = floats("$name.output")
        var from = 0
        return ModelFacts.outputs.associate { output ->
            from += output.size
            output.role to stored.copyOfRange(from - output.size, from)
        }
    }

    private fun agree(got: DoubleArray, wanted: FloatArray): Boolean {
        val tolerances = ModelFacts.answerTolerances
        return got.size == wanted.size &&
            got.indices.all { Math.abs(got[it] - wanted[it]) <= tolerances[it % tolerances.size] }
    }

    private fun floats(file: String): FloatArray {
        val numbers = ByteBuffer.wrap(read(file)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(numbers.capacity()).also { numbers.get(it) }
    }
}

/** Runs on any JVM: the folder golden/ as the argument. */
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val problems = ModelFacts.golden.flatMap { Golden(it) { name -> File(folder, name).readBytes() }.problems() }
    problems.forEach { println(it) }
    println("${ModelFacts.golden.size} golden images, ${problems.size} problems")
    System.exit(if (problems.isEmpty()) 0 else 1)
}
