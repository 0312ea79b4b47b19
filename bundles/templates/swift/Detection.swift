// A detector's outputs -> boxes in the image's pixels, exactly as the model was checked. Foundation alone.
import Foundation

enum Box {
    case xyxy, cxcywh, xywh
}

enum Values {
    case classes, objectness, score_class, separate  // separate: the class is an output of its own
}

enum Activation {
    case none, sigmoid, softmax
}

enum Background {
    case none, first, last
}

/// What decoding depends on; bundle.json says the same.
struct Decoding {
    let box: Box
    let values: Values
    let activation: Activation
    let background: Background
    let joined: Bool  // boxes and scores are one output
    let share: Bool  // boxes are shares of the input's size, not its pixels
    let columns: Bool  // (values, boxes), not (boxes, values)
    let suppresses: Bool  // non-maximum suppression is still to be done
    let width: Int  // values of a box in the output of boxes and scores, or scores of a box in that of scores
    let ignored: Int  // of them, those behind the classes
    let lowestScore, scoreThreshold, iouThreshold: Double
}

/// An object: its sides in pixels, its class and its score.
struct DetectedBox {
    var left, top, right, bottom: Double
    let score: Double
    let index: Int

    var hasArea: Bool { right > left && bottom > top }
}

private let mostCandidates = 1000  // of an image, into non-maximum suppression
private let mostBoxes = 300  // and out of it

/// In pixels of the model's input, the highest score first.
func decode(_ outputs: Outputs, _ how: Decoding, input: Preprocessing) -> [DetectedBox] {
    let boxes = outputs[how.joined ? "detections" : "boxes"]!
    let stride = how.joined ? how.width : 4
    let count = boxes.count / stride
    let lowest = Float(how.lowestScore)
    func value(_ row: Int, _ at: Int) -> Float { boxes[how.columns ? at * count + row : row * stride + at] }
    var found: [DetectedBox] = []
    for row in 0..<count {
        let best: (score: Float, index: Int)
        if how.values == .separate {
            best = (outputs["scores"]![row], Int(outputs["classes"]![row]))
        } else if how.joined {
            best = bestOf((4..<(stride - how.ignored)).map { value(row, $0) }, how)
        } else {
            best = bestOf(Array(outputs["scores"]![(row * how.width)..<((row + 1) * how.width)]), how)
        }
        guard best.score >= lowest else { continue }
        var side = (0..<4).map { Double(value(row, $0)) }
        toCorners(&side, how.box)
        if how.share {
            for i in 0..<4 { side[i] *= Double(i % 2 == 0 ? input.width : input.height) }
        }
        let box = DetectedBox(
            left: side[0], top: side[1], right: side[2], bottom: side[3], score: Double(best.score), index: best.index)
        if box.hasArea { found.append(box) }  // one without an area overlaps nothing, not even itself
    }
    let order = found.indices.sorted {
        found[$0].score != found[$1].score ? found[$0].score > found[$1].score : $0 < $1
    }
    let sorted = order.map { found[$0] }
    guard how.suppresses else { return Array(sorted.prefix(mostBoxes)) }
    return Array(suppressed(Array(sorted.prefix(mostCandidates)), threshold: how.iouThreshold).prefix(mostBoxes))
}

/// In pixels of the image, within its borders, of scores from `least` on; what is outside of it as a whole is left out.
func decode(
    _ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement, least: Double
) -> [DetectedBox] {
    decode(outputs, how, input: input).filter { $0.score >= least }.map { box in
        DetectedBox(
            left: within(at.x(box.left), at.imageWidth), top: within(at.y(box.top), at.imageHeight),
            right: within(at.x(box.right), at.imageWidth), bottom: within(at.y(box.bottom), at.imageHeight),
            score: box.score, index: box.index)
    }.filter { $0.hasArea }
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    decode(outputs, how, input: input, at: at, least: how.scoreThreshold).flatMap { box in
        [box.left, box.top, box.right, box.bottom, box.score, Double(box.index)]
    }
}

private func within(_ place: Double, _ most: Int) -> Double { min(max(place, 0), Double(most)) }

/// (score, class) of one box, of its values behind the sides.
private func bestOf(_ given: [Float], _ how: Decoding) -> (score: Float, index: Int) {
    if how.values == .score_class { return (given[0], Int(given[1])) }
    var values = given
    activate(&values, how.activation)
    var first = 0
    var last = values.count
    if how.values == .objectness {
        for i in 1..<last { values[i] *= values[0] }
        first = 1
    }
    if how.background == .first { first += 1 }
    if how.background == .last { last -= 1 }
    let best = placeOfHighest(values, from: first, count: last - first)
    return (values[first + best], best)
}

private func activate(_ values: inout [Float], _ activation: Activation) {
    switch activation {
    case .none:
        break
    case .sigmoid:
        for i in values.indices { values[i] = 1 / (1 + Float(exp(-Double(min(max(values[i], -80), 80))))) }
    case .softmax:
        let most = values.max() ?? 0
        var total: Float = 0
        for i in values.indices {
            values[i] = Float(exp(Double(values[i] - most)))
            total += values[i]
        }
        for i in values.indices { values[i] /= total }
    }
}

private func toCorners(_ side: inout [Double], _ form: Box) {
    if form == .xyxy { return }
    for i in 0..<2 {
        if form == .cxcywh { side[i] -= side[i + 2] / 2 }
        side[i + 2] += side[i]
    }
}

private func suppressed(_ boxes: [DetectedBox], threshold: Double) -> [DetectedBox] {
    var kept: [DetectedBox] = []
    for each in boxes where !kept.contains(where: { $0.index == each.index && overlap($0, each) > threshold }) {
        kept.append(each)
    }
    return kept
}

private func overlap(_ a: DetectedBox, _ b: DetectedBox) -> Double {
    let width = min(a.right, b.right) - max(a.left, b.left)
    let height = min(a.bottom, b.bottom) - max(a.top, b.top)
    let shared = max(width, 0) * max(height, 0)
    let areas = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top)
    return shared / (areas - shared)
}
