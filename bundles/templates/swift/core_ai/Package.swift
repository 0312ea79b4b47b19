// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "ImageModel",
    platforms: [.iOS("27.0"), .macOS("27.0")],
    products: [.library(name: "ImageModel", targets: ["ImageModel"])],
    targets: [
        .target(name: "ImageModel", resources: [.copy("model")]),
        .testTarget(name: "ImageModelTests", dependencies: ["ImageModel"], resources: [.copy("golden")]),
    ]
)
