// An image in, the class of each of its pixels out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** Make it, use it and close it on one thread, not the main one. */
class Segmenter(context: Context, options: ModelRunner.Options = ModelRunner.Options()) : VisionModel(context, options) {
    /**
     * The class of each pixel of the upright image, [UNSEEN] where the model does not look. [orientation] is EXIF's, as
     * ExifInterface.TAG_ORIENTATION gives it: 1 for an upright image.
     */
    fun segment(image: Bitmap, orientation: Int = 1): ClassMap = segment(upright(pixelsOf(image), orientation))

    /** The same for an upright image. */
    fun segment(image: Pixels): ClassMap =
        toImage(decode(outputs(image), ModelFacts.decoding), placementIn(image), ModelFacts.preprocessing)
}
