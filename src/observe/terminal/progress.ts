/** Something slow that happens before the graph starts: a download, a build. */
export interface Progress {
  /** What it is: "building Kubernetes 1.20.2". One line each. */
  readonly label: string;
  /** What it does just now: "kube-apiserver", "120 of 430 MiB". */
  readonly detail?: string | undefined;
  /** Since it began, in ms. */
  readonly elapsedMs: number;
  /** The last word on it. */
  readonly done?: boolean | undefined;
}
