import EdgecModel
import ExecuTorch
import Foundation
import XCTest

/// The bundle's own verification, on the device: every golden vector, then the latency, then the budgets that a clock judges.
///
/// With EDGEC_BUNDLE_SHA256 (the sha256 of SHA256SUMS) and EDGEC_OUT (a file) in the environment, the result is written as
/// `edgec inspect BUNDLE --with FILE` reads it; on a Mac, verify-on-mac.sh sets both.
final class GoldenVectorsTests: XCTestCase {
    private struct Vector: Decodable {
        let sample: String
        let inputs: [String]
        let outputs: [String]
        let input_shapes: [[Int]]
        let output_shapes: [[Int]]
    }

    private struct Budget: Decodable {
        let name: String
        let kind: String
        let statistic: String
        let sense: String
        let limit: Double
    }

    private struct Golden: Decodable {
        let name: String
        let version: String
        let target: String
        let model_sha256: String
        let absolute: Double
        let relative: Double
        let samples: Int
        let vectors: [Vector]
        let budgets: [Budget]
    }

    private let warmUp = 8

    func testVerify() throws {
        let golden = try JSONDecoder().decode(Golden.self, from: asset("golden.json"))
        let model = try Model()
        var result: [String: Any] = [
            "schema": "edgec/verification/v1", "evidence": "device", "name": golden.name, "version": golden.version,
            "target": golden.target, "model_sha256": golden.model_sha256,
            "bundle_sha256": ProcessInfo.processInfo.environment["EDGEC_BUNDLE_SHA256"] ?? "",
        ]
        let (passed, worst) = try compare(model, golden)
        result["golden"] = ["passed": passed, "vectors": golden.vectors.count, "worst": worst] as [String: Any]
        var status = "failed"
        var verdicts: [[String: Any]] = []
        if passed {
            let seconds = try clock(model, golden)
            result["bench"] = bench(seconds, golden)
            verdicts = judge(seconds, golden)
            status = verdicts.contains { $0["status"] as? String == "missed" } ? "budget-missed" : "passed"
        } else {
            result["bench"] = NSNull()
        }
        result["verdicts"] = verdicts
        result["status"] = status
        let text = try JSONSerialization.data(withJSONObject: result, options: [.sortedKeys])
        if let out = ProcessInfo.processInfo.environment["EDGEC_OUT"] {
            try text.write(to: URL(fileURLWithPath: out), options: .atomic)
        }
        XCTAssertEqual(status, "passed", String(decoding: text, as: UTF8.self))
    }

    /// Returns whether every vector agrees, and the one that is furthest off as a share of what is allowed.
    private func compare(_ model: Model, _ golden: Golden) throws -> (Bool, Any) {
        var share = 0.0
        var worst: Any = NSNull()
        for vector in golden.vectors {
            let answers = try model.run(inputs(model, vector))
            for (index, name) in vector.outputs.enumerated() {
                let dtype = model.facts.outputs[index].dtype
                let wanted = try Model.numbers(asset(name), dtype: dtype)
                let got = try Model.numbers(answers[index], dtype: dtype)
                let allowed = golden.absolute + golden.relative * (wanted.map(abs).max() ?? 0)
                let error = got.count == wanted.count ? difference(got, wanted) : Double.infinity
                let part = error == 0 ? 0 : error / allowed
                if worst is NSNull || !(part <= share) {
                    share = part
                    let shown: Any = error.isFinite ? error : NSNull()
                    worst = ["sample": vector.sample, "error": shown, "allowed": allowed] as [String: Any]
                }
            }
        }
        return (!golden.vectors.isEmpty && share <= 1, worst)
    }

    /// Returns the largest difference; infinite where a value is not finite.
    private func difference(_ got: [Double], _ wanted: [Double]) -> Double {
        zip(got, wanted).reduce(0) { largest, pair in
            let error = abs(pair.0 - pair.1)
            return error.isFinite ? Swift.max(largest, error) : .infinity
        }
    }

    private func inputs(_ model: Model, _ vector: Vector) throws -> [ValueConvertible] {
        try vector.inputs.enumerated().map { index, name in
            try Model.tensor(model.facts.inputs[index].dtype, asset(name), shape: vector.input_shapes[index])
        }
    }

    /// Clocks one inference after another (MLPerf single-stream), after a warm-up; nothing but the model is in a latency.
    private func clock(_ model: Model, _ golden: Golden) throws -> [Double] {
        let given = try inputs(model, golden.vectors[0])
        for _ in 0..<warmUp {
            _ = try model.run(given)
        }
        var seconds: [Double] = []
        for _ in 0..<golden.samples {
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try model.run(given)
            seconds.append(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
        }
        return seconds.sorted()
    }

    private func percentile(_ seconds: [Double], _ percent: Int) -> Double {
        seconds[(seconds.count * percent + 99) / 100 - 1]
    }

    private func mean(_ seconds: [Double]) -> Double {
        seconds.reduce(0, +) / Double(seconds.count)
    }

    private func bench(_ seconds: [Double], _ golden: Golden) -> [String: Any] {
        var latency = ["min": seconds[0], "max": seconds[seconds.count - 1], "mean": mean(seconds)]
        for percent in [50, 90, 95, 99] {
            latency["p\(percent)"] = percentile(seconds, percent)
        }
        var usage = rusage()
        getrusage(RUSAGE_SELF, &usage)
        // ExecuTorch's Swift API takes no number of threads: the runtime chooses, at most these.
        let threads = ProcessInfo.processInfo.activeProcessorCount
        return [
            "samples": golden.samples, "warmup": warmUp, "threads": threads, "latency_s": latency,
            "throughput_hz": 1 / mean(seconds), "peak_rss_bytes": usage.ru_maxrss,
        ]
    }

    /// Judges latency and throughput. The process's memory is the test's and the system's too, so that budget stays deferred.
    private func judge(_ seconds: [Double], _ golden: Golden) -> [[String: Any]] {
        golden.budgets.compactMap { budget in
            guard ["latency", "throughput"].contains(budget.kind) else { return nil }
            let latency = budget.kind == "latency"
            let value = latency ? percentile(seconds, Int(budget.statistic.dropFirst()) ?? 50) : 1 / mean(seconds)
            let fits = budget.sense == "max" ? value <= budget.limit : value >= budget.limit
            return [
                "budget": budget.name, "limit": budget.limit, "value": value, "unit": latency ? "s" : "Hz",
                "status": fits ? "met" : "missed", "evidence": "device", "samples": golden.samples,
            ]
        }
    }

    private func asset(_ name: String) throws -> Data {
        guard let root = Bundle.module.resourceURL else { throw ModelError.damaged }
        return try Data(contentsOf: root.appendingPathComponent(name))
    }
}
