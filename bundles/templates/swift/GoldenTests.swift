// `swift test` or Xcode: the image arithmetic, to the byte, the decoding, and the model within its tolerances.
import Foundation
import XCTest

@testable import ImageModel

final class GoldenTests: XCTestCase {
    func bytes(_ name: String) throws -> [UInt8] {
        let url = try XCTUnwrap(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "golden"))
        return [UInt8](try Data(contentsOf: url))
    }

    func floats(_ name: String) throws -> [Float] {
        let bytes = try self.bytes(name)
        return stride(from: 0, to: bytes.count, by: 4).map { i in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[i + $1]) << UInt32(8 * $1) })
        }
    }

    /// A binary PPM of 8 bits.
    func image(_ name: String) throws -> Pixels {
        let file = try bytes(name)
        var fields: [String] = []
        var at = 0
        while fields.count < 4 {
            let end = try XCTUnwrap(file[at...].firstIndex { $0 == 32 || $0 == 10 })
            fields.append(String(decoding: file[at..<end], as: UTF8.self))
            at = end + 1
        }
        XCTAssertEqual([fields[0], fields[3]], ["P6", "255"])
        let (width, height) = (try XCTUnwrap(Int(fields[1])), try XCTUnwrap(Int(fields[2])))
        return Pixels(width: width, height: height, channels: 3, bytes: Array(file[at...]))
    }

    func testPixelsAndInputs() throws {
        let how = ModelFacts.preprocessing
        for name in ModelFacts.golden {
            let pixels = how.pixels(of: try image("\(name).ppm"))
            XCTAssertEqual(pixels.bytes, try bytes("\(name).pixels"), name)
            if how.normalises {
                XCTAssertEqual(how.tensor(of: pixels), try floats("\(name).input"), name)
            }
        }
    }

    /// What the model gave when the bundle was made.
    func goldenOutputs(_ name: String) throws -> Outputs {
        let stored = try floats("\(name).output")
        var found: Outputs = [:]
        var from = 0
        for output in ModelFacts.outputs {
            found[output.role] = Array(stored[from..<(from + output.count)])
            from += output.count
        }
        return found
    }

    func testAnswers() throws {
        let tolerances = ModelFacts.answerTolerances
        for name in ModelFacts.golden {
            let wanted = try floats("\(name).answer")
            let at = placement(in: try image("\(name).ppm"))
            let got = numbers(
                try goldenOutputs(name), ModelFacts.decoding, input: ModelFacts.preprocessing, at: at)
            XCTAssertEqual(got.count, wanted.count, name)
            for (i, (a, b)) in zip(got, wanted).enumerated() {
                XCTAssertEqual(a, Double(b), accuracy: tolerances[i % tolerances.count], name)
            }
        }
    }

    /// Rows that come in the order of their scores cannot be compared one by one.
    func testOutputs() async throws {
        let model = try await VisionModel()
        for name in ModelFacts.golden {
            let wanted = try goldenOutputs(name)
            let got = try await model.outputs(of: try image("\(name).ppm"))
            for output in ModelFacts.outputs where ModelFacts.ordered {
                for (a, b) in zip(got[output.role]!, wanted[output.role]!) {
                    XCTAssertEqual(a, b, accuracy: output.tolerance, name)
                }
            }
        }
    }
}
