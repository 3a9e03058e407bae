package dev.edgec.model

import android.os.Bundle
import android.os.Debug
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.io.File
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.pytorch.executorch.Tensor

/**
 * The bundle's own verification, on the device: every golden vector, then the latency, then the budgets that a clock judges.
 * The result is a file that `edgec inspect BUNDLE --with FILE` reads; run-on-device.sh fetches it.
 */
@RunWith(AndroidJUnit4::class)
class GoldenVectorsTest {
    private val instrumentation = InstrumentationRegistry.getInstrumentation()
    private val facts = JSONObject(String(asset("golden.json")))

    @Test
    fun verify() {
        val result = JSONObject()
        for (key in listOf("name", "version", "target", "model_sha256")) {
            result.put(key, facts.get(key))
        }
        result.put("schema", "edgec/verification/v1").put("evidence", "device")
        result.put("bundle_sha256", InstrumentationRegistry.getArguments().getString("bundle_sha256") ?: "")
        Model.load(instrumentation.targetContext).use { measure(it, result) }
        // The result goes to whoever runs the test, since files of an app are its own.
        val status = Bundle()
        status.putString("edgec", result.toString())
        instrumentation.sendStatus(0, status)
        assertEquals(result.toString(2), "passed", result.getString("status"))
    }

    private fun measure(model: Model, result: JSONObject) {
        val golden = compare(model)
        result.put("golden", golden)
        if (!golden.getBoolean("passed")) {
            result.put("status", "failed").put("bench", JSONObject.NULL).put("verdicts", JSONArray())
            return
        }
        val bench = clock(model)
        val verdicts = judge(bench)
        val missed = (0 until verdicts.length()).any { verdicts.getJSONObject(it).getString("status") == "missed" }
        result.put("bench", bench).put("verdicts", verdicts).put("status", if (missed) "budget-missed" else "passed")
    }

    private fun compare(model: Model): JSONObject {
        val vectors = facts.getJSONArray("vectors")
        var worst: JSONObject? = null
        var share = 0.0
        for (index in 0 until vectors.length()) {
            val vector = vectors.getJSONObject(index)
            val answers = model.run(inputs(model, vector))
            val names = vector.getJSONArray("outputs")
            for (output in 0 until names.length()) {
                val shape = Model.longs(vector.getJSONArray("output_shapes").getJSONArray(output))
                val wanted = Model.numbers(Model.tensor(model.outputs[output].dtype, asset(names.getString(output)), shape))
                val got = Model.numbers(answers[output])
                val largest = wanted.fold(0.0) { most, value -> Math.max(most, Math.abs(value)) }
                val allowed = facts.getDouble("absolute") + facts.getDouble("relative") * largest
                val error = if (got.size == wanted.size) difference(got, wanted) else Double.POSITIVE_INFINITY
                if (worst == null || !(error <= share * allowed)) {
                    share = if (error == 0.0) 0.0 else error / allowed
                    worst = JSONObject().put("sample", vector.getString("sample")).put("allowed", allowed)
                    worst.put("error", if (error.isInfinite()) JSONObject.NULL else error)
                }
            }
        }
        val passed = vectors.length() > 0 && share <= 1.0
        return JSONObject().put("passed", passed).put("vectors", vectors.length()).put("worst", worst ?: JSONObject.NULL)
    }

    /** Returns the largest difference; infinite where a value is not finite. */
    private fun difference(got: DoubleArray, wanted: DoubleArray): Double {
        var largest = 0.0
        for (index in got.indices) {
            val error = Math.abs(got[index] - wanted[index])
            largest = if (error.isNaN() || error.isInfinite()) Double.POSITIVE_INFINITY else Math.max(largest, error)
        }
        return largest
    }

    private fun inputs(model: Model, vector: JSONObject): List<Tensor> = model.inputs.mapIndexed { index, input ->
        val shape = Model.longs(vector.getJSONArray("input_shapes").getJSONArray(index))
        Model.tensor(input.dtype, asset(vector.getJSONArray("inputs").getString(index)), shape)
    }

    /** Clocks one inference after another (MLPerf single-stream), after a warm-up; nothing but the model is in a latency. */
    private fun clock(model: Model): JSONObject {
        val given = inputs(model, facts.getJSONArray("vectors").getJSONObject(0))
        val samples = facts.getInt("samples")
        repeat(WARM_UP) { model.run(given) }
        val seconds = DoubleArray(samples) {
            val start = System.nanoTime()
            model.run(given)
            (System.nanoTime() - start) / 1e9
        }
        seconds.sort()
        val latency = JSONObject().put("min", seconds.first()).put("max", seconds.last()).put("mean", seconds.average())
        for (percent in listOf(50, 90, 95, 99)) {
            latency.put("p$percent", seconds[Math.ceil(samples * percent / 100.0).toInt() - 1])
        }
        val bench = JSONObject().put("samples", samples).put("warmup", WARM_UP).put("threads", facts.getInt("threads"))
        bench.put("latency_s", latency).put("throughput_hz", 1 / seconds.average())
        return bench.put("peak_rss_bytes", peak())
    }

    private fun peak(): Long {
        val line = File("/proc/self/status").readLines().firstOrNull { it.startsWith("VmHWM:") }
        return line?.filter { it.isDigit() }?.toLong()?.times(1024) ?: Debug.getNativeHeapSize()
    }

    /** Judges latency and throughput. The process's memory is the test's and Android's too, so that budget stays deferred. */
    private fun judge(bench: JSONObject): JSONArray {
        val verdicts = JSONArray()
        val budgets = facts.getJSONArray("budgets")
        for (index in 0 until budgets.length()) {
            val budget = budgets.getJSONObject(index)
            val verdict = JSONObject().put("budget", budget.getString("name")).put("limit", budget.getDouble("limit"))
            val latency = budget.getString("kind") == "latency"
            if (!latency && budget.getString("kind") != "throughput") {
                continue
            }
            val times = bench.getJSONObject("latency_s")
            val value = if (latency) times.getDouble(budget.getString("statistic")) else bench.getDouble("throughput_hz")
            val limit = budget.getDouble("limit")
            val fits = if (budget.getString("sense") == "max") value <= limit else value >= limit
            verdict.put("value", value).put("unit", if (latency) "s" else "Hz").put("status", if (fits) "met" else "missed")
            verdicts.put(verdict.put("evidence", "device").put("samples", bench.getInt("samples")))
        }
        return verdicts
    }

    private fun asset(name: String): ByteArray = instrumentation.context.assets.open(name).use { it.readBytes() }

    private companion object {
        const val WARM_UP = 8
    }
}
