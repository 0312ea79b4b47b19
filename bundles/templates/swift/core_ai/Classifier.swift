// An image in, classes out: what an app calls. The model runs in Core AI.
import CoreAI
import CoreGraphics
import Foundation
import ImageIO

/// The model and its labels, from the package's resources.
public final class Classifier {
    private let function: InferenceFunction
    private let labels: [String]

    /// Specialises the .aimodel for the device on the first call; keep the classifier.
    public init() async throws {
        let model = try await AIModel(contentsOf: findModel())
        guard let main = try model.loadFunction(named: "main")
        else { throw ClassifierError(description: "\(ModelFacts.artifact) has no function main") }
        function = main
        labels = try readLabels()
    }

    /// The `count` best classes, best first; `orientation`: how the image has to be turned, as its EXIF says.
    public func classify(
        _ image: CGImage, count: Int = 5, orientation: CGImagePropertyOrientation = .up
    ) async throws -> [Recognition] {
        let seen = try upright(pixels(of: image), orientation: Int(orientation.rawValue))
        return recognitions(try await scores(of: seen), labels: labels, count: count)
    }

    /// The scores of all classes for an upright RGB image.
    public func scores(of image: Pixels) async throws -> [Float] {
        let pixels = ModelFacts.preprocessing.pixels(of: image)
        var outputs = try await function.run(inputs: [ModelFacts.input: array(of: pixels)])
        guard let scores = outputs.remove(ModelFacts.scores)?.ndArray
        else { throw ClassifierError(description: "the model has no output \(ModelFacts.scores)") }
        let count = scores.shape.reduce(1, *)
        return scores.view(as: Float.self).withUnsafePointer { memory, _, _ in (0..<count).map { memory[$0] } }
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
