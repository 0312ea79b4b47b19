// Runs on a device (src/androidTest): the model itself, within the tolerances of bundle.json.
package org.example.vision

import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Test

class GoldenDeviceTest {
    @Test
    fun outputs() {
        val context = InstrumentationRegistry.getInstrumentation().targetContext
        VisionModel(context).use { model -> compareOutputs(model) { it.tolerance } }
    }
}
