import { Presets, SingleBar } from "cli-progress";

export interface Progress {
  update(done: number): void;
  /** Safe to call twice. */
  readonly stop: () => void;
}

/** A progress bar on standard error when that is a terminal; else nothing. */
export function showProgress(title: string, total: number, unit = "messages"): Progress {
  if (!process.stderr.isTTY || total === 0) return { update() {}, stop() {} };
  const bar = new SingleBar(
    { format: `${title} {bar} {value}/{total} ${unit}`, stream: process.stderr, hideCursor: true, clearOnComplete: true },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return { update: (done) => bar.update(Math.min(Math.max(done, 0), total)), stop: () => bar.stop() };
}
