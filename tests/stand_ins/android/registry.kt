package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle

object InstrumentationRegistry {
    fun getInstrumentation(): Instrumentation = TODO()
    fun getArguments(): Bundle = TODO()
}
