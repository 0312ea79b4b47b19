// An image in, keypoints out: what an app calls.
import CoreGraphics
import ImageIO

public struct Keypoint {
    public let index: Int
    public let label: String  // empty where the model came without labels
    public let score: Float
    public let x, y: Float  // in pixels of the upright image
}

public final class KeypointDetector: VisionModel {
    /// The keypoints of scores from `scoreThreshold` on, or from the one that the model was checked with; `orientation`:
    /// how the image has to be turned, as its EXIF says.
    public func detect(
        _ image: CGImage, scoreThreshold: Double? = nil, orientation: CGImagePropertyOrientation = .up
    ) async throws -> [Keypoint] {
        let seen = try uprightPixels(of: image, orientation: orientation)
        let how = ModelFacts.decoding
        let points = decode(
            try await outputs(of: seen), how, input: ModelFacts.preprocessing, at: placement(in: seen))
        return points.enumerated().filter { $0.element.score >= scoreThreshold ?? how.scoreThreshold }.map { index, at in
            Keypoint(index: index, label: label(index), score: Float(at.score), x: Float(at.x), y: Float(at.y))
        }
    }
}
