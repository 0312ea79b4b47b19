// A model's outputs -> keypoints in the image's pixels, exactly as the model was checked.

enum Form {
    case heatmaps, bins, boxes, points
}

/// What decoding depends on; bundle.json says the same.
struct Decoding {
    let form: Form
    let count: Int  // of keypoints
    let rows, columns: Int  // of a heatmap, bins of y and of x, values and boxes, or the list of points
    let share: Bool  // coordinates are shares of the input's size, not its pixels
    let scoreThreshold: Double
}

struct Point {
    let x, y, score: Double
}

/// All keypoints, in pixels of the upright image.
func decode(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Point] {
    let points: [Point]
    switch how.form {
    case .heatmaps: points = (0..<how.count).map { ofHeatmap(outputs["heatmaps"]!, $0, how, input) }
    case .bins: points = (0..<how.count).map { ofBins(outputs["x"]!, outputs["y"]!, $0, how, input) }
    case .boxes: points = ofBestBox(outputs["detections"]!, how)
    case .points: points = (0..<how.count).map { ofPoint(outputs["points"]!, $0 * how.columns, how, input) }
    }
    return points.map { Point(x: at.x($0.x), y: at.y($0.y), score: $0.score) }
}

/// The answer as golden files have it, in one row.
func numbers(_ outputs: Outputs, _ how: Decoding, input: Preprocessing, at: Placement) -> [Double] {
    decode(outputs, how, input: input, at: at).flatMap { [$0.x, $0.y, $0.score] }
}

private func sign(_ value: Float) -> Double { value > 0 ? 1 : value < 0 ? -1 : 0 }

/// The middle of the highest cell, a quarter of one towards its higher neighbour.
private func ofHeatmap(_ maps: [Float], _ index: Int, _ how: Decoding, _ input: Preprocessing) -> Point {
    let start = index * how.rows * how.columns
    let best = placeOfHighest(maps, from: start, count: how.rows * how.columns)
    let (y, x) = best.quotientAndRemainder(dividingBy: how.columns)
    func at(_ row: Int, _ column: Int) -> Float {
        maps[start + min(max(row, 0), how.rows - 1) * how.columns + min(max(column, 0), how.columns - 1)]
    }
    let right = sign(at(y, x + 1) - at(y, x - 1))
    let below = sign(at(y + 1, x) - at(y - 1, x))
    return Point(
        x: (Double(x) + 0.5 + right / 4) * Double(input.width) / Double(how.columns),
        y: (Double(y) + 0.5 + below / 4) * Double(input.height) / Double(how.rows),
        score: Double(maps[start + best]))
}

/// The highest bin along x, and along y.
private func ofBins(_ x: [Float], _ y: [Float], _ index: Int, _ how: Decoding, _ input: Preprocessing) -> Point {
    let column = placeOfHighest(x, from: index * how.columns, count: how.columns)
    let row = placeOfHighest(y, from: index * how.rows, count: how.rows)
    return Point(
        x: Double(column) * Double(input.width) / Double(how.columns),
        y: Double(row) * Double(input.height) / Double(how.rows),
        score: Double(min(x[index * how.columns + column], y[index * how.rows + row])))
}

/// Those of the box with the highest score.
private func ofBestBox(_ values: [Float], _ how: Decoding) -> [Point] {
    let best = placeOfHighest(values, from: 4 * how.columns, count: how.columns)
    func at(_ row: Int) -> Double { Double(values[row * how.columns + best]) }
    return (0..<how.count).map { Point(x: at(5 + 3 * $0), y: at(6 + 3 * $0), score: at(7 + 3 * $0)) }
}

/// The coordinates as they are; of score 1 where no scores are given.
private func ofPoint(_ values: [Float], _ start: Int, _ how: Decoding, _ input: Preprocessing) -> Point {
    let (width, height) = how.share ? (Double(input.width), Double(input.height)) : (1, 1)
    return Point(
        x: Double(values[start]) * width, y: Double(values[start + 1]) * height,
        score: how.columns == 3 ? Double(values[start + 2]) : 1)
}
