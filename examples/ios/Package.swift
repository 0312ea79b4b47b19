// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "Classify",
    platforms: [.iOS(.v16), .macOS(.v13)],
    dependencies: [.package(path: "ImageModel")],
    targets: [.executableTarget(name: "classify", dependencies: ["ImageModel"], path: "Sources/Classify")]
)
