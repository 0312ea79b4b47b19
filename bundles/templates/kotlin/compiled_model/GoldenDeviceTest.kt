// Runs on a device (src/androidTest): the model itself, within the tolerances of bundle.json.
package org.example.vision

import android.util.Log
import androidx.test.platform.app.InstrumentationRegistry
import com.google.ai.edge.litert.Accelerator
import org.junit.Test

class GoldenDeviceTest {
    @Test
    fun onTheCpu() = compare(Accelerator.CPU) { it.tolerance }

    /** In float16, as the GPU computes by its own choice; what it leaves to the CPU is in the log. */
    @Test
    fun onTheGpu() = compare(Accelerator.GPU) { it.gpuTolerance }

    private fun compare(accelerator: Accelerator, tolerance: (Output) -> Float) {
        val context = InstrumentationRegistry.getInstrumentation().targetContext
        VisionModel(context, ModelRunner.Options(accelerator)).use { model ->
            Log.i("golden", "$accelerator: runs on ${model.runner.accelerators} ${model.runner.fallbacks}")
            compareOutputs(model, tolerance)
        }
    }
}
