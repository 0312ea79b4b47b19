// An image in, classes out: what an app calls. The model runs in Core ML.
import CoreGraphics
import CoreML
import CoreVideo
import Foundation
import ImageIO

public struct Recognition {
    public let index: Int
    public let label: String  // empty where the model came without labels
    public let score: Float  // as the model gives it: a probability, or a logit
}

public struct ClassifierError: Error, CustomStringConvertible {
    public let description: String
}

/// The model and its labels, from the package's resources.
public final class Classifier {
    private let model: MLModel
    private let labels: [String]

    /// Compiles the .mlpackage on the first call; keep the classifier.
    public init(configuration: MLModelConfiguration = MLModelConfiguration()) throws {
        guard let package = Bundle.module.url(forResource: ModelFacts.artifact, withExtension: nil, subdirectory: "model")
        else { throw ClassifierError(description: "\(ModelFacts.artifact) is not among the resources") }
        model = try MLModel(contentsOf: MLModel.compileModel(at: package), configuration: configuration)
        let file = Bundle.module.url(forResource: "labels", withExtension: "txt", subdirectory: "model")
        let text = try file.map { try String(contentsOf: $0, encoding: .utf8) } ?? ""
        var lines = text.components(separatedBy: "\n")
        if lines.last == "" { lines.removeLast() }  // behind the last line end
        labels = lines
    }

    /// The `count` best classes, best first; `orientation`: how the image has to be turned, as its EXIF says.
    public func classify(
        _ image: CGImage, count: Int = 5, orientation: CGImagePropertyOrientation = .up
    ) throws -> [Recognition] {
        let seen = try upright(pixels(of: image), orientation: Int(orientation.rawValue))
        return try top(scores(of: seen), count: count).map { best in
            Recognition(
                index: best.index, label: best.index < labels.count ? labels[best.index] : "", score: best.score)
        }
    }

    /// The scores of all classes for an upright RGB image.
    public func scores(of image: Pixels) throws -> [Float] {
        let pixels = ModelFacts.preprocessing.pixels(of: image)
        let value = try ModelFacts.preprocessing.normalises ? array(of: pixels) : picture(of: pixels)
        let input = try MLDictionaryFeatureProvider(dictionary: [ModelFacts.input: value])
        guard let scores = try model.prediction(from: input).featureValue(for: ModelFacts.scores)
        else { throw ClassifierError(description: "the model has no output \(ModelFacts.scores)") }
        if let numbers = scores.multiArrayValue { return (0..<numbers.count).map { numbers[$0].floatValue } }
        return try inOrder(scores.dictionaryValue)
    }

    /// A model with labels gives {label: score}.
    private func inOrder(_ scores: [AnyHashable: NSNumber]) throws -> [Float] {
        try labels.map { label in
            guard let score = scores[AnyHashable(label)]
            else { throw ClassifierError(description: "the model has no class \(label)") }
            return score.floatValue
        }
    }

    /// float32 (1, c, h, w).
    private func array(of pixels: Pixels) throws -> MLFeatureValue {
        let shape = [1, pixels.channels, pixels.height, pixels.width].map { NSNumber(value: $0) }
        let array = try MLMultiArray(shape: shape, dataType: .float32)
        let numbers = ModelFacts.preprocessing.tensor(of: pixels)
        let memory = array.dataPointer.bindMemory(to: Float.self, capacity: numbers.count)
        for (i, number) in numbers.enumerated() { memory[i] = number }
        return MLFeatureValue(multiArray: array)
    }

    /// An image of exactly the model's size, so that Core ML resamples nothing.
    private func picture(of pixels: Pixels) throws -> MLFeatureValue {
        let colour = pixels.channels == 3
        let format = colour ? kCVPixelFormatType_32BGRA : kCVPixelFormatType_OneComponent8
        var made: CVPixelBuffer?
        CVPixelBufferCreate(nil, pixels.width, pixels.height, format, nil, &made)
        guard let buffer = made else { throw ClassifierError(description: "no memory for the image") }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        let memory = CVPixelBufferGetBaseAddress(buffer)!.assumingMemoryBound(to: UInt8.self)
        for y in 0..<pixels.height {
            for x in 0..<pixels.width {
                let from = (y * pixels.width + x) * pixels.channels
                if colour {
                    let to = y * stride + 4 * x
                    memory[to] = pixels.bytes[from + 2]
                    memory[to + 1] = pixels.bytes[from + 1]
                    memory[to + 2] = pixels.bytes[from]
                    memory[to + 3] = 255
                } else {
                    memory[y * stride + x] = pixels.bytes[from]
                }
            }
        }
        return MLFeatureValue(pixelBuffer: buffer)
    }
}

/// The image's own bytes as RGB, without colour matching beyond sRGB.
public func pixels(of image: CGImage) throws -> Pixels {
    guard
        let space = CGColorSpace(name: CGColorSpace.sRGB),
        let context = CGContext(
            data: nil, width: image.width, height: image.height, bitsPerComponent: 8, bytesPerRow: image.width * 4,
            space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
    else { throw ClassifierError(description: "the image cannot be drawn") }
    context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
    guard let memory = context.data else { throw ClassifierError(description: "no memory for the image") }
    let rgba = memory.assumingMemoryBound(to: UInt8.self)
    var pixels = Pixels(width: image.width, height: image.height, channels: 3)
    for i in 0..<(image.width * image.height) {
        for c in 0..<3 { pixels.bytes[3 * i + c] = rgba[4 * i + c] }
    }
    return pixels
}
