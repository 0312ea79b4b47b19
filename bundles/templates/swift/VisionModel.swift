// The model of this bundle, with what is known of it: what the wrapper of every task begins with.
import CoreGraphics
import Foundation
import ImageIO

public struct VisionError: Error, CustomStringConvertible {
    public let description: String
}

/// The model and its labels, from the package's resources.
public class VisionModel {
    private let model: Model
    public let labels: [String]  // the names of classes or characters; empty where the model came without

    /// Prepares the model for the device on the first call; keep what it makes.
    public init(configuration: ModelConfiguration = ModelConfiguration()) async throws {
        model = try await Model(configuration: configuration)
        labels = try readLabels()
    }

    /// What the model gives for an upright image.
    func outputs(of image: Pixels) async throws -> Outputs {
        let given = try await model.run(ModelFacts.preprocessing.pixels(of: image))
        for output in ModelFacts.outputs where given[output.role]?.count != output.count {
            throw VisionError(description: "the model gives another size of \(output.name)")
        }
        return given
    }

    /// The name of a class, empty where it has none.
    func label(_ index: Int) -> String { labels.indices.contains(index) ? labels[index] : "" }
}

/// The image as the wrapper reads it, upright; `orientation`: how it has to be turned, as its EXIF says.
func uprightPixels(of image: CGImage, orientation: CGImagePropertyOrientation) throws -> Pixels {
    try upright(pixels(of: image), orientation: Int(orientation.rawValue))
}

/// Where the input lies in the image.
func placement(in image: Pixels) -> Placement {
    ModelFacts.preprocessing.placement(imageWidth: image.width, imageHeight: image.height)
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
    else { throw VisionError(description: "\(ModelFacts.artifact) is not among the resources") }
    return model
}

/// The image's own bytes as RGB, without colour matching beyond sRGB.
public func pixels(of image: CGImage) throws -> Pixels {
    guard
        let space = CGColorSpace(name: CGColorSpace.sRGB),
        let context = CGContext(
            data: nil, width: image.width, height: image.height, bitsPerComponent: 8, bytesPerRow: image.width * 4,
            space: space, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
    else { throw VisionError(description: "the image cannot be drawn") }
    context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
    guard let memory = context.data else { throw VisionError(description: "no memory for the image") }
    let rgba = memory.assumingMemoryBound(to: UInt8.self)
    var pixels = Pixels(width: image.width, height: image.height, channels: 3)
    for i in 0..<(image.width * image.height) {
        for c in 0..<3 { pixels.bytes[3 * i + c] = rgba[4 * i + c] }
    }
    return pixels
}
