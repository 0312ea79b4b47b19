import CoreGraphics
import Foundation
import ImageIO
import ImageModel

/// The first image of a file, upright: the model was checked with upright images.
func upright(_ path: String) -> CGImage? {
    let url = URL(fileURLWithPath: path) as CFURL
    let options =
        [
            kCGImageSourceCreateThumbnailFromImageAlways: true,  // of full size: what applies the orientation
            kCGImageSourceCreateThumbnailWithTransform: true,
        ] as CFDictionary
    guard let source = CGImageSourceCreateWithURL(url, nil) else { return nil }
    return CGImageSourceCreateThumbnailAtIndex(source, 0, options)
}

guard CommandLine.arguments.count == 2, let image = upright(CommandLine.arguments[1]) else {
    FileHandle.standardError.write(Data("usage: classify IMAGE\n".utf8))
    exit(2)
}
let classifier = try Classifier()
for best in try classifier.classify(image, count: 5) {
    let name = best.label.isEmpty ? "class \(best.index)" : best.label
    print(String(format: "%.3f  ", best.score) + name)
}
