// Compares what the model gives on a device with the golden outputs.
package org.example.vision

import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals

/** The outputs for each golden image: each within its [tolerance], unless its rows come in the order of their scores. */
fun compareOutputs(model: VisionModel, tolerance: (Output) -> Float) {
    val assets = InstrumentationRegistry.getInstrumentation().context.assets
    for (name in ModelFacts.golden) {
        val one = Golden(name) { assets.open("golden/$it").readBytes() }
        val wanted = one.outputs()
        val got = model.outputs(one.image())
        for (output in ModelFacts.outputs) {
            val numbers = got.getValue(output.role)
            assertEquals(name, output.size, numbers.size)
            if (ModelFacts.ORDERED) assertArrayEquals(name, wanted.getValue(output.role), numbers, tolerance(output))
        }
    }
}
