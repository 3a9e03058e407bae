package android.os

class Bundle {
    fun putString(key: String, value: String?) = Unit
    fun getString(key: String): String? = TODO()
}

object Debug {
    fun getNativeHeapSize(): Long = TODO()
}
