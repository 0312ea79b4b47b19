// Runs on a device (src/androidTest): the model itself, within the tolerance of bundle.json.
package org.example.vision

import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

class GoldenDeviceTest {
    @Test
    fun scores() {
        val instrumentation = InstrumentationRegistry.getInstrumentation()
        Classifier(instrumentation.targetContext).use { classifier ->
            for (name in ModelFacts.golden) {
                val one = Golden(name) { instrumentation.context.assets.open("golden/$it").readBytes() }
                val wanted = one.scores()
                val got = classifier.scores(one.image())
                assertArrayEquals(name, wanted, got, ModelFacts.TOLERANCE)
                assertEquals(name, top(wanted, 1)[0].first, top(got, 1)[0].first)
            }
        }
    }
}
