import { ClearcallError } from "../errors";

/** Where pictures come from. */
export type Source = VideoSource | PictureSource;

export interface VideoSource {
  kind: "camera" | "video";
  name: string;
  video: HTMLVideoElement;
  /** Called when the camera is gone. */
  onEnded: (() => void) | null;
  close(): void;
}

export interface PictureSource {
  kind: "picture";
  name: string;
  picture: ImageBitmap;
  close(): void;
}

/** Pictures with more pixels are reduced, so that the model's memory stays bounded. */
const MOST_PIXELS = 8e6;

const CAMERA_PROBLEMS: Record<string, string> = {
  NotFoundError: "No camera was found: connect one and try again, or open a video or picture.",
  NotAllowedError:
    "The camera may not be used: allow it in the browser's address bar and try again, or open a video or picture.",
  NotReadableError: "The camera is in use by another program: close that and try again, or open a video or picture.",
  OverconstrainedError: "The camera has no picture size that fits: try another camera, or open a video or picture.",
};

/** What to tell about a camera that didn't start. */
export function cameraProblem(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  return CAMERA_PROBLEMS[name] ?? `The camera didn't start (${error}): try again, or open a video or picture.`;
}

/** Start the camera, with a picture of about this height. */
export async function openCamera(video: HTMLVideoElement, height: number): Promise<VideoSource> {
  if (!navigator.mediaDevices) {
    throw new ClearcallError("Cameras need a secure page: open it by https, or on this computer as localhost.");
  }
  const wish = { width: { ideal: (height * 16) / 9 }, height: { ideal: height }, frameRate: { ideal: 30 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wish }).catch((error: unknown) => {
    throw new ClearcallError(cameraProblem(error));
  });
  const [track] = stream.getVideoTracks() as [MediaStreamTrack];
  const close = () => {
    track.stop();
    video.srcObject = null;
  };
  const source: VideoSource = { kind: "camera", name: track.label || "camera", video, onEnded: null, close };
  track.addEventListener("ended", () => source.onEnded?.());
  video.srcObject = stream;
  await video.play();
  return source;
}

/** Open a picture or a video. */
export async function openFile(file: File, video: HTMLVideoElement): Promise<Source> {
  return file.type.startsWith("image/") ? openPicture(file) : openVideo(file, video);
}

async function openPicture(file: File): Promise<PictureSource> {
  const whole = await createImageBitmap(file).catch(() => {
    throw new ClearcallError(`${file.name} is not a picture that this browser can show: try a PNG or JPEG file.`);
  });
  const picture = await reduce(whole);
  return { kind: "picture", name: file.name, picture, close: () => picture.close() };
}

async function reduce(picture: ImageBitmap): Promise<ImageBitmap> {
  const scale = Math.sqrt(MOST_PIXELS / (picture.width * picture.height));
  if (scale >= 1) return picture;
  const size = { resizeWidth: Math.floor(picture.width * scale), resizeHeight: Math.floor(picture.height * scale) };
  return createImageBitmap(picture, { ...size, resizeQuality: "high" }).finally(() => picture.close());
}

async function openVideo(file: File, video: HTMLVideoElement): Promise<VideoSource> {
  const address = URL.createObjectURL(file);
  const close = () => {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(address);
  };
  Object.assign(video, { src: address, loop: true });
  try {
    await video.play();
  } catch {
    close();
    throw new ClearcallError(`${file.name} is not a video that this browser can play: try an MP4 or WebM file.`);
  }
  return { kind: "video", name: file.name, video, onEnded: null, close };
}
