/** What is asked of a library that was started. */
export interface StartedLibrary {
  /** The GPU interface it computes with; false: the CPU. */
  readonly gpu: false | string;
  getGpuDeviceNames(): Promise<readonly string[]>;
  getVramState(): Promise<{ /** bytes */ readonly total: number }>;
  dispose(): Promise<void>;
}

/**
 * Starts the library with a GPU if there is one, else without. A GPU interface may be installed on a machine whose GPU
 * it does not know: it starts, has no device, and must not be declared as what computes.
 */
export async function startWithDevice<T extends StartedLibrary>(
  start: (gpu: 'auto' | false) => Promise<T>,
): Promise<T> {
  const library = await start('auto');
  if (library.gpu === false) return library;
  const devices = await library.getGpuDeviceNames();
  if (devices.length > 0 && (await library.getVramState()).total > 0) return library;
  await library.dispose();
  return await start(false);
}
