/** What a supervisor has written, and that the files it names in its data folder are gone. */
export function outputOfGone(output: string, data: string): string {
  return output.includes(data)
    ? `${output}\nall of it has gone with the node: keep it with --artifacts DIR`
    : output;
}

/** Prints what a supervisor has written, if anything. */
export function printOutput(output: string): void {
  if (output !== '') console.error(output);
}
