package org.example.classify

import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.exifinterface.media.ExifInterface
import java.util.concurrent.Executors
import org.example.vision.Classifier

/** One screen: pick a photograph, read the five best classes. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor() // the classifier's only thread
    private lateinit var classifier: Classifier
    private lateinit var answer: TextView

    private val picker = registerForActivityResult(ActivityResultContracts.GetContent()) { photograph ->
        if (photograph != null) worker.execute { show(photograph) }
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        answer = TextView(this)
        val button = Button(this).apply {
            setText(R.string.pick)
            setOnClickListener { picker.launch("image/*") }
        }
        setContentView(LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            addView(button)
            addView(answer)
        })
        worker.execute { classifier = Classifier(applicationContext) }
    }

    override fun onDestroy() {
        worker.execute { classifier.close() }
        worker.shutdown()
        super.onDestroy()
    }

    private fun show(photograph: Uri) {
        val bitmap = contentResolver.openInputStream(photograph).use { BitmapFactory.decodeStream(it) }
        val best = classifier.classify(bitmap, count = 5, orientation = orientationOf(photograph))
        val text = best.joinToString("\n") { "%.3f  %s".format(it.score, it.label.ifEmpty { "class ${it.index}" }) }
        runOnUiThread { answer.text = text }
    }

    /** The model was checked with upright images; a camera turns or mirrors none, and says so in the file. */
    private fun orientationOf(photograph: Uri): Int =
        contentResolver.openInputStream(photograph).use {
            ExifInterface(it!!).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
        }
}
