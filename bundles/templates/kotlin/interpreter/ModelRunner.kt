// The model in LiteRT's Interpreter, on the CPU.
package org.example.vision

import android.content.Context
import java.io.Closeable
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.DataType
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
        val type = interpreter.getOutputTensor(ModelFacts.SCORES).dataType()
        check(type == DataType.FLOAT32) { "the scores are not float32" }
    }

    /** The scores for an input in native byte order. */
    fun run(input: ByteBuffer): FloatArray {
        outputs.values.forEach { it.rewind() }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(input), outputs)
        val numbers = outputs.getValue(ModelFacts.SCORES)
        numbers.rewind()
        return FloatArray(numbers.capacity() / 4).also { numbers.asFloatBuffer().get(it) }
    }

    override fun close() = interpreter.close()
}
