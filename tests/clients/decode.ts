// Beside a bundle's src/: tells what its image.ts reads from a file, "WIDTHxHEIGHT SHA256".
import { decode } from "./src/image.js";

Object.assign(window, {
  read: async (name: string): Promise<string> => {
    const pixels = await decode(await (await fetch(name)).blob());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels.bytes));
    return `${pixels.width}x${pixels.height} ${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  },
  raw: async (name: string) => Array.from((await decode(await (await fetch(name)).blob())).bytes),
});
