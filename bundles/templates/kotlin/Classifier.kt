// An image in, classes out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.io.FileNotFoundException

/** @param label empty where the model came without labels; [score] is as the model gives it: a probability or a logit */
class Recognition(val index: Int, val label: String, val score: Float)

/**
 * The model and its labels, from the app's assets. Make it, use it and close it on one thread, not the main one.
 *
 * @property runner what runs the model
 */
class Classifier(context: Context, options: ModelRunner.Options = ModelRunner.Options()) : Closeable {
    val runner = ModelRunner(context, options)
    private val labels = try {
        context.assets.open("labels.txt").bufferedReader().use { it.readText() }.removeSuffix("\n").split("\n")
    } catch (e: FileNotFoundException) {
        emptyList<String>()
    }

    /** The scores of all classes for an upright image. */
    fun scores(image: Pixels): FloatArray {
        val how = ModelFacts.preprocessing
        return runner.run(how.tensor(how.pixels(image)))
    }

    /**
     * The [count] best classes, best first. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives it: 1 for
     * an upright image.
     */
    fun classify(image: Bitmap, count: Int = 5, orientation: Int = 1): List<Recognition> =
        top(scores(upright(pixelsOf(image), orientation)), count).map { (index, score) ->
            Recognition(index, labels.getOrElse(index) { "" }, score)
        }

    override fun close() = runner.close()
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
