// Runs on a device (src/androidTest): the model itself, within the tolerances of bundle.json.
package org.example.vision

import android.util.Log
import androidx.test.platform.app.InstrumentationRegistry
import com.google.ai.edge.litert.Accelerator
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

class GoldenDeviceTest {
    @Test
    fun onTheCpu() = compare(Accelerator.CPU, ModelFacts.TOLERANCE)

    /** In float16, as the GPU computes by its own choice; what it leaves to the CPU is in the log. */
    @Test
    fun onTheGpu() = compare(Accelerator.GPU, ModelFacts.GPU_TOLERANCE)

    private fun compare(accelerator: Accelerator, tolerance: Float) {
        val instrumentation = InstrumentationRegistry.getInstrumentation()
        Classifier(instrumentation.targetContext, ModelRunner.Options(accelerator)).use { classifier ->
            Log.i("golden", "$accelerator: runs on ${classifier.runner.accelerators} ${classifier.runner.fallbacks}")
            for (name in ModelFacts.golden) {
                val one = Golden(name) { instrumentation.context.assets.open("golden/$it").readBytes() }
                val wanted = one.scores()
                val got = classifier.scores(one.image())
                assertArrayEquals(name, wanted, got, tolerance)
                assertEquals(name, top(wanted, 1)[0].first, top(got, 1)[0].first)
            }
        }
    }
}
