package org.junit

annotation class Test

object Assert {
    fun assertEquals(message: String, expected: Any?, actual: Any?) = Unit
}
