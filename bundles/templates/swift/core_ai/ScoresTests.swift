// The model's scores of the golden images, within the tolerance of bundle.json.
import XCTest

@testable import ImageModel

extension GoldenTests {
    func testScores() async throws {
        let classifier = try await Classifier()
        for name in ModelFacts.golden {
            let wanted = try floats("\(name).output")
            let got = try await classifier.scores(of: try image("\(name).ppm"))
            XCTAssertEqual(got.count, wanted.count, name)
            for (a, b) in zip(got, wanted) { XCTAssertEqual(a, b, accuracy: ModelFacts.tolerance, name) }
        }
    }
}
