// The model of this bundle, with what is known of it: what the wrapper of every task begins with.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.io.FileNotFoundException

/**
 * The model and its labels, from the app's assets. Make it, use it and close it on one thread, not the main one.
 *
 * @property runner what runs the model
 * @property labels the names of classes or characters; empty where the model came without
 */
open class VisionModel(context: Context, options: ModelRunner.Options = ModelRunner.Options()) : Closeable {
    val runner = ModelRunner(context, options)
    val labels: List<String> = try {
        context.assets.open("labels.txt").bufferedReader().use { it.readText() }.removeSuffix("\n").split("\n")
    } catch (e: FileNotFoundException) {
        emptyList()
    }

    /** What the model gives for an upright image. */
    fun outputs(image: Pixels): Outputs {
        val how = ModelFacts.preprocessing
        return runner.run(how.tensor(how.pixels(image)))
    }

    /** The name of a class, empty where it has none. */
    fun label(index: Int): String = labels.getOrElse(index) { "" }

    override fun close() = runner.close()
}

/** Where the input lies in the image. */
fun placementIn(image: Pixels): Placement = ModelFacts.preprocessing.placement(image.width, image.height)

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
