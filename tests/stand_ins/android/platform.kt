// Stand-ins for what the sample calls of Android, org.json, JUnit and AndroidX: signatures only, for a type check.

package android.app

import android.content.Context
import android.os.Bundle
import android.view.View

open class Activity : Context() {
    open fun onCreate(savedInstanceState: Bundle?) = Unit
    fun setContentView(view: View) = Unit
    fun runOnUiThread(action: () -> Unit) = Unit
}

class Instrumentation {
    val context: Context get() = TODO()
    val targetContext: Context get() = TODO()
    fun sendStatus(code: Int, results: Bundle) = Unit
}
