// The pixels of a picture as its file has them: upright, without colour management, and without its alpha.
import { type Pixels, pixelsOf } from "./preprocessing.js";

const AS_STORED: ImageBitmapOptions = {
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
  imageOrientation: "from-image",
};

/** A picture file, decoded by the browser. Rejects where the browser cannot read it. */
export async function decode(file: Blob): Promise<Pixels> {
  const bitmap = await createImageBitmap(file, AS_STORED).catch(() => {
    throw new Error("This browser cannot read that file as a picture.");
  });
  try {
    return pixelsFrom(bitmap);
  } finally {
    bitmap.close();
  }
}

/** What a bitmap or the current frame of a video shows: RGB. */
export function pixelsFrom(picture: ImageBitmap | HTMLVideoElement): Pixels {
  const isVideo = picture instanceof HTMLVideoElement;
  const width = isVideo ? picture.videoWidth : picture.width;
  const height = isVideo ? picture.videoHeight : picture.height;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser has no canvas.");
  context.drawImage(picture, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  // A canvas multiplies colours by their alpha, which loses them; those of a texture stay as they are.
  return isVideo || isOpaque(rgba) ? withoutAlpha(rgba, width, height) : withoutAlpha(fromTexture(picture), width, height);
}

function isOpaque(rgba: Uint8ClampedArray): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

function withoutAlpha(rgba: ArrayLike<number>, width: number, height: number): Pixels {
  const pixels = pixelsOf(width, height, 3);
  for (let i = 0, at = 0; at < pixels.bytes.length; i += 4) {
    pixels.bytes[at++] = rgba[i]!;
    pixels.bytes[at++] = rgba[i + 1]!;
    pixels.bytes[at++] = rgba[i + 2]!;
  }
  return pixels;
}

function fromTexture(picture: ImageBitmap): Uint8Array {
  const { width, height } = picture;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (gl === null || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    throw new Error("This browser cannot read a picture of this size that is transparent in places: save it without alpha.");
  }
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const rgba = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return rgba;
}
