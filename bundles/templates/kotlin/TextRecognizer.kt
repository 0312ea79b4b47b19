// An image of a line of text in, the string out: what an app calls.
package org.example.vision

import android.content.Context
import android.graphics.Bitmap

/** Make it, use it and close it on one thread, not the main one. [labels] are the characters. */
class TextRecognizer(context: Context, options: ModelRunner.Options = ModelRunner.Options()) :
    VisionModel(context, options) {
    /** What is written. [orientation] is EXIF's, as ExifInterface.TAG_ORIENTATION gives it: 1 for an upright image. */
    fun read(image: Bitmap, orientation: Int = 1): String = read(upright(pixelsOf(image), orientation))

    /** The same for an upright image. */
    fun read(image: Pixels): String =
        decode(outputs(image).getValue("scores"), ModelFacts.decoding).joinToString("") { label(it) }
}
