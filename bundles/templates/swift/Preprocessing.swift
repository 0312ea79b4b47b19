// Resize, crop and normalise an image exactly as the model was checked with. Foundation alone.
// The resampling is Pillow's, to the bit: two passes, each in 22-bit fixed point with 8-bit results.
import Foundation

/// Rows of pixels, channels side by side: bytes[(y * width + x) * channels + c].
public struct Pixels: Equatable {
    public let width, height, channels: Int
    public var bytes: [UInt8]

    public init(width: Int, height: Int, channels: Int, bytes: [UInt8]? = nil) {
        self.width = width
        self.height = height
        self.channels = channels
        self.bytes = bytes ?? [UInt8](repeating: 0, count: width * height * channels)
        precondition(width > 0 && height > 0 && self.bytes.count == width * height * channels)
    }
}

public enum Filter {
    case nearest, bilinear, bicubic, lanczos

    var support: Double {
        switch self {
        case .nearest: return 0
        case .bilinear: return 1
        case .bicubic: return 2
        case .lanczos: return 3
        }
    }

    func weight(_ at: Double) -> Double {
        let x = abs(at)
        switch self {
        case .nearest: return 0
        case .bilinear: return max(1.0 - x, 0.0)
        case .bicubic:  // Keys' kernel with a = -0.5
            let a = -0.5
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.0
        case .lanczos: return at >= -3 && at < 3 ? sinc(at) * sinc(at / 3) : 0.0
        }
    }
}

public enum Resize {
    case crop, stretch, letterbox
}

/// How an image becomes the input.
public struct Preprocessing {
    public let channels: Int  // 3 for colours, 1 for luminance
    public let height, width: Int  // of the input
    public let coverHeight, coverWidth: Int  // what the resized image just covers, has, or fits into, as resize says
    public let resize: Resize
    public let padValue: UInt8  // of a letterbox
    public let filter: Filter
    public let bgr: Bool  // the model takes blue, green, red; images and pixels are RGB
    public let divisor: Float  // what pixels are divided by before the mean is subtracted
    public let mean, std: [Float]  // per channel, in the model's order
    public let normalises: Bool  // false where the model takes an image and normalises it itself

    /// RGB, upright -> what the model sees, still 8 bits and RGB: resized, and cropped or padded.
    public func pixels(of image: Pixels) -> Pixels {
        precondition(image.channels == 3)
        let source = channels == 1 ? luminance(image) : image
        let at = placement(imageWidth: source.width, imageHeight: source.height)
        let small = resized(source, width: at.width, height: at.height, filter: filter)
        let fill = resize == .letterbox ? padValue : 0
        return window(small, left: at.left, top: at.top, width: width, height: height, fill: fill)
    }

    /// Where the input lies in an image of that size. Of an odd difference a letterbox has the smaller half above and on
    /// the left; a crop halves it to the even number.
    public func placement(imageWidth: Int, imageHeight: Int) -> Placement {
        var toWidth = coverWidth
        var toHeight = coverHeight
        switch resize {
        case .stretch:
            break
        case .crop:
            if toWidth * imageHeight >= toHeight * imageWidth {  // the width is what limits
                toHeight = toWidth * imageHeight / imageWidth
            } else {
                toWidth = toHeight * imageWidth / imageHeight
            }
        case .letterbox:
            if toWidth * imageHeight <= toHeight * imageWidth {
                toHeight = max(rounded(toWidth * imageHeight, imageWidth), 1)
            } else {
                toWidth = max(rounded(toHeight * imageWidth, imageHeight), 1)
            }
        }
        let pads = resize == .letterbox
        return Placement(
            imageWidth: imageWidth, imageHeight: imageHeight, width: toWidth, height: toHeight,
            left: pads ? -((width - toWidth) / 2) : half(toWidth - width),
            top: pads ? -((height - toHeight) / 2) : half(toHeight - height))
    }

    /// The normalised input, (c, h, w), where the model takes no image.
    public func tensor(of pixels: Pixels) -> [Float] {
        let area = pixels.width * pixels.height
        var result = [Float](repeating: 0, count: area * pixels.channels)
        for i in 0..<area {
            for c in 0..<pixels.channels {
                let pixel = Float(pixels.bytes[i * pixels.channels + c])
                let channel = bgr ? pixels.channels - 1 - c : c
                result[channel * area + i] = (pixel / divisor - mean[channel]) / std[channel]
            }
        }
        return result
    }
}

/// Where the input lies in an image.
public struct Placement {
    public let imageWidth, imageHeight: Int
    public let width, height: Int  // that the image is resized to
    public let left, top: Int  // where the input begins in the resized image; negative where there is a border

    /// From pixels of the input to those of the image.
    func x(_ at: Double) -> Double { (at + Double(left)) * (Double(imageWidth) / Double(width)) }
    func y(_ at: Double) -> Double { (at + Double(top)) * (Double(imageHeight) / Double(height)) }
}

/// Turned and mirrored as EXIF's orientation says: 2 to 8; any other means that the image is upright.
public func upright(_ image: Pixels, orientation: Int) -> Pixels {
    guard (2...8).contains(orientation) else { return image }
    let turned = orientation >= 5
    let (width, height) = turned ? (image.height, image.width) : (image.width, image.height)
    var result = Pixels(width: width, height: height, channels: image.channels)
    for y in 0..<height {
        for x in 0..<width {
            var (column, row) = turned ? (y, x) : (x, y)
            if [2, 3, 7, 8].contains(orientation) { column = image.width - 1 - column }
            if [3, 4, 6, 7].contains(orientation) { row = image.height - 1 - row }
            for c in 0..<image.channels {
                result.bytes[(y * width + x) * image.channels + c] =
                    image.bytes[(row * image.width + column) * image.channels + c]
            }
        }
    }
    return result
}

/// Rec. 601 in 16-bit fixed point.
public func luminance(_ image: Pixels) -> Pixels {
    var grey = Pixels(width: image.width, height: image.height, channels: 1)
    for i in 0..<grey.bytes.count {
        let red = UInt32(image.bytes[3 * i])
        let green = UInt32(image.bytes[3 * i + 1])
        let blue = UInt32(image.bytes[3 * i + 2])
        grey.bytes[i] = UInt8((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16)
    }
    return grey
}

public func resized(_ image: Pixels, width: Int, height: Int, filter: Filter) -> Pixels {
    let c = image.channels
    if filter == .nearest {
        let columns = nearest(image.width, to: width)
        let rows = nearest(image.height, to: height)
        var result = Pixels(width: width, height: height, channels: c)
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<c {
                    result.bytes[(y * width + x) * c + channel] =
                        image.bytes[(rows[y] * image.width + columns[x]) * c + channel]
                }
            }
        }
        return result
    }
    var wide = image
    if width != image.width {
        wide = Pixels(width: width, height: image.height, channels: c)
        resample(
            image.bytes, lines: image.height, line: image.width * c, step: c,
            into: &wide.bytes, toLine: width * c, toStep: c, channels: c,
            rows: coefficients(image.width, to: width, filter: filter))
    }
    if height == image.height { return wide }
    var result = Pixels(width: width, height: height, channels: c)
    resample(
        wide.bytes, lines: width, line: c, step: width * c,
        into: &result.bytes, toLine: c, toStep: width * c, channels: c,
        rows: coefficients(image.height, to: height, filter: filter))
    return result
}

/// The part of the image that begins there, filled where there is no image.
public func window(_ image: Pixels, left: Int, top: Int, width: Int, height: Int, fill: UInt8) -> Pixels {
    let c = image.channels
    var result = Pixels(
        width: width, height: height, channels: c, bytes: [UInt8](repeating: fill, count: width * height * c))
    for y in 0..<height where (0..<image.height).contains(y + top) {
        for x in 0..<width where (0..<image.width).contains(x + left) {
            for channel in 0..<c {
                result.bytes[(y * width + x) * c + channel] =
                    image.bytes[((y + top) * image.width + x + left) * c + channel]
            }
        }
    }
    return result
}

private let bits = 22  // of a coefficient's fraction

private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * Double.pi) / (x * Double.pi) }

/// To the nearest whole number, from the middle to the even one.
private func half(_ difference: Int) -> Int { Int((Double(difference) / 2).rounded(.toNearestOrEven)) }

/// The quotient, a half to the even number.
private func rounded(_ dividend: Int, _ divisor: Int) -> Int {
    let whole = dividend / divisor
    let left = dividend % divisor
    return 2 * left > divisor || (2 * left == divisor && whole % 2 == 1) ? whole + 1 : whole
}

private struct Row {
    let first: Int
    let weights: [Int32]  // in units of 2^-bits
}

private func coefficients(_ size: Int, to: Int, filter: Filter) -> [Row] {
    let scale = Double(size) / Double(to)
    let stretch = max(scale, 1.0)  // downwards the filter widens: antialiasing
    let reach = filter.support * stretch
    let shrink = 1.0 / stretch
    return (0..<to).map { i in
        let centre = (Double(i) + 0.5) * scale
        let first = max(Int(centre - reach + 0.5), 0)
        let last = min(Int(centre + reach + 0.5), size)
        let weights = (first..<last).map { filter.weight((Double($0) - centre + 0.5) * shrink) }
        let total = weights.reduce(0, +)
        return Row(
            first: first,
            weights: weights.map { weight in
                let number = total != 0 ? weight / total : weight
                return Int32(number * Double(1 << bits) + (number < 0 ? -0.5 : 0.5))
            })
    }
}

/// `lines` sequences of pixels: pixel i of line l begins at l * line + i * step.
private func resample(
    _ from: [UInt8], lines: Int, line: Int, step: Int,
    into to: inout [UInt8], toLine: Int, toStep: Int, channels: Int, rows: [Row]
) {
    from.withUnsafeBufferPointer { source in
        to.withUnsafeMutableBufferPointer { target in
            for l in 0..<lines {
                for (i, row) in rows.enumerated() {
                    for c in 0..<channels {
                        var total = Int32(1 << (bits - 1))
                        var at = l * line + row.first * step + c
                        for weight in row.weights {
                            total += weight * Int32(source[at])
                            at += step
                        }
                        target[l * toLine + i * toStep + c] = UInt8(min(max(total >> Int32(bits), 0), 255))
                    }
                }
            }
        }
    }
}

/// The pixel that each of `to` results takes; positions add up in Double, as Pillow does it.
private func nearest(_ size: Int, to: Int) -> [Int] {
    let step = Double(size) / Double(to)
    var position = step * 0.5
    return (0..<to).map { _ in
        defer { position += step }
        return min(Int(position), size - 1)
    }
}
