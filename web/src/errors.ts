/** Why sharpening can't run; the message is one sentence for the person in front of the screen. */
export class ClearcallError extends Error {
  override name = "ClearcallError";
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
