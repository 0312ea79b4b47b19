"""The part of the interfaces of Android, LiteRT and JUnit that the Kotlin wrapper uses, as stubs for a compiler.

Java stands for Java, Kotlin for Kotlin: LiteRT's CompiledModel is called with named arguments. Its stub also acts: a
test says what an accelerator refuses, and runs what the wrapper does about it.
"""

ANDROID = {
    "android/content/Context.java": """package android.content;
        public class Context {
            public android.content.res.AssetManager getAssets() { return new android.content.res.AssetManager(); }
        }""",
    "android/content/res/AssetFileDescriptor.java": """package android.content.res;
        public class AssetFileDescriptor implements java.io.Closeable {
            public java.io.FileDescriptor getFileDescriptor() { return null; }
            public long getStartOffset() { return 0; }
            public long getDeclaredLength() { return 0; }
            public void close() {}
        }""",
    "android/content/res/AssetManager.java": """package android.content.res;
        public final class AssetManager {
            public AssetFileDescriptor openFd(String name) throws java.io.IOException { return null; }
            public java.io.InputStream open(String name) throws java.io.IOException {
                throw new java.io.FileNotFoundException(name);
            }
        }""",
    "android/graphics/Bitmap.java": """package android.graphics;
        public final class Bitmap {
            public enum Config { ALPHA_8, RGB_565, ARGB_8888, RGBA_F16, HARDWARE }
            public Config getConfig() { return null; }
            public Bitmap copy(Config config, boolean mutable) { return null; }
            public int getWidth() { return 0; }
            public int getHeight() { return 0; }
            public void getPixels(int[] pixels, int offset, int stride, int x, int y, int width, int height) {}
        }""",
    "android/util/Log.java": """package android.util;
        public final class Log {
            public static int i(String tag, String message) { return 0; }
        }""",
}
TESTING = {
    "android/app/Instrumentation.java": """package android.app;
        public class Instrumentation {
            public android.content.Context getContext() { return null; }
            public android.content.Context getTargetContext() { return null; }
        }""",
    "androidx/test/platform/app/InstrumentationRegistry.java": """package androidx.test.platform.app;
        public final class InstrumentationRegistry {
            public static android.app.Instrumentation getInstrumentation() { return null; }
        }""",
    "org/junit/Test.java": """package org.junit;
        public @interface Test {}""",
    "org/junit/Assert.java": """package org.junit;
        public class Assert {
            public static void assertEquals(Object expected, Object actual) {}
            public static void assertEquals(String message, Object expected, Object actual) {}
            public static void assertArrayEquals(String message, float[] expected, float[] actual, float delta) {}
        }""",
}
INTERPRETER = {
    "org/tensorflow/lite/DataType.java": """package org.tensorflow.lite;
        public enum DataType { FLOAT32, INT32, UINT8, INT64 }""",
    "org/tensorflow/lite/Tensor.java": """package org.tensorflow.lite;
        public interface Tensor {
            DataType dataType();
            int numBytes();
            String name();
        }""",
    "org/tensorflow/lite/Interpreter.java": """package org.tensorflow.lite;
        public final class Interpreter implements AutoCloseable {
            public static class Options {
                public Options setNumThreads(int count) { return this; }
            }
            public Interpreter(java.nio.ByteBuffer model, Options options) {}
            public int getOutputTensorCount() { return 0; }
            public Tensor getOutputTensor(int index) { return null; }
            public void runForMultipleInputsOutputs(Object[] inputs, java.util.Map<Integer, Object> outputs) {}
            public void close() {}
        }""",
}
COMPILED_MODEL = {
    "com/google/ai/edge/litert/LiteRt.kt": """package com.google.ai.edge.litert

import android.content.Context
import android.content.res.AssetManager

/** What the stubs do, and what was done to them. */
object Device {
    var available = setOf(Accelerator.CPU, Accelerator.GPU)
    var refusesWhole = false
    var fails: (Set<Accelerator>) -> String? = { null }
    var scores: (Set<Accelerator>) -> FloatArray = { floatArrayOf(1f) }
    var runs = 0
    var open = 0
    var buffers = 0
    var written = 0

    fun reset() {
        available = setOf(Accelerator.CPU, Accelerator.GPU)
        refusesWhole = false
        fails = { null }
        scores = { floatArrayOf(1f) }
        runs = 0
        buffers = 0
        written = 0
    }
}

enum class Accelerator private constructor(val value: Int) { NONE(0), CPU(1), GPU(2), NPU(3) }

enum class Status(val code: Int) { ErrorCompilation(504) }

class LiteRtException(private val status: Status, message: String) : Exception(message)

abstract class JniHandle internal constructor(internal val handle: Long) : AutoCloseable {
    private var destroyed = false

    init {
        Device.open += 1
    }

    override final fun close() {
        if (!destroyed) {
            destroyed = true
            Device.open -= 1
        }
    }

    protected fun assertNotDestroyed() = check(!destroyed) { "The handle has been destroyed." }
}

interface NpuAcceleratorProvider {
    fun isDeviceSupported(): Boolean
    fun isLibraryReady(): Boolean
    fun getLibraryDir(): String
}

class BuiltinNpuAcceleratorProvider @JvmOverloads constructor(
    private val context: Context,
    private val npuCompatibilityChecker: Any? = null
) : NpuAcceleratorProvider {
    override fun isDeviceSupported() = false
    override fun isLibraryReady() = true
    override fun getLibraryDir() = ""
}

class Environment private constructor(handle: Long) : JniHandle(handle) {
    enum class Option private constructor(val value: Int) { CompilerPluginLibraryDir(0), DispatchLibraryDir(1) }

    fun getAvailableAccelerators(): Set<Accelerator> {
        assertNotDestroyed()
        return Device.available
    }

    companion object {
        @JvmOverloads @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = Environment(1)

        @JvmOverloads @JvmStatic
        fun create(
            npuAcceleratorProvider: NpuAcceleratorProvider, options: Map<Option, String> = mapOf()
        ): Environment = Environment(1)
    }
}

class TensorBuffer internal constructor(handle: Long, private val numbers: () -> FloatArray) : JniHandle(handle) {
    init {
        Device.buffers += 1
    }

    fun writeFloat(data: FloatArray) {
        assertNotDestroyed()
        Device.written = 4 * data.size
    }

    fun writeInt8(data: ByteArray) {
        assertNotDestroyed()
        Device.written = data.size
    }

    fun readFloat(): FloatArray {
        assertNotDestroyed()
        return numbers()
    }

    fun readInt(): IntArray {
        assertNotDestroyed()
        return numbers().map { it.toInt() }.toIntArray()
    }

    fun readLong(): LongArray {
        assertNotDestroyed()
        return numbers().map { it.toLong() }.toLongArray()
    }
}

class CompiledModel private constructor(handle: Long, private val used: Set<Accelerator>) : JniHandle(handle) {
    data class CpuOptions constructor(
        val numThreads: Int? = null, val xnnPackFlags: Int? = null, val xnnPackWeightCachePath: String? = null
    )

    data class GpuOptions constructor(
        val constantTensorSharing: Boolean? = null,
        val infiniteFloatCapping: Boolean? = null,
        val allowSrcQuantizedFcConvOps: Boolean? = null,
        val precision: Precision? = null
    ) {
        enum class Precision constructor(val value: Int) { DEFAULT(0), FP16(1), FP32(2) }
    }

    class Options constructor(internal val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators)) {}

        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null
    }

    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> {
        assertNotDestroyed()
        return listOf(TensorBuffer(1) { floatArrayOf() })
    }

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> {
        assertNotDestroyed()
        return (0..9).map { TensorBuffer(1) { Device.scores(used) } }
    }

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0) {
        assertNotDestroyed()
        Device.fails(used)?.let { throw LiteRtException(Status.ErrorCompilation, it) }
        Device.runs += 1
    }

    companion object {
        @JvmOverloads @JvmStatic
        fun create(
            assetManager: AssetManager, assetName: String, options: Options, optionalEnv: Environment? = null
        ): CompiledModel {
            val alone = Accelerator.CPU !in options.accelerators
            if (alone && Device.refusesWhole) {
                throw LiteRtException(Status.ErrorCompilation, "Some ops are not accelerated.")
            }
            if (alone && !Device.available.containsAll(options.accelerators)) {
                throw LiteRtException(Status.ErrorCompilation, "Failed to compile model")
            }
            return CompiledModel(1, options.accelerators)
        }
    }
}
""",
}
STUBS = {
    "compiled-model": ANDROID | TESTING | COMPILED_MODEL,
    "interpreter": ANDROID | TESTING | INTERPRETER,
}
# What the wrapper does on devices of every kind, in the words of the test that reads its output.
RUNNER_KT = """package test

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.Accelerator.CPU
import com.google.ai.edge.litert.Accelerator.GPU
import com.google.ai.edge.litert.Accelerator.NPU
import com.google.ai.edge.litert.Device
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.example.vision.ModelFacts
import org.example.vision.ModelRunner

fun tell(what: String, wanted: Accelerator, prepare: () -> Unit, later: () -> Unit = {}) {
    Device.reset()
    prepare()
    ModelRunner(Context(), ModelRunner.Options(wanted)).use { runner ->
        val made = Device.buffers
        later()
        val input = ByteBuffer.allocateDirect(ModelFacts.INPUT_BYTES).order(ByteOrder.nativeOrder())
        val scores = runner.run(input).getValue("scores")
        val again = runner.run(input).getValue("scores")
        check(scores.contentEquals(again)) { "not the same again" }
        check(Device.written == ModelFacts.INPUT_BYTES) { "${Device.written} bytes were written" }
        if (runner.accelerators != listOf(CPU)) check(Device.buffers == made) { "buffers are made anew" }
        println("$what: ${runner.accelerators} ${runner.fallbacks} ${scores.toList()}")
    }
    check(Device.open == 0) { "$what: ${Device.open} handles are left open" }
}

fun main() {
    println("default: ${ModelRunner.Options().accelerator}")
    tell("whole", GPU, {})
    tell("cpu", CPU, {})
    tell("in part", GPU, { Device.refusesWhole = true })
    tell("no gpu", GPU, { Device.available = setOf(CPU) })
    tell("does not run", GPU, { Device.fails = { if (GPU in it) "no memory" else null } })
    tell("overflow", GPU, { Device.scores = { floatArrayOf(if (GPU in it) Float.NaN else 2f) } })
    tell("fails later", GPU, {}, { Device.fails = { if (GPU in it) "lost" else null } })
    tell("no npu", NPU, {})
    tell("npu", NPU, { Device.available = setOf(CPU, GPU, NPU) })
    Device.reset()
    Device.fails = { "broken" }
    try {
        ModelRunner(Context())
        println("broken: runs")
    } catch (e: IllegalStateException) {
        println("broken: ${e.message}")
    }
    check(Device.open == 0) { "${Device.open} handles are left open" }
}
"""
