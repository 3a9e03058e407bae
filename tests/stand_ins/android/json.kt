package org.json

class JSONObject() {
    constructor(text: String) : this()

    fun get(name: String): Any = TODO()
    fun getBoolean(name: String): Boolean = TODO()
    fun getDouble(name: String): Double = TODO()
    fun getInt(name: String): Int = TODO()
    fun getJSONArray(name: String): JSONArray = TODO()
    fun getJSONObject(name: String): JSONObject = TODO()
    fun getString(name: String): String = TODO()
    fun put(name: String, value: Any): JSONObject = TODO()
    fun put(name: String, value: Boolean): JSONObject = TODO()
    fun put(name: String, value: Double): JSONObject = TODO()
    fun put(name: String, value: Int): JSONObject = TODO()
    fun put(name: String, value: Long): JSONObject = TODO()
    fun toString(indent: Int): String = TODO()

    companion object {
        val NULL: Any = TODO()
    }
}

class JSONArray {
    fun length(): Int = TODO()
    fun getJSONArray(index: Int): JSONArray = TODO()
    fun getJSONObject(index: Int): JSONObject = TODO()
    fun getLong(index: Int): Long = TODO()
    fun getString(index: Int): String = TODO()
    fun put(value: Any): JSONArray = TODO()
}
