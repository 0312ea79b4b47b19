// An image in, a vector out, which [cosine] compares with those of other images: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** Make it, use it and close it on one thread, not the main one. */
class Embedder(context: Context, options: ModelRunner.Options = ModelRunner.Options()) : VisionModel(context, options) {
    /** Of length 1. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives it: 1 for an upright image. */
    fun embed(image: Bitmap, orientation: Int = 1): FloatArray = embed(upright(pixelsOf(image), orientation))

    /** The same for an upright image. */
    fun embed(image: Pixels): FloatArray = normalised(outputs(image).getValue("vector"))
}
