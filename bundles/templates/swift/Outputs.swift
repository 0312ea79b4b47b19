// What a model gives, as far as its answer comes from it.

enum NumberType {
    case float32, int32, int64
}

/// An output that is read.
struct Output {
    let role: String  // what it is to the task
    let name: String
    let count: Int  // of its numbers
    let type: NumberType
    let tolerance: Float  // what one of them may be off on other hardware
}

/// The numbers of each output that is read, by its role.
typealias Outputs = [String: [Float]]

/// The place of the highest of `count` values from `start` on, counted from there; of equal ones the first.
func placeOfHighest(_ values: [Float], from start: Int, count: Int) -> Int {
    var best = 0
    for i in 0..<count where values[start + i] > values[start + best] { best = i }
    return best
}
