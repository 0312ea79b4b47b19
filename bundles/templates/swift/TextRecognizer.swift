// An image of a line of text in, the string out: what an app calls. The labels are the characters.
import CoreGraphics
import ImageIO

public final class TextRecognizer: VisionModel {
    /// What is written; `orientation`: how the image has to be turned, as its EXIF says.
    public func read(_ image: CGImage, orientation: CGImagePropertyOrientation = .up) async throws -> String {
        let scores = try await outputs(of: uprightPixels(of: image, orientation: orientation))["scores"]!
        return decode(scores, ModelFacts.decoding).map { label($0) }.joined()
    }
}
