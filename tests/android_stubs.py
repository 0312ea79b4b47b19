"""The part of Android's and LiteRT's Java interface that the Kotlin wrapper uses, as stubs for a compiler."""

STUBS = {
    "android/content/res/AssetFileDescriptor.java": """package android.content.res;
        public class AssetFileDescriptor implements java.io.Closeable {
            public java.io.FileDescriptor getFileDescriptor() { return null; }
            public long getStartOffset() { return 0; }
            public long getDeclaredLength() { return 0; }
            public void close() {}
        }""",
    "android/content/res/AssetManager.java": """package android.content.res;
        public final class AssetManager {
            public AssetFileDescriptor openFd(String name) throws java.io.IOException { return null; }
            public java.io.InputStream open(String name) throws java.io.IOException { return null; }
        }""",
    "android/graphics/Bitmap.java": """package android.graphics;
        public final class Bitmap {
            public enum Config { ALPHA_8, RGB_565, ARGB_8888, RGBA_F16, HARDWARE }
            public Config getConfig() { return null; }
            public Bitmap copy(Config config, boolean mutable) { return null; }
            public int getWidth() { return 0; }
            public int getHeight() { return 0; }
            public void getPixels(int[] pixels, int offset, int stride, int x, int y, int width, int height) {}
        }""",
    "org/tensorflow/lite/DataType.java": """package org.tensorflow.lite;
        public enum DataType { FLOAT32, INT32, UINT8, INT64 }""",
    "org/tensorflow/lite/Tensor.java": """package org.tensorflow.lite;
        public interface Tensor {
            DataType dataType();
            int numBytes();
            String name();
        }""",
    "org/tensorflow/lite/Interpreter.java": """package org.tensorflow.lite;
        public final class Interpreter implements AutoCloseable {
            public static class Options {
                public Options setNumThreads(int count) { return this; }
            }
            public Interpreter(java.nio.ByteBuffer model, Options options) {}
            public int getOutputTensorCount() { return 0; }
            public Tensor getOutputTensor(int index) { return null; }
            public void runForMultipleInputsOutputs(Object[] inputs, java.util.Map<Integer, Object> outputs) {}
            public void close() {}
        }""",
}
