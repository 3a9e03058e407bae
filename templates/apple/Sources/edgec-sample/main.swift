// A sample: loads the model, runs it once on zeros, and prints what came out and how long it took.

import EdgecModel
import Foundation

let bytes = ["float64": 8, "int64": 8, "float32": 4, "int32": 4, "int16": 2, "int8": 1, "uint8": 1]

do {
    let model = try Model()
    let zeros = try model.facts.inputs.map { input in
        let count = input.shape.reduce(1, *) * (bytes[input.dtype] ?? 1)
        return try Model.tensor(input.dtype, Data(count: count), shape: input.shape)
    }
    let start = Date()
    let outputs = try model.run(zeros)
    let milliseconds = Date().timeIntervalSince(start) * 1000
    for (signature, value) in zip(model.facts.outputs, outputs) {
        let numbers = try Model.numbers(value, dtype: signature.dtype)
        let best = numbers.indices.max { numbers[$0] < numbers[$1] } ?? 0
        let labels = model.facts.task.labels
        let called = labels.indices.contains(best) ? labels[best] : String(best)
        print("\(signature.name): \(numbers.count) values, largest at \(called)")
    }
    print(String(format: "%.1f ms", milliseconds))
} catch {
    FileHandle.standardError.write(Data("edgec-sample: \(error)\n".utf8))
    exit(4)
}
