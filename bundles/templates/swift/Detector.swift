// An image in, boxes out: what an app calls.
import CoreGraphics
import ImageIO

public struct Detection {
    public let index: Int
    public let label: String  // empty where the model came without labels
    public let score: Float
    public let left, top, right, bottom: Float  // in pixels of the upright image
}

public final class Detector: VisionModel {
    /// The objects, the highest score first, of scores from `scoreThreshold` on, or from the one that the model was
    /// checked with; `orientation`: how the image has to be turned, as its EXIF says.
    public func detect(
        _ image: CGImage, scoreThreshold: Double? = nil, orientation: CGImagePropertyOrientation = .up
    ) async throws -> [Detection] {
        let seen = try uprightPixels(of: image, orientation: orientation)
        let how = ModelFacts.decoding
        let boxes = decode(
            try await outputs(of: seen), how, input: ModelFacts.preprocessing, at: placement(in: seen),
            least: scoreThreshold ?? how.scoreThreshold)
        return boxes.map { box in
            Detection(
                index: box.index, label: label(box.index), score: Float(box.score),
                left: Float(box.left), top: Float(box.top), right: Float(box.right), bottom: Float(box.bottom))
        }
    }
}
