// An image in, boxes out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** @param label empty where the model came without labels; the sides are in pixels of the upright image */
class Detection(
    val index: Int,
    val label: String,
    val score: Float,
    val left: Float,
    val top: Float,
    val right: Float,
    val bottom: Float
)

/** Make it, use it and close it on one thread, not the main one. */
class Detector(context: Context, options: ModelRunner.Options = ModelRunner.Options()) : VisionModel(context, options) {
    /**
     * The objects, the highest score first, of scores from [scoreThreshold] on. [orientation] is EXIF's, as
     * ExifInterface.TAG_ORIENTATION gives it: 1 for an upright image.
     */
    fun detect(
        image: Bitmap, scoreThreshold: Double = ModelFacts.decoding.scoreThreshold, orientation: Int = 1
    ): List<Detection> = detect(upright(pixelsOf(image), orientation), scoreThreshold)

    /** The same for an upright image. */
    fun detect(image: Pixels, scoreThreshold: Double = ModelFacts.decoding.scoreThreshold): List<Detection> =
        decode(outputs(image), ModelFacts.decoding, ModelFacts.preprocessing, placementIn(image), scoreThreshold).map {
            Detection(
                it.index, label(it.index), it.score.toFloat(),
                it.left.toFloat(), it.top.toFloat(), it.right.toFloat(), it.bottom.toFloat()
            )
        }
}
