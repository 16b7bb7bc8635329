/** Offers what a line could be completed to: the candidates, and the part of the line that they replace. */
export type Completer = (line: string) => Promise<[candidates: string[], part: string]>;

export interface Question {
  /** Such as `Enter command: `. */
  readonly prompt: string;
  readonly complete?: Completer;
  /** Whether Up brings the answer back at a later question. */
  readonly recall?: boolean;
}

/** Where a session asks and tells: a terminal, or plain lines. */
export interface Screen {
  /** The line that is entered; undefined when the question was called off, or at the end of input. */
  ask(question: Question): Promise<string | undefined>;
  /** Puts lines above the question, if one is open; what is typed stays as it is. */
  print(text: string): void;
  /** Calls the open question off, and all further ones. */
  end(): void;
  /** Called when whoever sits there does not want to wait any longer for the answer to a command. */
  onInterrupt: () => void;
}
