// The model in Core ML.
import CoreML
import CoreVideo
import Foundation

public typealias ModelConfiguration = MLModelConfiguration

final class Model {
    private let model: MLModel

    /// Compiles the .mlpackage on the first call.
    init(configuration: ModelConfiguration) throws {
        model = try MLModel(contentsOf: MLModel.compileModel(at: findModel()), configuration: configuration)
    }

    /// What the model gives for what Preprocessing.pixels(of:) makes of an image.
    func run(_ pixels: Pixels) throws -> Outputs {
        let value = try ModelFacts.preprocessing.normalises ? array(of: pixels) : picture(of: pixels)
        let input = try MLDictionaryFeatureProvider(dictionary: [ModelFacts.input: value])
        let given = try model.prediction(from: input)
        var outputs: Outputs = [:]
        for output in ModelFacts.outputs {
            guard let found = given.featureValue(for: output.name)
            else { throw VisionError(description: "the model has no output \(output.name)") }
            if let numbers = found.multiArrayValue {
                outputs[output.role] = (0..<numbers.count).map { numbers[$0].floatValue }
            } else {
                outputs[output.role] = try inOrder(found.dictionaryValue)
            }
        }
        return outputs
    }

    /// A classifier with labels gives {label: score}.
    private func inOrder(_ scores: [AnyHashable: NSNumber]) throws -> [Float] {
        try readLabels().map { label in
            guard let score = scores[AnyHashable(label)]
            else { throw VisionError(description: "the model has no class \(label)") }
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
        guard let buffer = made else { throw VisionError(description: "no memory for the image") }
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
