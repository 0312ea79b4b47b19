// The best of a classifier's scores.

struct Decoding {
    let classes: Int
}

/// (class, score) of the highest, best first; of equal ones the lower class.
public func top(_ scores: [Float], count: Int) -> [(index: Int, score: Float)] {
    let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    return order.prefix(count).map { (index: $0, score: scores[$0]) }
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    top(outputs["scores"]!, count: 5).flatMap { [Double($0.index), Double($0.score)] }
}
