// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "ImageModel",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "ImageModel", targets: ["ImageModel"])],
    targets: [
        .target(name: "ImageModel", resources: [.copy("model")]),
        .testTarget(name: "ImageModelTests", dependencies: ["ImageModel"], resources: [.copy("golden")]),
    ]
)
