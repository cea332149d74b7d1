import { rgbaToI420 } from "../pixels";
import type { TrackGenerator } from "../track";

/** A video track of the frames that are given to it. */
export interface Outgoing {
  track: MediaStreamTrack;
  send(frame: ImageBitmap): void;
}

/** Make one: of video frames where the browser has generators, else of a canvas. */
export function makeOutgoing(): Outgoing {
  const { MediaStreamTrackGenerator } = globalThis as { MediaStreamTrackGenerator?: TrackGenerator };
  return MediaStreamTrackGenerator ? generated(new MediaStreamTrackGenerator({ kind: "video" })) : captured();
}

/** Chromium codes a canvas by BT.709 and shows what comes back by BT.601; so it is given planes. */
function generated(track: InstanceType<TrackGenerator>): Outgoing {
  const canvas = new OffscreenCanvas(2, 2);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
  const writer = track.writable.getWriter();
  const colorSpace = { matrix: "smpte170m", primaries: "smpte170m", transfer: "smpte170m", fullRange: false } as const;
  const send = (frame: ImageBitmap) => {
    const [width, height] = [even(frame.width), even(frame.height)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(frame, 0, 0);
    const planes = rgbaToI420(context.getImageData(0, 0, width, height).data, width, height);
    const layout = { format: "I420", codedWidth: width, codedHeight: height, colorSpace } as const;
    const coded = new VideoFrame(planes, { ...layout, timestamp: Math.round(1_000 * performance.now()) });
    void writer.write(coded).catch(() => coded.close()); // the track was stopped
  };
  return { track, send };
}

function captured(): Outgoing {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false })!;
  const track = canvas.captureStream(0).getVideoTracks()[0] as CanvasCaptureMediaStreamTrack;
  const send = (frame: ImageBitmap) => {
    const [width, height] = [even(frame.width), even(frame.height)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(frame, 0, 0);
    track.requestFrame();
  };
  return { track, send };
}

/** Video has chroma for every second pixel; an odd last one is left out. */
function even(length: number): number {
  return Math.max(2, length & ~1);
}
