/**
 * The part of the engine's WebAssembly API that is used here. The API's types come with TypeScript's DOM library only.
 */
declare namespace WebAssembly {
  /** Opaque; created and passed to an Instance. */
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  const Module: new (code: Uint8Array) => Module;

  class Memory {
    constructor(pages: { initial: number; maximum: number });
    /** Detached and replaced by `grow`. */
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
