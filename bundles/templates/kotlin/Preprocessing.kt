// Resize, crop and normalise an image exactly as the model was checked with. Pure Kotlin, no Android.
// The resampling is Pillow's, to the bit: two passes, each in 22-bit fixed point with 8-bit results.
package org.example.vision

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Rows of pixels, channels side by side: bytes[(y * width + x) * channels + c]. */
class Pixels(val width: Int, val height: Int, val channels: Int, val bytes: ByteArray) {
    constructor(width: Int, height: Int, channels: Int) :
        this(width, height, channels, ByteArray(width * height * channels))

    init {
        require(width > 0 && height > 0 && bytes.size == width * height * channels) {
            "an image is width * height * channels bytes"
        }
    }
}

enum class Filter(val support: Double) { NEAREST(0.0), BILINEAR(1.0), BICUBIC(2.0), LANCZOS(3.0) }

enum class Resize { CROP, STRETCH, LETTERBOX }

/**
 * How an image becomes the input.
 *
 * @param channels 3 for colours, 1 for luminance
 * @param height of the input, like [width]
 * @param coverHeight what the resized image just covers, has, or fits into, like [coverWidth], as [resize] says
 * @param padValue of a letterbox
 * @param bgr the model takes blue, green, red; images and pixels are RGB
 * @param divisor what pixels are divided by before the mean is subtracted
 * @param mean per channel, in the model's order, like [std]
 * @param normalises false where the model takes pixels, uint8, and normalises them itself
 * @param nhwc layout of the input, else nchw
 */
class Preprocessing(
    val channels: Int,
    val height: Int,
    val width: Int,
    val coverHeight: Int,
    val coverWidth: Int,
    val resize: Resize,
    val padValue: Int,
    val filter: Filter,
    val bgr: Boolean,
    val divisor: Float,
    val mean: FloatArray,
    val std: FloatArray,
    val normalises: Boolean,
    val nhwc: Boolean
) {
    /** RGB, upright -> what the model sees, still 8 bits and RGB: resized, and cropped or padded. */
    fun pixels(image: Pixels): Pixels {
        require(image.channels == 3) { "an image has 3 channels, RGB" }
        val source = if (channels == 1) luminance(image) else image
        val at = placement(source.width, source.height)
        val small = resized(source, at.width, at.height, filter)
        val fill = if (resize == Resize.LETTERBOX) padValue else 0
        return window(small, at.left, at.top, width, height, fill)
    }

    /**
     * Where the input lies in an image of that size. Of an odd difference a letterbox has the smaller half above and on
     * the left; a crop halves it to the even number.
     */
    fun placement(imageWidth: Int, imageHeight: Int): Placement {
        val w = imageWidth.toLong()
        val h = imageHeight.toLong()
        var toWidth = coverWidth.toLong()
        var toHeight = coverHeight.toLong()
        if (resize == Resize.LETTERBOX) {
            if (toWidth * h <= toHeight * w) { // the width is what limits
                toHeight = maxOf(rounded(toWidth * h, w), 1L)
            } else {
                toWidth = maxOf(rounded(toHeight * w, h), 1L)
            }
        } else if (resize == Resize.CROP) {
            if (toWidth * h >= toHeight * w) {
                toHeight = toWidth * h / w
            } else {
                toWidth = toHeight * w / h
            }
        }
        val pads = resize == Resize.LETTERBOX
        val left = if (pads) -((width - toWidth.toInt()) / 2) else half(toWidth.toInt() - width)
        val top = if (pads) -((height - toHeight.toInt()) / 2) else half(toHeight.toInt() - height)
        return Placement(imageWidth, imageHeight, toWidth.toInt(), toHeight.toInt(), left, top)
    }

    /** What the model takes: uint8 or float32, in its layout. */
    fun tensor(pixels: Pixels): ByteBuffer {
        val area = pixels.width * pixels.height
        val size = if (normalises) 4 else 1
        val result = ByteBuffer.allocateDirect(area * pixels.channels * size).order(ByteOrder.nativeOrder())
        for (i in 0 until area) {
            for (c in 0 until pixels.channels) {
                val pixel = pixels.bytes[i * pixels.channels + c]
                val channel = if (bgr) pixels.channels - 1 - c else c
                val place = if (nhwc) i * pixels.channels + channel else channel * area + i
                if (normalises) {
                    val value = ((pixel.toInt() and 255) / divisor - mean[channel]) / std[channel]
                    result.putFloat(place * size, value)
                } else {
                    result.put(place, pixel)
                }
            }
        }
        return result
    }
}

/**
 * Where the input lies in an image.
 *
 * @param width that the image is resized to, like [height]
 * @param left where the input begins in the resized image, like [top]; negative where there is a border
 */
class Placement(
    val imageWidth: Int, val imageHeight: Int, val width: Int, val height: Int, val left: Int, val top: Int
) {
    /** From pixels of the input to those of the image. */
    fun x(at: Double): Double = (at + left) * (imageWidth.toDouble() / width)

    fun y(at: Double): Double = (at + top) * (imageHeight.toDouble() / height)
}

/** Turned and mirrored as EXIF's [orientation] says: 2 to 8; any other means that the image is upright. */
fun upright(image: Pixels, orientation: Int): Pixels {
    if (orientation !in 2..8) return image
    val turned = orientation >= 5
    val result = if (turned) Pixels(image.height, image.width, image.channels) else
        Pixels(image.width, image.height, image.channels)
    for (y in 0 until result.height) {
        for (x in 0 until result.width) {
            var column = if (turned) y else x
            var row = if (turned) x else y
            if (orientation in intArrayOf(2, 3, 7, 8)) column = image.width - 1 - column
            if (orientation in intArrayOf(3, 4, 6, 7)) row = image.height - 1 - row
            System.arraycopy(
                image.bytes, (row * image.width + column) * image.channels,
                result.bytes, (y * result.width + x) * image.channels, image.channels
            )
        }
    }
    return result
}

/** Rec. 601 in 16-bit fixed point. */
fun luminance(image: Pixels): Pixels {
    val grey = Pixels(image.width, image.height, 1)
    for (i in grey.bytes.indices) {
        val red = image.bytes[3 * i].toInt() and 255
        val green = image.bytes[3 * i + 1].toInt() and 255
        val blue = image.bytes[3 * i + 2].toInt() and 255
        grey.bytes[i] = ((19595 * red + 38470 * green + 7471 * blue + 32768) shr 16).toByte()
    }
    return grey
}

fun resized(image: Pixels, width: Int, height: Int, filter: Filter): Pixels {
    val c = image.channels
    if (filter == Filter.NEAREST) {
        val columns = nearest(image.width, width)
        val rows = nearest(image.height, height)
        val result = Pixels(width, height, c)
        for (y in 0 until height) {
            for (x in 0 until width) {
                System.arraycopy(
                    image.bytes, (rows[y] * image.width + columns[x]) * c, result.bytes, (y * width + x) * c, c
                )
            }
        }
        return result
    }
    var wide = image
    if (width != image.width) {
        wide = Pixels(width, image.height, c)
        val rows = coefficients(image.width, width, filter)
        resample(image.bytes, image.height, image.width * c, c, wide.bytes, width * c, c, c, rows)
    }
    if (height == image.height) return wide
    val result = Pixels(width, height, c)
    val rows = coefficients(image.height, height, filter)
    resample(wide.bytes, width, c, width * c, result.bytes, c, width * c, c, rows)
    return result
}

/** The part of the image that begins there, filled where there is no image. */
fun window(image: Pixels, left: Int, top: Int, width: Int, height: Int, fill: Int): Pixels {
    val c = image.channels
    val result = Pixels(width, height, c, ByteArray(width * height * c) { fill.toByte() })
    val from = maxOf(left, 0)
    val to = minOf(left + width, image.width)
    if (from >= to) return result
    for (y in maxOf(top, 0) until minOf(top + height, image.height)) {
        System.arraycopy(
            image.bytes, (y * image.width + from) * c,
            result.bytes, ((y - top) * width + from - left) * c, (to - from) * c
        )
    }
    return result
}

private const val BITS = 22 // of a coefficient's fraction

/** To the nearest whole number, from the middle to the even one. */
private fun half(difference: Int): Int = Math.rint(difference / 2.0).toInt()

/** The quotient, a half to the even number. */
private fun rounded(dividend: Long, divisor: Long): Long {
    val whole = dividend / divisor
    val left = dividend % divisor
    return if (2 * left > divisor || (2 * left == divisor && whole % 2 == 1L)) whole + 1 else whole
}

private class Row(val first: Int, val weights: IntArray) // in units of 2^-BITS

private fun coefficients(size: Int, to: Int, filter: Filter): List<Row> {
    val scale = size.toDouble() / to
    val stretch = maxOf(scale, 1.0) // downwards the filter widens: antialiasing
    val reach = filter.support * stretch
    val shrink = 1.0 / stretch
    return (0 until to).map { i ->
        val centre = (i + 0.5) * scale
        val first = maxOf((centre - reach + 0.5).toInt(), 0)
        val last = minOf((centre + reach + 0.5).toInt(), size)
        val weights = DoubleArray(last - first) { x -> weight(filter, (x + first - centre + 0.5) * shrink) }
        var total = 0.0
        for (number in weights) total += number
        Row(first, IntArray(weights.size) { x ->
            val number = if (total != 0.0) weights[x] / total else weights[x]
            (number * (1 shl BITS) + (if (number < 0) -0.5 else 0.5)).toInt()
        })
    }
}

private fun weight(filter: Filter, at: Double): Double {
    val x = Math.abs(at)
    return when (filter) {
        Filter.BILINEAR -> maxOf(1.0 - x, 0.0)
        Filter.BICUBIC -> { // Keys' kernel with a = -0.5
            val a = -0.5
            if (x < 1) ((a + 2) * x - (a + 3)) * x * x + 1 else if (x < 2) (((x - 5) * x + 8) * x - 4) * a else 0.0
        }
        else -> if (at >= -3 && at < 3) sinc(at) * sinc(at / 3) else 0.0
    }
}

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else Math.sin(x * Math.PI) / (x * Math.PI)

/** [lines] sequences of pixels: pixel i of line l begins at l * line + i * step. */
private fun resample(
    from: ByteArray, lines: Int, line: Int, step: Int,
    to: ByteArray, toLine: Int, toStep: Int, channels: Int, rows: List<Row>
) {
    for (l in 0 until lines) {
        for ((i, row) in rows.withIndex()) {
            for (c in 0 until channels) {
                var total = 1 shl (BITS - 1)
                var at = l * line + row.first * step + c
                for (weight in row.weights) {
                    total += weight * (from[at].toInt() and 255)
                    at += step
                }
                to[l * toLine + i * toStep + c] = minOf(maxOf(total shr BITS, 0), 255).toByte()
            }
        }
    }
}

/** The pixel that each of [to] results takes; positions add up in float64, as Pillow does it. */
private fun nearest(size: Int, to: Int): IntArray {
    val step = size.toDouble() / to
    var position = step * 0.5
    return IntArray(to) {
        val found = minOf(position.toInt(), size - 1)
        position += step
        found
    }
}
