// An image in, a vector out, which cosine compares with those of other images: what an app calls.
import CoreGraphics
import ImageIO

public final class Embedder: VisionModel {
    /// Of length 1; `orientation`: how the image has to be turned, as its EXIF says.
    public func embed(
        _ image: CGImage, orientation: CGImagePropertyOrientation = .up
    ) async throws -> [Float] {
        normalised(try await outputs(of: uprightPixels(of: image, orientation: orientation))["vector"]!)
    }
}
