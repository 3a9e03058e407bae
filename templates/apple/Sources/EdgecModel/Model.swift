import CryptoKit
import ExecuTorch
import Foundation

/// One input or output of the model; `shape` holds the upper bound where an axis is dynamic.
public struct Signature: Decodable, Sendable {
    public let name: String
    public let dtype: String
    public let shape: [Int]
}

/// What the bundle says of its model.
public struct Facts: Decodable, Sendable {
    public struct Artifact: Decodable, Sendable {
        public let sha256: String
    }

    public struct Task: Decodable, Sendable {
        public let name: String
        public let labels: [String]
    }

    public let name: String
    public let version: String
    public let model: Artifact
    public let inputs: [Signature]
    public let outputs: [Signature]
    public let task: Task
}

public enum ModelError: Error, CustomStringConvertible {
    case damaged
    case wrongInputs(expected: Int, given: Int)
    case dtype(String)

    public var description: String {
        switch self {
        case .damaged: return "the model in the package is not the one that was built"
        case let .wrongInputs(expected, given): return "the model takes \(expected) inputs, not \(given)"
        case let .dtype(name): return "this package makes no tensor of \(name)"
        }
    }
}

/// The model of this bundle on ExecuTorch. Calls come one after another.
public final class Model {
    public let facts: Facts
    private let module: Module

    /// Loads the model from the package's resources, after comparing it with its sha256: a damaged program can answer wrongly
    /// without an error.
    public init() throws {
        let bundle = Bundle.module
        guard let path = bundle.url(forResource: "model", withExtension: "pte"),
              let description = bundle.url(forResource: "model", withExtension: "json")
        else { throw ModelError.damaged }
        facts = try JSONDecoder().decode(Facts.self, from: Data(contentsOf: description))
        let digest = SHA256.hash(data: try Data(contentsOf: path, options: .mappedIfSafe))
        guard digest.map({ String(format: "%02x", $0) }).joined() == facts.model.sha256 else { throw ModelError.damaged }
        module = Module(filePath: path.path)
        try module.load("forward")
    }

    /// Runs one inference: a tensor for each input, in order, and a value for each output.
    public func run(_ inputs: [ValueConvertible]) throws -> [Value] {
        guard inputs.count == facts.inputs.count else {
            throw ModelError.wrongInputs(expected: facts.inputs.count, given: inputs.count)
        }
        return try module.forward(inputs)
    }

    /// Returns raw little-endian bytes as a tensor.
    public static func tensor(_ dtype: String, _ data: Data, shape: [Int]) throws -> ValueConvertible {
        switch dtype {
        case "float32": return Tensor<Float>(values(data), shape: shape)
        case "float64": return Tensor<Double>(values(data), shape: shape)
        case "int64": return Tensor<Int64>(values(data), shape: shape)
        case "int32": return Tensor<Int32>(values(data), shape: shape)
        case "int16": return Tensor<Int16>(values(data), shape: shape)
        case "int8": return Tensor<Int8>(values(data), shape: shape)
        case "uint8": return Tensor<UInt8>(values(data), shape: shape)
        default: throw ModelError.dtype(dtype)
        }
    }

    /// Returns the values of an output as numbers.
    public static func numbers(_ value: Value, dtype: String) throws -> [Double] {
        switch dtype {
        case "float32": return scalars(value, of: Float.self).map(Double.init)
        case "float64": return scalars(value, of: Double.self)
        case "int64": return scalars(value, of: Int64.self).map(Double.init)
        case "int32": return scalars(value, of: Int32.self).map(Double.init)
        case "int16": return scalars(value, of: Int16.self).map(Double.init)
        case "int8": return scalars(value, of: Int8.self).map(Double.init)
        case "uint8": return scalars(value, of: UInt8.self).map(Double.init)
        default: throw ModelError.dtype(dtype)
        }
    }

    /// Returns raw little-endian bytes as numbers.
    public static func numbers(_ data: Data, dtype: String) throws -> [Double] {
        switch dtype {
        case "float32": return (values(data) as [Float]).map(Double.init)
        case "float64": return values(data)
        case "int64": return (values(data) as [Int64]).map(Double.init)
        case "int32": return (values(data) as [Int32]).map(Double.init)
        case "int16": return (values(data) as [Int16]).map(Double.init)
        case "int8": return (values(data) as [Int8]).map(Double.init)
        case "uint8": return (values(data) as [UInt8]).map(Double.init)
        default: throw ModelError.dtype(dtype)
        }
    }

    private static func scalars<T: Scalar>(_ value: Value, of: T.Type) -> [T] {
        let tensor: Tensor<T>? = value.tensor()
        return tensor?.scalars() ?? []
    }

    private static func values<T>(_ data: Data) -> [T] {
        let count = data.count / MemoryLayout<T>.stride
        return [T](unsafeUninitializedCapacity: count) { buffer, made in
            made = data.copyBytes(to: buffer) / MemoryLayout<T>.stride
        }
    }
}
