// What a classifier gives, and how it reads an image of the system's.
import CoreGraphics
import Foundation

public struct Recognition {
    public let index: Int
    public let label: String  // empty where the model came without labels
    public let score: Float  // as the model gives it: a probability, or a logit
}

public struct ClassifierError: Error, CustomStringConvertible {
    public let description: String
}

/// The names of the classes, from labels.txt; empty where the model came without.
func readLabels() throws -> [String] {
    let file = Bundle.module.url(forResource: "labels", withExtension: "txt", subdirectory: "model")
    let text = try file.map { try String(contentsOf: $0, encoding: .utf8) } ?? ""
    var lines = text.components(separatedBy: "\n")
    if lines.last == "" { lines.removeLast() }  // behind the last line end
    return lines
}

/// The model, among the package's resources.
func findModel() throws -> URL {
    guard let model = Bundle.module.url(forResource: ModelFacts.artifact, withExtension: nil, subdirectory: "model")
    else { throw ClassifierError(description: "\(ModelFacts.artifact) is not among the resources") }
    return model
}

/// The `count` best classes, best first.
func recognitions(_ scores: [Float], labels: [String], count: Int) -> [Recognition] {
    top(scores, count: count).map { best in
        Recognition(index: best.index, label: best.index < labels.count ? labels[best.index] : "", score: best.score)
    }
}

/// The image's own bytes as RGB, without colour matching beyond sRGB.
public func pixels(of image: CGImage) throws -> Pixels {
    guard
        let space = CGColorSpace(name: CGColorSpace.sRGB),
        let context = CGContext(
            data: nil, width: image.width, height: image.height, bitsPerComponent: 8, bytesPerRow: image.width * 4,
            space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
    else { throw ClassifierError(description: "the image cannot be drawn") }
    context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
    guard let memory = context.data else { throw ClassifierError(description: "no memory for the image") }
    let rgba = memory.assumingMemoryBound(to: UInt8.self)
    var pixels = Pixels(width: image.width, height: image.height, channels: 3)
    for i in 0..<(image.width * image.height) {
        for c in 0..<3 { pixels.bytes[3 * i + c] = rgba[4 * i + c] }
    }
    return pixels
}
