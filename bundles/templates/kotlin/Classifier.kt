// An image in, classes out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** @param label empty where the model came without labels; [score] is as the model gives it: a probability or a logit */
class Recognition(val index: Int, val label: String, val score: Float)

/** Make it, use it and close it on one thread, not the main one. */
class Classifier(context: Context, options: ModelRunner.Options = ModelRunner.Options()) :
    VisionModel(context, options) {
    /** The scores of all classes for an upright image. */
    fun scores(image: Pixels): FloatArray = outputs(image).getValue("scores")

    /**
     * The [count] best classes, best first. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives it: 1 for
     * an upright image.
     */
    fun classify(image: Bitmap, count: Int = 5, orientation: Int = 1): List<Recognition> =
        classify(upright(pixelsOf(image), orientation), count)

    /** The same for an upright image. */
    fun classify(image: Pixels, count: Int = 5): List<Recognition> =
        top(scores(image), count).map { (index, score) -> Recognition(index, label(index), score) }
}
