// An image in, classes out: what an app calls. The model runs in LiteRT on the CPU.
package org.example.vision

import android.content.res.AssetManager
import android.graphics.Bitmap
import java.io.Closeable
import java.io.FileInputStream
import java.io.FileNotFoundException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter

/** @param label empty where the model came without labels; [score] is as the model gives it: a probability or a logit */
class Recognition(val index: Int, val label: String, val score: Float)

/** The model and its labels, from the app's assets. Not thread-safe; close it when done. */
class Classifier(assets: AssetManager, threads: Int = 4) : Closeable {
    private val interpreter = assets.openFd(ModelFacts.ARTIFACT).use { file ->
        FileInputStream(file.fileDescriptor).channel.use { channel ->
            val model = channel.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            Interpreter(model, Interpreter.Options().setNumThreads(threads))
        }
    }
    private val labels = try {
        assets.open("labels.txt").bufferedReader().use { it.readText() }.removeSuffix("\n").split("\n")
    } catch (e: FileNotFoundException) {
        emptyList<String>()
    }

    /** The scores of all classes for an upright image. */
    fun scores(image: Pixels): FloatArray {
        val how = ModelFacts.preprocessing
        val input = how.tensor(how.pixels(image))
        val outputs = HashMap<Int, Any>()
        for (i in 0 until interpreter.outputTensorCount) {
            val size = interpreter.getOutputTensor(i).numBytes()
            outputs[i] = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
        }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(input), outputs)
        val index = ModelFacts.SCORES
        check(interpreter.getOutputTensor(index).dataType() == DataType.FLOAT32) { "the scores are not float32" }
        val numbers = outputs[index] as ByteBuffer
        numbers.rewind()
        return FloatArray(numbers.capacity() / 4).also { numbers.asFloatBuffer().get(it) }
    }

    /**
     * The [count] best classes, best first. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives it: 1 for
     * an upright image.
     */
    fun classify(image: Bitmap, count: Int = 5, orientation: Int = 1): List<Recognition> =
        top(scores(upright(pixelsOf(image), orientation)), count).map { (index, score) ->
            Recognition(index, labels.getOrElse(index) { "" }, score)
        }

    override fun close() = interpreter.close()
}

/** A bitmap without its alpha. Those in graphics memory, which ImageDecoder makes, can only be read as a copy. */
fun pixelsOf(image: Bitmap): Pixels {
    val plain = image.config == Bitmap.Config.ARGB_8888
    val readable = if (plain) image else image.copy(Bitmap.Config.ARGB_8888, false)
    checkNotNull(readable) { "the bitmap cannot be copied" }
    val colours = IntArray(image.width * image.height)
    readable.getPixels(colours, 0, image.width, 0, 0, image.width, image.height)
    val pixels = Pixels(image.width, image.height, 3)
    for ((i, colour) in colours.withIndex()) {
        pixels.bytes[3 * i] = (colour shr 16).toByte()
        pixels.bytes[3 * i + 1] = (colour shr 8).toByte()
        pixels.bytes[3 * i + 2] = colour.toByte()
    }
    return pixels
}
