// A segmenter's outputs -> the class of each pixel of the image, exactly as the model was checked.

enum Form {
    case scores, threshold, ids  // a score for each class, the score of one class, or classes
}

/// What decoding depends on; bundle.json says the same.
struct Decoding {
    let form: Form
    let classes: Int  // scores of a cell
    let height, width: Int  // of the map that the model gives
    let threshold: Double
}

/// The class of a pixel that the model did not see: the crop left it out.
public let unseen = -1

/// The class at (x, y) is classes[y * width + x].
public struct ClassMap {
    public let width, height: Int
    public let classes: [Int]
}

/// Of the map that the model gives.
func decode(_ outputs: Outputs, _ how: Decoding) -> ClassMap {
    let given = outputs[how.form == .ids ? "ids" : "scores"]!
    let threshold = Float(how.threshold)
    let area = how.width * how.height
    let classes = (0..<area).map { (i: Int) -> Int in
        switch how.form {
        case .ids: return Int(given[i])
        case .threshold: return given[i] > threshold ? 1 : 0
        case .scores:
            var best = 0
            for c in 1..<how.classes where given[c * area + i] > given[best * area + i] { best = c }
            return best
        }
    }
    return ClassMap(width: how.width, height: how.height, classes: classes)
}

/// Of the image: for each pixel the class of the cell that its middle lies in.
func toImage(_ map: ClassMap, at: Placement, input: Preprocessing) -> ClassMap {
    let rows = cells(at.imageHeight, resized: at.height, start: at.top, side: input.height, count: map.height)
    let columns = cells(at.imageWidth, resized: at.width, start: at.left, side: input.width, count: map.width)
    var classes: [Int] = []
    classes.reserveCapacity(rows.count * columns.count)
    for row in rows {
        for column in columns {
            classes.append(row < 0 || column < 0 ? unseen : map.classes[row * map.width + column])
        }
    }
    return ClassMap(width: at.imageWidth, height: at.imageHeight, classes: classes)
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    toImage(decode(outputs, how), at: at, input: input).classes.map { Double($0) }
}

/// For each pixel of the image along an axis the cell, of `count` along the input's side; unseen outside of them.
private func cells(_ size: Int, resized: Int, start: Int, side: Int, count: Int) -> [Int] {
    (0..<size).map { (i: Int) -> Int in
        let middle = (2 * i + 1) * resized - 2 * start * size  // in units of 1 / (2 size) of the input's pixels
        let cell = middle < 0 ? unseen : middle * count / (2 * size * side)
        return cell < count ? cell : unseen
    }
}
