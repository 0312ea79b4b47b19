// The model in LiteRT's Interpreter, on the CPU.
package org.example.vision

import android.content.Context
import java.io.Closeable
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

/** One model; its buffers are made once and used again. Not thread-safe. */
class ModelRunner(context: Context, options: Options = Options()) : Closeable {
    /** @param threads of the CPU */
    class Options(val threads: Int = 4)

    private val interpreter = context.assets.openFd(ModelFacts.ARTIFACT).use { file ->
        FileInputStream(file.fileDescriptor).channel.use { channel ->
            val model = channel.map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            Interpreter(model, Interpreter.Options().setNumThreads(options.threads))
        }
    }
    private val outputs: Map<Int, ByteBuffer> = (0 until interpreter.outputTensorCount).associateWith {
        val size = interpreter.getOutputTensor(it).numBytes()
        ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
    }

    init {
        for (output in ModelFacts.outputs) {
            val type = interpreter.getOutputTensor(output.index).dataType()
            check(type.name == output.type.name) { "output ${output.name} is $type, not ${output.type}" }
        }
    }

    /** What the model gives for an input in native byte order. */
    fun run(input: ByteBuffer): Outputs {
        outputs.values.forEach { it.rewind() }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(input), outputs)
        return ModelFacts.outputs.associate { it.role to read(outputs.getValue(it.index), it.type) }
    }

    private fun read(memory: ByteBuffer, type: NumberType): FloatArray {
        memory.rewind()
        return when (type) {
            NumberType.FLOAT32 -> FloatArray(memory.capacity() / 4).also { memory.asFloatBuffer().get(it) }
            NumberType.INT32 -> memory.asIntBuffer().let { FloatArray(it.capacity()) { at -> it.get(at).toFloat() } }
            NumberType.INT64 -> memory.asLongBuffer().let { FloatArray(it.capacity()) { at -> it.get(at).toFloat() } }
        }
    }

    override fun close() = interpreter.close()
}
