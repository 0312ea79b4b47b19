// An image in, classes out: what an app calls.
import CoreGraphics
import ImageIO

public struct Recognition {
    public let index: Int
    public let label: String  // empty where the model came without labels
    public let score: Float  // as the model gives it: a probability, or a logit
}

public final class Classifier: VisionModel {
    /// The `count` best classes, best first; `orientation`: how the image has to be turned, as its EXIF says.
    public func classify(
        _ image: CGImage, count: Int = 5, orientation: CGImagePropertyOrientation = .up
    ) async throws -> [Recognition] {
        let found = try await scores(of: uprightPixels(of: image, orientation: orientation))
        return top(found, count: count).map { best in
            Recognition(index: best.index, label: label(best.index), score: best.score)
        }
    }

    /// The scores of all classes for an upright RGB image.
    public func scores(of image: Pixels) async throws -> [Float] {
        try await outputs(of: image)["scores"]!
    }
}
