package dev.edgec.model

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import kotlin.concurrent.thread

/** A sample: loads the model, runs it once on zeros, and shows what came out and how long it took. */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val view = TextView(this)
        setContentView(view)
        // Loading and running take long enough to stall the user interface.
        thread {
            val text = try {
                Model.load(this).use { describe(it) }
            } catch (error: Exception) {
                "The model does not run: ${error.message}"
            }
            runOnUiThread { view.text = text }
        }
    }

    private fun describe(model: Model): String {
        val zeros = model.inputs.map { Model.tensor(it.dtype, zeros(it), it.shape) }
        val start = System.nanoTime()
        val outputs = model.run(zeros)
        val milliseconds = (System.nanoTime() - start) / 1e6
        val lines = model.outputs.zip(outputs).map { (signature, tensor) ->
            val values = Model.numbers(tensor)
            val best = values.indices.fold(0) { best, index -> if (values[index] > values[best]) index else best }
            "${signature.name}: ${values.size} values, largest at ${model.labels.getOrElse(best) { best.toString() }}"
        }
        return lines.joinToString("\n") + "\n%.1f ms".format(milliseconds)
    }

    private fun zeros(input: Signature): ByteArray {
        val bytes = mapOf("float64" to 8, "int64" to 8, "float32" to 4, "int32" to 4, "int8" to 1, "uint8" to 1)
        val count = input.shape.fold(1L) { product, size -> product * size }
        return ByteArray(count.toInt() * bytes.getValue(input.dtype))
    }
}
