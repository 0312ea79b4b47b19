// The scores of characters along an image -> the classes of its characters, by CTC's best path, exactly as the model was
// checked.

/// What decoding depends on; bundle.json says the same.
struct Decoding {
    let steps, classes: Int
    let blank: Int  // the class that is no character
}

/// The best class of each step, repeats once, blanks out.
func decode(_ scores: [Float], _ how: Decoding) -> [Int] {
    var found: [Int] = []
    var before = how.blank
    for step in 0..<how.steps {
        let best = placeOfHighest(scores, from: step * how.classes, count: how.classes)
        if best != before && best != how.blank { found.append(best) }
        before = best
    }
    return found
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    decode(outputs["scores"]!, how).map { Double($0) }
}
