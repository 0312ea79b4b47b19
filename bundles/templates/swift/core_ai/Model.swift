// The model in Core AI.
import CoreAI
import Foundation

/// Core AI has no choice of where a model runs.
public struct ModelConfiguration {
    public init() {}
}

final class Model {
    private let function: InferenceFunction

    /// Specialises the .aimodel for the device on the first call.
    init(configuration: ModelConfiguration) async throws {
        let model = try await AIModel(contentsOf: findModel())
        guard let main = try model.loadFunction(named: "main")
        else { throw VisionError(description: "\(ModelFacts.artifact) has no function main") }
        function = main
    }

    /// What the model gives for what Preprocessing.pixels(of:) makes of an image.
    func run(_ pixels: Pixels) async throws -> Outputs {
        var given = try await function.run(inputs: [ModelFacts.input: array(of: pixels)])
        var outputs: Outputs = [:]
        for output in ModelFacts.outputs {
            guard let numbers = given.remove(output.name)?.ndArray
            else { throw VisionError(description: "the model has no output \(output.name)") }
            outputs[output.role] = floats(of: numbers, type: output.type)
        }
        return outputs
    }

    private func floats(of numbers: NDArray, type: NumberType) -> [Float] {
        let count = numbers.shape.reduce(1, *)
        switch type {
        case .float32:
            return numbers.view(as: Float.self).withUnsafePointer { memory, _, _ in (0..<count).map { memory[$0] } }
        case .int32:
            return numbers.view(as: Int32.self).withUnsafePointer { memory, _, _ in
                (0..<count).map { Float(memory[$0]) }
            }
        case .int64:
            return numbers.view(as: Int64.self).withUnsafePointer { memory, _, _ in
                (0..<count).map { Float(memory[$0]) }
            }
        }
    }

    /// float32 (1, c, h, w), or uint8 (1, h, w, c) where the model normalises itself.
    private func array(of pixels: Pixels) -> NDArray {
        let how = ModelFacts.preprocessing
        if how.normalises {
            return NDArray(scalars: how.tensor(of: pixels), shape: [1, pixels.channels, pixels.height, pixels.width])
        }
        return NDArray(scalars: pixels.bytes, shape: [1, pixels.height, pixels.width, pixels.channels])
    }
}
