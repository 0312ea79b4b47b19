// Runs on the developer's machine (src/test): the image arithmetic, to the byte, and the decoding.
package org.example.vision

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Test

class GoldenTest {
    @Test
    fun pixelsInputsAndAnswers() {
        val folder = File(javaClass.classLoader!!.getResource("golden")!!.toURI())
        for (name in ModelFacts.golden) {
            assertEquals(emptyList<String>(), Golden(name) { File(folder, it).readBytes() }.problems())
        }
    }
}
