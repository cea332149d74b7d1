"""A camera that flashes and a microphone that beeps at the same moment, and how long either is on its way."""

from __future__ import annotations

from statistics import median

from playwright.sync_api import Page

SECONDS = 0.7
"""From one flash to the next; what comes back later than that counts as lost."""

_HEARING = """
registerProcessor("hearing", class extends AudioWorkletProcessor {
  quiet = [0, 0];
  process(inputs) {
    inputs.forEach(([samples], side) => samples?.forEach((sample, at) => {
      const loud = Math.abs(sample) > 0.1;
      if (loud && this.quiet[side] > 0.2 * sampleRate) this.port.postMessage([side, (currentFrame + at) / sampleRate]);
      this.quiet[side] = loud ? 0 : this.quiet[side] + 1;
    }));
    return true;
  }
});
"""

_CAMERA = """async ([hearing, seconds]) => {
  const sound = new AudioContext();
  await sound.audioWorklet.addModule(URL.createObjectURL(new Blob([hearing], { type: "text/javascript" })));
  const [tone, gate] = [new OscillatorNode(sound, { frequency: 1000 }), new GainNode(sound, { gain: 0 })];
  const microphone = sound.createMediaStreamDestination();
  tone.connect(gate).connect(microphone);
  tone.start();
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 96 });
  const context = canvas.getContext("2d", { alpha: false });
  let bright = false;
  const paint = () => {
    context.fillStyle = bright ? "#ddd" : "#222";
    context.fillRect(0, 0, 160, 96);
  };
  const flash = (on) => {
    bright = on;
    gate.gain.setValueAtTime(on ? 0.5 : 0, sound.currentTime);
    paint();
  };
  setInterval(paint, 1000 / 30);
  setInterval(() => { flash(true); setTimeout(flash, 250, false); }, 1000 * seconds);
  const camera = new MediaStream([...canvas.captureStream().getTracks(), ...microphone.stream.getTracks()]);
  navigator.mediaDevices.getUserMedia = async () => camera;
  Object.assign(window, { sound, camera });
}"""

_WATCH = """async (element) => {
  Object.assign(window, { seen: [[], []], heard: [[], []] });
  const ears = new AudioWorkletNode(sound, "hearing", { numberOfInputs: 2 });
  ears.connect(sound.destination);
  ears.port.onmessage = ({ data: [side, time] }) => heard[side].push(time);
  [camera, element.srcObject].forEach((stream, side) => {
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: side === 0 });
    const look = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    let before = true;
    const onFrame = (_, { presentationTime }) => {
      look.drawImage(video, 0, 0, 1, 1);
      const bright = look.getImageData(0, 0, 1, 1).data[1] > 128;
      if (bright && !before) seen[side].push(presentationTime / 1000);
      before = bright;
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    void video.play();
    sound.createMediaStreamSource(new MediaStream(stream.getAudioTracks())).connect(ears, 0, side);
  });
}"""


def flash_and_beep(page: Page) -> None:
    """From now on ``getUserMedia`` gives a flashing camera with a beeping microphone; ``camera`` is the stream."""
    page.mouse.click(2, 2)  # without a person's doing a page makes no sound
    page.evaluate(_CAMERA, [_HEARING, SECONDS])


def watch(page: Page, element: str) -> None:
    """Note when flashes and beeps are sent, and when they come back in what a ``<video>`` plays.

    The same detectors watch both, so what they add themselves cancels out: flashes by the time at which their frame was
    presented, beeps by the sample, in a worklet.

    Args:
        page: After ``flash_and_beep``.
        element: JavaScript that gives the ``<video>``.
    """
    page.evaluate_handle(element).evaluate(_WATCH)


def picture_late_by(page: Page, flashes: int) -> tuple[float, str]:
    """Wait for flashes, and tell how much longer the picture was on its way than the sound.

    Args:
        page: After ``watch``.
        flashes: How many to send.

    Returns:
        Seconds, the median of the pictures' minus that of the sounds', and a line with every one.
    """
    page.evaluate("void Object.assign(window, { seen: [[], []], heard: [[], []] })")
    page.wait_for_timeout(1e3 * SECONDS * (flashes + 1))
    pictures, sounds = (_ways(*one) for one in page.evaluate("[seen, heard]"))
    assert min(len(pictures), len(sounds)) > flashes / 2, f"{len(pictures)} flashes and {len(sounds)} beeps came back"
    return median(pictures) - median(sounds), f"pictures {_ms(pictures)}, sounds {_ms(sounds)} ms"


def _ways(sent: list[float], back: list[float]) -> list[float]:
    """Seconds until each of those sent was back, as far as it was before the next."""
    returns = ((start, next((time for time in back if time > start), start + SECONDS)) for start in sent)
    return [found - start for start, found in returns if found < start + SECONDS]


def _ms(ways: list[float]) -> list[int]:
    return [round(1e3 * way) for way in ways]
