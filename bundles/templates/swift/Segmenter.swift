// An image in, the class of each of its pixels out: what an app calls.
import CoreGraphics
import ImageIO

public final class Segmenter: VisionModel {
    /// The class of each pixel of the upright image, `unseen` where the model does not look; `orientation`: how the image
    /// has to be turned, as its EXIF says.
    public func segment(
        _ image: CGImage, orientation: CGImagePropertyOrientation = .up
    ) async throws -> ClassMap {
        let seen = try uprightPixels(of: image, orientation: orientation)
        let map = decode(try await outputs(of: seen), ModelFacts.decoding)
        return toImage(map, at: placement(in: seen), input: ModelFacts.preprocessing)
    }
}
