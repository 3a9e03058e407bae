package dev.edgec.model

import android.content.Context
import java.io.Closeable
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject
import org.pytorch.executorch.DType
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** One input or output of the model; [shape] holds the upper bound where an axis is dynamic. */
data class Signature(val name: String, val dtype: String, val shape: LongArray)

/** The model of this bundle on ExecuTorch. Calls come one after another; [close] frees it. */
class Model private constructor(private val module: Module, facts: JSONObject) : Closeable {
    val inputs: List<Signature> = signatures(facts.getJSONArray("inputs"))
    val outputs: List<Signature> = signatures(facts.getJSONArray("outputs"))
    val labels: List<String> = strings(facts.getJSONObject("task").getJSONArray("labels"))

    /** Runs one inference: a tensor for each input, in order, and one for each output. */
    fun run(tensors: List<Tensor>): List<Tensor> {
        require(tensors.size == inputs.size) { "the model takes ${inputs.size} inputs, not ${tensors.size}" }
        val values = tensors.map { EValue.from(it) }.toTypedArray()
        return module.forward(*values).map { it.toTensor() }
    }

    override fun close() {
        module.destroy()
    }

    companion object {
        private const val MODEL = "model.pte"
        private const val FACTS = "model.json"

        /**
         * Loads the model from the assets. It is copied to a file first, since ExecuTorch maps files, and is compared with
         * its sha256 before it is loaded: a damaged program can answer wrongly without an error.
         */
        fun load(context: Context): Model {
            val facts = JSONObject(String(context.assets.open(FACTS).use { it.readBytes() }))
            val wanted = facts.getJSONObject("model").getString("sha256")
            val file = File(context.filesDir, "$wanted.pte")
            if (!file.isFile || sha256(file.readBytes()) != wanted) {
                val data = context.assets.open(MODEL).use { it.readBytes() }
                check(sha256(data) == wanted) { "the model in the assets is not the one that was built" }
                val part = File(context.filesDir, "$wanted.part")
                part.writeBytes(data)
                check(part.renameTo(file)) { "the model cannot be written to ${context.filesDir}" }
            }
            return Model(Module.load(file.path, Module.LOAD_MODE_MMAP, facts.getInt("threads")), facts)
        }

        /** Returns raw little-endian [bytes] as a tensor. */
        fun tensor(dtype: String, bytes: ByteArray, shape: LongArray): Tensor {
            val data = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
            data.put(bytes).rewind()
            return when (dtype) {
                "float32" -> Tensor.fromBlob(data.asFloatBuffer(), shape)
                "float64" -> Tensor.fromBlob(data.asDoubleBuffer(), shape)
                "int64" -> Tensor.fromBlob(data.asLongBuffer(), shape)
                "int32" -> Tensor.fromBlob(data.asIntBuffer(), shape)
                "int8" -> Tensor.fromBlob(data, shape)
                "uint8" -> Tensor.fromBlobUnsigned(data, shape)
                else -> throw IllegalArgumentException("ExecuTorch's Java API makes no tensor of $dtype")
            }
        }

        /** Returns the values of a tensor as numbers. */
        fun numbers(tensor: Tensor): DoubleArray = when (tensor.dtype()) {
            DType.FLOAT, DType.HALF -> tensor.dataAsFloatArray.map { it.toDouble() }.toDoubleArray()
            DType.DOUBLE -> tensor.dataAsDoubleArray
            DType.INT64 -> tensor.dataAsLongArray.map { it.toDouble() }.toDoubleArray()
            DType.INT32 -> tensor.dataAsIntArray.map { it.toDouble() }.toDoubleArray()
            DType.INT8 -> tensor.dataAsByteArray.map { it.toDouble() }.toDoubleArray()
            DType.UINT8 -> tensor.dataAsUnsignedByteArray.map { (it.toInt() and 0xff).toDouble() }.toDoubleArray()
            else -> throw IllegalArgumentException("ExecuTorch's Java API gives no values of ${tensor.dtype()}")
        }

        fun longs(array: JSONArray): LongArray = LongArray(array.length()) { array.getLong(it) }

        private fun strings(array: JSONArray): List<String> = List(array.length()) { array.getString(it) }

        private fun signatures(array: JSONArray): List<Signature> = List(array.length()) {
            val entry = array.getJSONObject(it)
            Signature(entry.getString("name"), entry.getString("dtype"), longs(entry.getJSONArray("shape")))
        }

        private fun sha256(data: ByteArray): String =
            MessageDigest.getInstance("SHA-256").digest(data).joinToString("") { "%02x".format(it) }
    }
}
