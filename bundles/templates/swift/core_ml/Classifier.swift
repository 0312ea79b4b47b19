// An image in, classes out: what an app calls. The model runs in Core ML.
import CoreGraphics
import CoreML
import CoreVideo
import Foundation
import ImageIO

/// The model and its labels, from the package's resources.
public final class Classifier {
    private let model: MLModel
    private let labels: [String]

    /// Compiles the .mlpackage on the first call; keep the classifier.
    public init(configuration: MLModelConfiguration = MLModelConfiguration()) throws {
        model = try MLModel(contentsOf: MLModel.compileModel(at: findModel()), configuration: configuration)
        labels = try readLabels()
    }

    /// The `count` best classes, best first; `orientation`: how the image has to be turned, as its EXIF says.
    public func classify(
        _ image: CGImage, count: Int = 5, orientation: CGImagePropertyOrientation = .up
    ) throws -> [Recognition] {
        let seen = try upright(pixels(of: image), orientation: Int(orientation.rawValue))
        return try recognitions(scores(of: seen), labels: labels, count: count)
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
