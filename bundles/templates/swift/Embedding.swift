// The vectors of images, brought to length 1, and how alike two are.

struct Decoding {
    let size: Int  // of the vector
}

/// Of length 1; zeros as they are.
func normalised(_ vector: [Float]) -> [Float] {
    let length = lengthOf(vector)
    return vector.map { Float(Double($0) / length) }
}

/// 1 for the same direction, 0 for nothing in common; of vectors of any length.
public func cosine(_ one: [Float], _ other: [Float]) -> Double {
    precondition(one.count == other.count, "two vectors have as many numbers")
    return product(one, other) / (lengthOf(one) * lengthOf(other))
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    normalised(outputs["vector"]!).map { Double($0) }
}

private func product(_ one: [Float], _ other: [Float]) -> Double {
    zip(one, other).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
}

private func lengthOf(_ vector: [Float]) -> Double {
    let length = product(vector, vector).squareRoot()
    return length > 0 ? length : 1
}
