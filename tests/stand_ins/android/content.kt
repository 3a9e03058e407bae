package android.content

import android.content.res.AssetManager
import java.io.File

abstract class Context {
    val assets: AssetManager get() = TODO()
    val filesDir: File get() = TODO()
}
