// An image in, keypoints out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** @param label empty where the model came without labels; [x] and [y] are in pixels of the upright image */
class Keypoint(val index: Int, val label: String, val score: Float, val x: Float, val y: Float)

/** Make it, use it and close it on one thread, not the main one. */
class KeypointDetector(context: Context, options: ModelRunner.Options = ModelRunner.Options()) :
    VisionModel(context, options) {
    /**
     * The keypoints of scores from [scoreThreshold] on. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives
     * it: 1 for an upright image.
     */
    fun detect(
        image: Bitmap, scoreThreshold: Double = ModelFacts.decoding.scoreThreshold, orientation: Int = 1
    ): List<Keypoint> = detect(upright(pixelsOf(image), orientation), scoreThreshold)

    /** The same for an upright image. */
    fun detect(image: Pixels, scoreThreshold: Double = ModelFacts.decoding.scoreThreshold): List<Keypoint> =
        decode(outputs(image), ModelFacts.decoding, ModelFacts.preprocessing, placementIn(image))
            .mapIndexed { index, at -> Keypoint(index, label(index), at.score.toFloat(), at.x.toFloat(), at.y.toFloat()) }
            .filter { it.score >= scoreThreshold }
}
