// Stand-ins for what the sample calls of ExecuTorch's Java API: signatures as org.pytorch:executorch-android has them.

package org.pytorch.executorch

import java.nio.ByteBuffer
import java.nio.DoubleBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer
import java.nio.LongBuffer

enum class DType { UINT8, INT8, INT16, INT32, INT64, HALF, FLOAT, DOUBLE, BOOL }

abstract class Tensor {
    abstract fun dtype(): DType
    abstract fun shape(): LongArray
    abstract val dataAsByteArray: ByteArray
    abstract val dataAsUnsignedByteArray: ByteArray
    abstract val dataAsIntArray: IntArray
    abstract val dataAsFloatArray: FloatArray
    abstract val dataAsLongArray: LongArray
    abstract val dataAsDoubleArray: DoubleArray

    companion object {
        @JvmStatic fun fromBlob(data: ByteBuffer, shape: LongArray): Tensor = TODO()
        @JvmStatic fun fromBlob(data: DoubleBuffer, shape: LongArray): Tensor = TODO()
        @JvmStatic fun fromBlob(data: FloatBuffer, shape: LongArray): Tensor = TODO()
        @JvmStatic fun fromBlob(data: IntBuffer, shape: LongArray): Tensor = TODO()
        @JvmStatic fun fromBlob(data: LongBuffer, shape: LongArray): Tensor = TODO()
        @JvmStatic fun fromBlobUnsigned(data: ByteBuffer, shape: LongArray): Tensor = TODO()
    }
}

class EValue {
    fun toTensor(): Tensor = TODO()

    companion object {
        @JvmStatic fun from(tensor: Tensor): EValue = TODO()
    }
}

open class Module {
    fun forward(vararg inputs: EValue): Array<EValue> = TODO()
    fun destroy() = Unit

    companion object {
        const val LOAD_MODE_MMAP = 1

        @JvmStatic fun load(modelPath: String, loadMode: Int, numThreads: Int): Module = TODO()
    }
}
