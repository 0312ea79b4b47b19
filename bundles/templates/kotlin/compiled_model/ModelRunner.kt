// The model in LiteRT's CompiledModel: on the GPU where it can, else on the CPU, and which of them is said.
package org.example.vision

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.BuiltinNpuAcceleratorProvider
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import java.io.Closeable
import java.nio.ByteBuffer

/**
 * One model, compiled once; its buffers are made once and used again. Make it, use it and close it on one thread, not the
 * main one: compiling for a GPU takes seconds the first time.
 */
class ModelRunner(context: Context, private val options: Options = Options()) : Closeable {
    /**
     * @param accelerator what is wanted: GPU, CPU, or NPU (for which the app brings its vendor's libraries). What cannot
     * run the model is left out, NPU before GPU before CPU, and [fallbacks] says why. The default is the GPU; for int8
     * the CPU, since a GPU computes int8 as float, no faster
     * @param threads of the CPU
     * @param gpuFloat32 the GPU computes in float32. Its own choice is float16: faster, some 3 digits, and no number
     * above 65504
     */
    class Options(
        val accelerator: Accelerator = if (ModelFacts.INTEGER) Accelerator.CPU else Accelerator.GPU,
        val threads: Int = 4,
        val gpuFloat32: Boolean = false
    )

    private val assets = context.assets
    private val failures = ArrayList<String>()
    private val environment = environmentFor(context, options.accelerator)
    private var compiled = firstThatRuns(attempts(options.accelerator))

    /** What the model runs on: one accelerator alone, or two, of which the CPU has what the other one cannot do. */
    val accelerators: List<Accelerator> get() = compiled.accelerators

    /** Why the model does not run on what was asked for: a sentence for each attempt; empty where it does. */
    val fallbacks: List<String> get() = failures.toList()

    /** What the model gives for an input in native byte order. What an accelerator cannot do, the CPU does from then on. */
    fun run(input: ByteBuffer): Outputs {
        if (accelerators == CPU_ALONE) return compiled.run(input)
        val problem = try {
            val outputs = compiled.run(input)
            if (outputs.values.all { numbers -> numbers.none { it.isNaN() || it.isInfinite() } }) return outputs
            "its outputs are not finite" // float16 ends at 65504
        } catch (e: LiteRtException) {
            e.message
        }
        failures.add("${named(accelerators)}: $problem")
        compiled.close()
        compiled = firstThatRuns(listOf(CPU_ALONE))
        return compiled.run(input)
    }

    override fun close() {
        compiled.close()
        environment.close()
    }

    private fun environmentFor(context: Context, wanted: Accelerator): Environment {
        if (wanted != Accelerator.NPU) return Environment.create()
        return try {
            Environment.create(BuiltinNpuAcceleratorProvider(context))
        } catch (e: LiteRtException) {
            failures.add("NPU: ${e.message}")
            Environment.create()
        }
    }

    /**
     * First alone, then with the CPU's help. An accelerator that is alone either takes the whole model or refuses it; with
     * the CPU beside it LiteRT refuses nothing, even where there is no accelerator at all.
     */
    private fun attempts(wanted: Accelerator): List<List<Accelerator>> = when (wanted) {
        Accelerator.NPU -> listOf(listOf(Accelerator.NPU, Accelerator.CPU)) + attempts(Accelerator.GPU)
        Accelerator.GPU -> listOf(listOf(Accelerator.GPU), listOf(Accelerator.GPU, Accelerator.CPU), CPU_ALONE)
        else -> listOf(CPU_ALONE)
    }

    private fun firstThatRuns(attempts: List<List<Accelerator>>): Compiled {
        val available = environment.getAvailableAccelerators()
        for (wanted in attempts) {
            if (wanted.size > 1 && wanted[0] !in available) {
                failures.add("${named(wanted)}: LiteRT finds no ${wanted[0]} on this device")
                continue
            }
            try {
                return compile(wanted)
            } catch (e: LiteRtException) {
                failures.add("${named(wanted)}: ${e.message}")
            }
        }
        environment.close()
        throw IllegalStateException("the model cannot be run: ${failures.joinToString("; ")}")
    }

    private fun named(accelerators: List<Accelerator>) = accelerators.joinToString(" and ")

    /** The model on these accelerators. It runs once at once: what fails or compiles only then is behind us. */
    private fun compile(accelerators: List<Accelerator>): Compiled {
        val model = CompiledModel.create(assets, ModelFacts.ARTIFACT, optionsFor(accelerators), environment)
        val buffers = ArrayList<TensorBuffer>()
        try {
            val inputs = model.createInputBuffers().also { buffers.addAll(it) }
            val outputs = model.createOutputBuffers().also { buffers.addAll(it) }
            val compiled = Compiled(accelerators, model, inputs, outputs)
            compiled.run(ByteBuffer.allocate(ModelFacts.INPUT_BYTES))
            return compiled
        } catch (e: LiteRtException) {
            buffers.forEach { it.close() }
            model.close()
            throw e
        }
    }

    private fun optionsFor(accelerators: List<Accelerator>): CompiledModel.Options {
        val made = CompiledModel.Options(*accelerators.toTypedArray())
        if (Accelerator.CPU in accelerators) {
            made.cpuOptions = CompiledModel.CpuOptions(numThreads = options.threads)
        }
        if (Accelerator.GPU in accelerators && options.gpuFloat32) {
            made.gpuOptions = CompiledModel.GpuOptions(precision = CompiledModel.GpuOptions.Precision.FP32)
        }
        return made
    }

    private class Compiled(
        val accelerators: List<Accelerator>,
        private val model: CompiledModel,
        private val inputs: List<TensorBuffer>,
        private val outputs: List<TensorBuffer>
    ) : Closeable {
        fun run(input: ByteBuffer): Outputs {
            input.rewind()
            if (ModelFacts.preprocessing.normalises) {
                inputs[0].writeFloat(FloatArray(input.capacity() / 4).also { input.asFloatBuffer().get(it) })
            } else { // bytes are bytes: there is no writeUInt8
                inputs[0].writeInt8(ByteArray(input.capacity()).also { input.get(it) })
            }
            model.run(inputs, outputs)
            return ModelFacts.outputs.associate { it.role to read(outputs[it.index], it.type) }
        }

        private fun read(buffer: TensorBuffer, type: NumberType): FloatArray = when (type) {
            NumberType.FLOAT32 -> buffer.readFloat()
            NumberType.INT32 -> buffer.readInt().let { FloatArray(it.size) { at -> it[at].toFloat() } }
            NumberType.INT64 -> buffer.readLong().let { FloatArray(it.size) { at -> it[at].toFloat() } }
        }

        override fun close() {
            (inputs + outputs).forEach { it.close() }
            model.close()
        }
    }

    private companion object {
        val CPU_ALONE = listOf(Accelerator.CPU)
    }
}
